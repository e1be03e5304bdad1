//! The bytes of calls before anything is decoded: what is counted of them is what is there.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};

use crate::codec::entries;
use crate::proto::DESCRIPTORS;
use crate::server::messages::Messages;

/// What an entry takes at least: an empty text.
const LEAST: usize = size_of::<String>();

/// The kinds of requests, by the contract.
static REQUESTS: LazyLock<Vec<MessageDescriptor>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let methods = pool
        .services()
        .flat_map(|it| it.methods().collect::<Vec<_>>());
    methods.map(|method| method.input()).collect()
});

/// A request whose method the first byte says, and a body that comes in pieces of so many bytes.
pub fn frames(input: &[u8]) {
    entries_are_counted(input);
    messages_are_counted(input);
}

fn entries_are_counted(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let request = &REQUESTS[usize::from(*kind) % REQUESTS.len()];
    let taken = entries::taken(request.name(), bytes);
    if let Ok(message) = DynamicMessage::decode(request.clone(), bytes) {
        let there = count(&Value::Message(message));
        assert!(
            taken >= there * LEAST,
            "{there} entries of {}",
            request.name()
        );
    }
}

/// How many entries of lists and maps there are.
fn count(value: &Value) -> usize {
    match value {
        Value::Message(message) => message.fields().map(|(_, value)| count(value)).sum(),
        Value::List(entries) => entries.len() + entries.iter().map(count).sum::<usize>(),
        Value::Map(entries) => entries.len() + entries.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

fn messages_are_counted(input: &[u8]) {
    let Some((size, body)) = input.split_first() else {
        return;
    };
    let mut messages = Messages::default();
    let pieces = body.chunks(1 + usize::from(*size));
    let counted: u64 = pieces.map(|piece| messages.pass(piece)).sum();
    let mut rest = body;
    let mut whole = 0;
    while let Some(([_, length @ ..], content)) = rest.split_first_chunk::<5>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some(behind) = content.get(length..) else {
            break;
        };
        rest = behind;
        whole += 1;
    }
    assert_eq!(counted, whole, "whole messages");
}
