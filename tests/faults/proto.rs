//! The contract's messages and clients.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::use_self,
    clippy::large_futures,
    clippy::allow_attributes_without_reason,
    reason = "generated; the documentation stands in the protos"
)]

tonic::include_proto!("jetgate.v1");
