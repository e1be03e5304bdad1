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

impl std::fmt::Debug for UpdateCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpdateCredentials { [redacted] }")
    }
}

/// Service, method and kind of every method, as metrics name them.
pub const METHODS: &[(&str, &str, &str)] = &include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// The encoded `FileDescriptorSet` of every proto, comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_credentials_are_not_shown() {
        let credentials = UpdateCredentials {
            bearer: "pssst".to_owned(),
        };
        let frame = consume_request::Frame::Credentials(credentials.clone());
        assert!(!format!("{credentials:?} {frame:?}").contains("pssst"));
    }
}
