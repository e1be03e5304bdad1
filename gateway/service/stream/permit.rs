//! What a stream's configuration reaches, judged as its caller's own doing: the subjects that it takes
//! and makes, the streams that it copies from, and the subjects that it publishes to.

use std::borrow::Cow;

use crate::auth::Access;
use crate::auth::policy::{Action, Ask};
use crate::error::Result;
use crate::nats::api::{StreamConfig, StreamSource};
use crate::subscription::own;

/// Refuses a configuration that the caller may not bring about.
pub(super) fn may_write(access: &Access, config: &StreamConfig) -> Result<()> {
    let write = Ask::to(Action::WriteStreams).stream(&config.name);
    access.may(&write)?;
    if !access.is_limited() {
        return Ok(());
    }
    let copies = config.mirror.is_some() || !config.sources.is_empty();
    // What it is to be judged by, where it names no subjects.
    let default = (config.subjects.is_empty() && !copies).then_some(config.name.as_str());
    let made = config.subject_transform.iter().map(|it| it.dest.as_str());
    let sources = config.mirror.iter().chain(&config.sources);
    let copied = sources
        .clone()
        .flat_map(|source| &source.subject_transforms)
        .map(|it| it.dest.as_str());
    let taken = config.subjects.iter().map(String::as_str);
    for subject in taken.chain(default).chain(made).chain(copied) {
        access.may(&write.subject(&reach(subject)))?;
    }
    for source in sources {
        may_copy(access, config, source)?;
    }
    if let Some(republish) = &config.republish {
        access.may(&Ask::publish(&reach(&republish.dest)))?;
    }
    Ok(())
}

/// Copying a stream is reading it.
fn may_copy(access: &Access, config: &StreamConfig, source: &StreamSource) -> Result<()> {
    if source.external.is_some() {
        return access.may(&Ask::to(Action::ExternalStreams).stream(&config.name));
    }
    let reader = own::stem(access.owner());
    let read = Ask::consume(&source.name, &reader);
    let transforms = source.subject_transforms.iter().map(|it| it.src.as_str());
    let filters: Vec<String> = transforms
        .chain([source.filter_subject.as_str()])
        .filter(|filter| !filter.is_empty())
        .map(str::to_owned)
        .collect();
    access.may(&read.filters(&filters))
}

/// All subjects that a destination can become. What stands for parts of the original subject may be more
/// than one token.
fn reach(destination: &str) -> Cow<'_, str> {
    let is_mapped = |token: &str| token.contains("{{") || token.contains('$');
    let tokens: Vec<&str> = destination.split('.').collect();
    match tokens.iter().position(|token| is_mapped(token)) {
        None => destination.into(),
        Some(place) => {
            let mut fixed = tokens[..place].to_vec();
            fixed.push(">");
            fixed.join(".").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_reaches_all_that_it_may_become() {
        for (destination, expected) in [
            ("copy.>", "copy.>"),
            ("copy.*.x", "copy.*.x"),
            ("copy.{{wildcard(1)}}.x", "copy.>"),
            ("copy.$1", "copy.>"),
            ("{{split(1,-)}}", ">"),
            ("a.b", "a.b"),
        ] {
            assert_eq!(reach(destination), expected);
        }
    }
}
