//! `jetgate descriptors`: the contract for proxies, and for tools that cannot ask the gateway.

use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Write as _};

use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::Failure;
use crate::proto::DESCRIPTORS;

/// The contract, what it imports, gRPC health, and the details of errors, which proxies need to write
/// errors as JSON.
const SETS: [&[u8]; 3] = [
    DESCRIPTORS,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_types::pb::FILE_DESCRIPTOR_SET,
];

/// Writes one encoded `FileDescriptorSet` to stdout.
///
/// # Errors
///
/// When stdout is a terminal, or cannot be written to.
pub fn print_descriptors() -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        let text = "descriptors are not for reading: jetgate descriptors > jetgate.binpb";
        return Err(Failure::usage(text));
    }
    let set = all().map_err(Failure::other)?.encode_to_vec();
    let written = stdout.write_all(&set).and_then(|()| stdout.flush());
    written.map_err(Failure::of_output)
}

/// Each file once: what several import is in several sets.
fn all() -> Result<FileDescriptorSet, prost::DecodeError> {
    let mut names = HashSet::new();
    let mut file = Vec::new();
    for set in SETS {
        let set = FileDescriptorSet::decode(set)?;
        let fresh = set.file.into_iter();
        file.extend(fresh.filter(|it| names.insert(it.name().to_owned())));
    }
    Ok(FileDescriptorSet { file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_whole() {
        let set = all().unwrap().encode_to_vec();

        let pool = prost_reflect::DescriptorPool::decode(&set[..]).unwrap();

        for name in ["jetgate.v1.PublisherService", "grpc.health.v1.Health"] {
            assert!(pool.get_service_by_name(name).is_some(), "{name}");
        }
        for name in ["google.rpc.ErrorInfo", "google.rpc.Status"] {
            assert!(pool.get_message_by_name(name).is_some(), "{name}");
        }
    }
}
