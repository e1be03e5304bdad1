//! Requests as protobuf: what is accepted of them names nothing reserved, and means the same when it is
//! read back.

use super::publishing::{holds, reserved};
use super::subjects::{is_one_argument, is_reserved, is_subject};
use crate::convert::message::{DefaultId, outgoing};
use crate::convert::open::{Limits, Open};
use crate::convert::{consumer, publish_stream, stored, stream};
use crate::nats::api;
use crate::proto;

/// A message of the kind that the first byte says.
pub fn requests(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    match kind % 7 {
        0 => read(bytes, publish),
        1 => read(bytes, stream_config),
        2 => read(bytes, consumer_config),
        3 => read(bytes, consume_open),
        4 => read(bytes, publish_open),
        5 => read(bytes, purge),
        _ => read(bytes, get_message),
    }
}

fn read<M: prost::Message + Default>(bytes: &[u8], target: fn(M)) {
    if let Ok(message) = M::decode(bytes) {
        target(message);
    }
}

fn publish(request: proto::PublishRequest) {
    if let Ok(message) = outgoing(request.clone(), None, DefaultId::Absent, &reserved()) {
        holds(&message, &request, None);
    }
}

fn stream_config(config: proto::StreamConfig) {
    let Ok(read) = stream::to_create(Some(&config), &reserved()) else {
        return;
    };
    is_name(&read.name);
    for subject in &read.subjects {
        is_subject(subject);
        assert!(!is_reserved(subject), "{subject}");
    }
    let sources = read.sources.iter().chain(&read.mirror);
    sources.for_each(source);
    let republished = read.republish.iter().map(|it| &it.dest);
    for destination in republished {
        is_subject(destination);
        assert!(!is_reserved(destination), "{destination}");
    }
    // What is shown of it can be sent back, and is shown like that again.
    let shown = stream::from_config(&read);
    let again = stream::to_create(Some(&shown), &reserved()).unwrap();
    assert_eq!(stream::from_config(&again), shown);
}

fn source(source: &api::StreamSource) {
    is_name(&source.name);
    if let Some(external) = &source.external {
        is_subject(&external.api);
        assert!(!external.api.starts_with("$JS.API") && !external.api.starts_with("$SYS"));
        assert!(!is_reserved(&external.deliver), "{}", external.deliver);
    }
    if let Some(consumer) = &source.consumer {
        is_name(&consumer.name);
        is_subject(&consumer.deliver_subject);
        assert!(!is_reserved(&consumer.deliver_subject));
    }
}

fn consumer_config(config: proto::ConsumerConfig) {
    let Ok(read) = consumer::to_api(Some(&config)) else {
        return;
    };
    is_name(&read.name);
    read.filters().for_each(is_subject);
    assert!(read.deliver_subject.is_empty());
    let shown = consumer::from_config(&read);
    let again = consumer::to_api(Some(&shown)).unwrap();
    assert_eq!(consumer::from_config(&again), shown);
}

fn consume_open(open: proto::ConsumeOpen) {
    let limits = Limits {
        sessions: crate::subscription::config::Config::default(),
        max_response_bytes: 4 << 20,
    };
    let largest = limits.sessions.max_window_messages;
    let Ok(open) = Open::check(open, &limits) else {
        return;
    };
    is_name(open.stream.as_str());
    assert!(open.settings.window.messages <= largest);
    match open.source.consumer() {
        "" => {}
        name => is_name(name),
    }
}

fn publish_open(open: proto::PublishOpen) {
    let config = crate::publishing::Config::default();
    if let Ok(terms) = publish_stream::terms(open, &config) {
        assert!(terms.window.messages <= config.max_window_messages);
        if let Some(producer) = &terms.producer {
            is_one_argument(producer);
        }
    }
}

fn purge(request: proto::PurgeStreamRequest) {
    let is_limited = request.limit.is_some();
    if let Ok(purge) = stored::purge(&request) {
        // JetStream would take nothing for everything.
        assert!(!is_limited || purge.seq > 0 || purge.keep > 0);
        assert_eq!(purge.filter, request.filter);
    }
}

fn get_message(request: proto::GetMessageRequest) {
    if let Ok(get) = stored::get(&request) {
        let by_subject = [&get.last_by_subj, &get.next_by_subj];
        let mut subjects = by_subject.into_iter().filter(|it| !it.is_empty());
        subjects.clone().for_each(|it| is_subject(it));
        assert!(get.seq > 0 || subjects.next().is_some());
    }
}

/// It is one token of an API subject.
fn is_name(text: &str) {
    is_one_argument(text);
    assert!(!text.contains(['.', '*', '>', '/', '\\']), "{text:?}");
}
