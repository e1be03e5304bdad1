//! What a stream does with messages of others and passes on of its own: mirrors, sources, subject
//! transforms and republishing.

use std::time::Duration;

use crate::convert::config::choice;
use crate::convert::consumer::reading::check_time;
use crate::error::{Error, Result};
use crate::names::{
    ApiPrefix, ConsumerName, RepublishDestination, Reserved, StreamName, Subject, SubjectFilter,
    TransformDestination,
};
use crate::nats::api;
use crate::proto;

/// Where messages come from. `field` is the source's path in the request.
pub(super) fn source(
    field: &str,
    source: &proto::StreamSource,
    reserved: &Reserved,
) -> Result<api::StreamSource> {
    let at = |name: &str| format!("{field}.{name}");
    check_start(field, source)?;
    if !source.filter_subject.is_empty() && !source.subject_transforms.is_empty() {
        let why = "must not be set together with subject_transforms";
        return Err(Error::invalid(at("filter_subject"), why));
    }
    let external = source.external.as_ref();
    let consumer = source.consumer.as_ref();
    Ok(api::StreamSource {
        name: StreamName::parse(&at("name"), &source.name)?.into(),
        opt_start_seq: source.opt_start_seq,
        opt_start_time: source.opt_start_time,
        filter_subject: filter(&at("filter_subject"), &source.filter_subject)?,
        subject_transforms: transforms(&at("subject_transforms"), &source.subject_transforms)?,
        external: external
            .map(|it| self::external(&at("external"), it, reserved))
            .transpose()?,
        consumer: consumer
            .map(|it| self::consumer(&at("consumer"), it, reserved))
            .transpose()?,
        other: api::JsonObject::new(),
    })
}

/// How the subjects of all messages change.
pub(super) fn subject_transform(it: &proto::SubjectTransform) -> Result<api::SubjectTransform> {
    let field = "config.subject_transform";
    let dest = TransformDestination::parse(&format!("{field}.dest"), &it.dest)?;
    Ok(api::SubjectTransform {
        src: filter(&format!("{field}.src"), &it.src)?,
        dest: dest.into(),
    })
}

/// How messages are published again.
pub(super) fn republish(it: &proto::Republish, reserved: &Reserved) -> Result<api::Republish> {
    let dest = RepublishDestination::parse("config.republish.dest", &it.dest, reserved)?;
    Ok(api::Republish {
        src: filter("config.republish.src", &it.src)?,
        dest: dest.into(),
        headers_only: it.headers_only,
        other: api::JsonObject::new(),
    })
}

/// When a publish is acknowledged.
pub(super) fn persist_mode(number: i32) -> Result<api::PersistMode> {
    use proto::PersistMode as Mode;
    Ok(match choice("config.persist_mode", number)? {
        Mode::Unspecified | Mode::Default => api::PersistMode::Default,
        Mode::Async => api::PersistMode::Async,
    })
}

/// The mode as callers see it.
pub(super) fn shown_persist_mode(mode: &api::PersistMode) -> proto::PersistMode {
    match mode {
        api::PersistMode::Default => proto::PersistMode::Default,
        api::PersistMode::Async => proto::PersistMode::Async,
        api::PersistMode::Other(_) => proto::PersistMode::Unspecified,
    }
}

/// A source as callers see it.
pub(super) fn shown_source(source: &api::StreamSource) -> proto::StreamSource {
    let external = source.external.as_ref();
    let consumer = source.consumer.as_ref();
    proto::StreamSource {
        name: source.name.clone(),
        opt_start_seq: source.opt_start_seq,
        opt_start_time: source.opt_start_time,
        filter_subject: source.filter_subject.clone(),
        subject_transforms: source.subject_transforms.iter().map(shown).collect(),
        external: external.map(shown_external),
        consumer: consumer.map(|it| proto::StreamSourceConsumer {
            name: it.name.clone(),
            deliver_subject: it.deliver_subject.clone(),
        }),
    }
}

