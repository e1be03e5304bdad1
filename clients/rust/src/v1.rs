//! The contract's messages and clients, made from its protos: what this library has no words for.
//!
//! The clients take [`Client::connection`](crate::Client::connection).

#![allow(
    missing_docs,
    unreachable_pub,
    rustdoc::all,
    clippy::all,
    clippy::pedantic,
    clippy::use_self,
    clippy::large_futures,
    clippy::allow_attributes_without_reason,
    reason = "generated; the documentation stands in the protos"
)]

include!("v1/jetgate.v1.rs");
