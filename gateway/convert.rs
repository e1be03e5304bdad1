//! Conversions between the contract and JetStream: pure, and the only place that knows both.

pub mod account;
pub mod batch;
pub mod config;
pub mod consumer;
pub mod dead_letter;
pub mod json;
pub mod message;
pub mod open;
pub mod publish_stream;
pub mod received;
mod schedule;
pub mod stored;
pub mod stream;
pub(crate) mod time;
