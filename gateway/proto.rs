//! The generated code of `proto/`, and the descriptors that reflection serves.

#![allow(
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

/// The encoded `FileDescriptorSet` of every proto, comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
