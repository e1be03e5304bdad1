//! One file per gRPC service: unpack the request, convert it, call, convert the answer.

pub mod consumer;
pub mod dead_letter;
pub mod gateway;
pub(crate) mod page;
pub mod publisher;
mod resource;
pub mod stream;
pub mod subscriber;
mod turn;