/// How far a source was copied.
pub(super) fn state(info: api::SourceInfo) -> proto::StreamSourceState {
    let active = u64::try_from(info.active).ok();
    proto::StreamSourceState {
        name: info.name,
        filter_subject: info.filter_subject,
        external: info.external.as_ref().map(shown_external),
        lag: info.lag,
        // 0 is just now, and not "unset" as in configurations.
        active: active.and_then(|nanos| Duration::from_nanos(nanos).try_into().ok()),
        error: info.error.map(|it| it.description).unwrap_or_default(),
    }
}

fn shown_external(external: &api::ExternalStream) -> proto::ExternalStream {
    proto::ExternalStream {
        api: external.api.clone(),
        deliver: external.deliver.clone(),
    }
}

/// A transform as callers see it.
pub(super) fn shown(transform: &api::SubjectTransform) -> proto::SubjectTransform {
    proto::SubjectTransform {
        src: transform.src.clone(),
        dest: transform.dest.clone(),
    }
}

/// Republishing as callers see it.
pub(super) fn shown_republish(republish: &api::Republish) -> proto::Republish {
    proto::Republish {
        src: republish.src.clone(),
        dest: republish.dest.clone(),
        headers_only: republish.headers_only,
    }
}

/// A consumer that was made for copying knows itself where it starts and what it filters.
fn check_start(field: &str, source: &proto::StreamSource) -> Result<()> {
    let at = |name: &str| format!("{field}.{name}");
    check_time(&at("opt_start_time"), source.opt_start_time.as_ref())?;
    if source.opt_start_seq != 0 && source.opt_start_time.is_some() {
        let why = "must not be set together with opt_start_seq";
        return Err(Error::invalid(at("opt_start_time"), why));
    }
    let narrowed = source.opt_start_seq != 0
        || source.opt_start_time.is_some()
        || !source.filter_subject.is_empty();
    if source.consumer.is_some() && narrowed {
        let why = "must not be set together with opt_start_seq, opt_start_time and filter_subject";
        return Err(Error::invalid(at("consumer"), why));
    }
    Ok(())
}

fn external(
    field: &str,
    external: &proto::ExternalStream,
    reserved: &Reserved,
) -> Result<api::ExternalStream> {
    let deliver = match external.deliver.as_str() {
        "" => String::new(),
        text => Subject::parse(&format!("{field}.deliver"), text, reserved)?.into(),
    };
    Ok(api::ExternalStream {
        api: ApiPrefix::parse(&format!("{field}.api"), &external.api, reserved)?.into(),
        deliver,
    })
}

fn consumer(
    field: &str,
    consumer: &proto::StreamSourceConsumer,
    reserved: &Reserved,
) -> Result<api::SourceConsumer> {
    let subject = format!("{field}.deliver_subject");
    Ok(api::SourceConsumer {
        name: ConsumerName::parse(&format!("{field}.name"), &consumer.name)?.into(),
        deliver_subject: Subject::parse(&subject, &consumer.deliver_subject, reserved)?.into(),
    })
}

fn transforms(
    field: &str,
    transforms: &[proto::SubjectTransform],
) -> Result<Vec<api::SubjectTransform>> {
    let checked = transforms.iter().enumerate().map(|(index, it)| {
        let dest = match it.dest.as_str() {
            "" => String::new(),
            text => TransformDestination::parse(&format!("{field}[{index}].dest"), text)?.into(),
        };
        Ok(api::SubjectTransform {
            src: filter(&format!("{field}[{index}].src"), &it.src)?,
            dest,
        })
    });
    checked.collect()
}

fn filter(field: &str, text: &str) -> Result<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    SubjectFilter::parse(field, text).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_was_never_heard_of_was_not_heard_of_just_now() {
        let state = |active| {
            state(api::SourceInfo {
                active,
                ..api::SourceInfo::default()
            })
        };
        assert_eq!(state(-1).active, None);
        assert_eq!(state(0).active, Some(prost_types::Duration::default()));
        assert_eq!(state(2_000_000_001).active.unwrap().nanos, 1);
    }
}
