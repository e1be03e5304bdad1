//! The words that files and JSON have for values of the contract: `limits`, `1GiB`, `7d`.
//!
//! The names of fields are the contract's own, read from its descriptors.

use std::sync::LazyLock;

use prost_reflect::{DescriptorError, DescriptorPool, EnumDescriptor, EnumValueDescriptor};
use prost_reflect::{FieldDescriptor, MessageDescriptor};

use crate::{cli::Failure, proto};

/// Where JetStream spells a word otherwise than the contract.
const SPELLINGS: [(&str, &str); 1] = [("work_queue", "workqueue")];

/// What the zero value of each enum is called, behind the enum's own name.
const UNSET: &str = "UNSPECIFIED";

/// What is said in the contract of `M`.
pub(super) fn descriptor<M: prost::Name>() -> Result<MessageDescriptor, Failure> {
    static POOL: LazyLock<Result<DescriptorPool, DescriptorError>> =
        LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTORS));
    let pool = POOL
        .as_ref()
        .map_err(|error| Failure::other(error.to_string()))?;
    let name = M::full_name();
    let descriptor = pool.get_message_by_name(&name);
    descriptor.ok_or_else(|| Failure::other(format!("the contract has no {name}")))
}

/// The word for a value: `limits`. That of the zero value is `unspecified`.
pub(super) fn word(value: &EnumValueDescriptor) -> String {
    let name = value.name();
    let word = name
        .strip_prefix(&prefix(value.parent_enum()))
        .unwrap_or(name);
    let word = word.to_ascii_lowercase();
    let spelling = SPELLINGS.iter().find(|(ours, _)| *ours == word);
    spelling.map_or(word, |(_, theirs)| (*theirs).to_owned())
}

/// The words that there are.
pub(super) fn words(descriptor: &EnumDescriptor) -> Vec<String> {
    let values = descriptor.values().filter(|value| value.number() != 0);
    values.map(|value| word(&value)).collect()
}

/// The number of a word, or of the value's whole name.
pub(super) fn number(descriptor: &EnumDescriptor, text: &str) -> Option<i32> {
    let mut values = descriptor.values().filter(|value| value.number() != 0);
    let value = values.find(|value| word(value) == text || value.name() == text)?;
    Some(value.number())
}

/// Whether the field is a number of bytes, so that it may have a unit.
pub(super) fn counts_bytes(field: &FieldDescriptor) -> bool {
    let name = field.name();
    name.ends_with("bytes") || name.ends_with("size")
}

/// `RETENTION_POLICY_` of the enum whose zero value is `RETENTION_POLICY_UNSPECIFIED`.
fn prefix(descriptor: &EnumDescriptor) -> String {
    let zero = descriptor.default_value();
    let name = zero.name();
    name.strip_suffix(UNSET).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use prost_reflect::Kind;

    use super::*;

    fn words_of(field: &str) -> Vec<String> {
        let stream = descriptor::<proto::StreamConfig>().unwrap();
        let Kind::Enum(descriptor) = stream.get_field_by_name(field).unwrap().kind() else {
            panic!("{field} is no enum");
        };
        words(&descriptor)
    }

    #[test]
    fn enums_have_the_words_of_jetstream() {
        assert_eq!(words_of("retention"), ["limits", "interest", "workqueue"]);
        assert_eq!(words_of("storage"), ["file", "memory"]);
        assert_eq!(words_of("compression"), ["none", "s2"]);
        assert_eq!(words_of("persist_mode"), ["default", "async"]);
    }
}
