//! The contract's messages and clients.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::use_self,
    reason = "generated; not all of the contract is measured"
)]

tonic::include_proto!("jetgate.v1");
