//! Dead letters: which ones callers ask for, and how they see them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost_types::Timestamp;

use crate::convert::received::{header, message_id, payload_in};
use crate::dead_letters::{Cause, Filter, Key, Letter, Noted, Order, Position};
use crate::error::{Error, Result};
use crate::names::{ConsumerName, StreamName, SubjectFilter};
use crate::proto;

/// The most letters that one request may name.
const LETTER_IDS: usize = 1_000;

/// What page tokens of this version begin with.
const VERSION: &str = "1";

/// The fastest rate, in messages per second.
const FASTEST: u32 = 100_000;

/// Which letters a request is about.
pub fn filter(filter: Option<&proto::DeadLetterFilter>) -> Result<Filter> {
    let Some(filter) = filter else {
        return Ok(Filter::default());
    };
    if filter.letter_ids.len() > LETTER_IDS {
        let why = format!("must be at most {LETTER_IDS}");
        return Err(Error::invalid("filter.letter_ids", why));
    }
    let ids = filter.letter_ids.iter().enumerate();
    let keys = ids.map(|(place, id)| Key::parse(&format!("filter.letter_ids[{place}]"), id));
    Ok(Filter {
        stream: named(&filter.stream, |it| StreamName::parse("filter.stream", it))?,
        consumer: named(&filter.consumer, |it| {
            ConsumerName::parse("filter.consumer", it)
        })?,
        subject: named(&filter.subject, |it| {
            SubjectFilter::parse("filter.subject", it)
        })?,
        cause: asked_cause(filter.cause)?,
        from: time("filter.from", filter.from)?,
        until: time("filter.until", filter.until)?,
        keys: keys.collect::<Result<_>>()?,
    })
}

/// The same where a request that names nothing must say that it means all letters.
pub fn filter_or_all(asked: Option<&proto::DeadLetterFilter>, all: bool) -> Result<Filter> {
    let filter = filter(asked)?;
    match (filter.is_empty(), all) {
        (true, false) => Err(Error::invalid("filter", "is required unless `all` is set")),
        (false, true) => Err(Error::invalid(
            "all",
            "cannot be set together with a filter",
        )),
        _ => Ok(filter),
    }
}

fn named<T>(text: &str, parse: impl FnOnce(&str) -> Result<T>) -> Result<Option<T>> {
    (!text.is_empty()).then(|| parse(text)).transpose()
}

fn asked_cause(number: i32) -> Result<Option<Cause>> {
    use proto::DeadLetterCause as Asked;
    match Asked::try_from(number) {
        Ok(Asked::Unspecified) => Ok(None),
        Ok(Asked::MaxDeliveries) => Ok(Some(Cause::MaxDeliveries)),
        Ok(Asked::Terminated) => Ok(Some(Cause::Terminated)),
        Ok(Asked::Removed) => Ok(Some(Cause::Removed)),
        Err(_) => Err(Error::invalid(
            "filter.cause",
            "is not a value of DeadLetterCause",
        )),
    }
}

fn time(field: &str, time: Option<Timestamp>) -> Result<Option<Timestamp>> {
    match time {
        Some(time) if !(0..1_000_000_000).contains(&time.nanos) => Err(Error::invalid(
            field,
            "must have from 0 to 999,999,999 nanos",
        )),
        time => Ok(time),
    }
}

/// In which order a request lists letters.
pub fn order(number: i32) -> Result<Order> {
    use proto::DeadLetterOrder as Asked;
    match Asked::try_from(number) {
        Ok(Asked::Unspecified | Asked::NewestFirst) => Ok(Order::NewestFirst),
        Ok(Asked::OldestFirst) => Ok(Order::OldestFirst),
        Err(_) => Err(Error::invalid("order", "is not a value of DeadLetterOrder")),
    }
}

/// How many messages a second; `None` is no limit.
pub fn rate(rate: u32) -> Result<Option<u32>> {
    if rate > FASTEST {
        return Err(Error::invalid("rate", format!("must be at most {FASTEST}")));
    }
    Ok((rate > 0).then_some(rate))
}

/// Where a page begins.
pub fn position(token: &str, order: Order) -> Result<Position> {
    if token.is_empty() {
        return Ok(None);
    }
    let invalid = || {
        Error::invalid(
            "page_token",
            "must be a next_page_token of this order, or empty",
        )
    };
    let text = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|it| String::from_utf8(it).ok());
    let text = text.ok_or_else(invalid)?;
    let sequence = text
        .rsplit(':')
        .next()
        .and_then(|number| number.parse().ok());
    // Only what `page_token` makes.
    let position = sequence.filter(|_| page_token(sequence, order) == token);
    position.map(Some).ok_or_else(invalid)
}

/// The token of a place in a list.
pub fn page_token(position: Position, order: Order) -> String {
    let order = match order {
        Order::NewestFirst => "n",
        Order::OldestFirst => "o",
    };
    let token = |sequence| URL_SAFE_NO_PAD.encode(format!("{VERSION}:{order}:{sequence}"));
    position.map(token).unwrap_or_default()
}

/// A letter as callers see it.
pub fn letter(letter: &Letter) -> proto::DeadLetter {
    proto::DeadLetter {
        letter_id: letter.key.to_string(),
        stream: letter.key.stream.to_string(),
        sequence: letter.key.sequence,
        consumer: letter.key.consumer.to_string(),
        consumer_created: letter.consumer_created,
        cause: cause(letter.cause) as i32,
        reason: letter.reason.clone(),
        deliveries: letter.deliveries,
        time: letter.time,
        subject: letter.subject.clone().unwrap_or_default(),
        publish_time: letter.publish_time,
        message_id: message_id(&letter.headers),
        has_message: letter.payload.is_some(),
        not_carried: letter.not_carried.clone(),
        letter_sequence: letter.sequence,
    }
}

/// A letter with its message as callers see it.
pub fn whole(
    whole: Letter,
    replays: Vec<Noted>,
    format: proto::PayloadFormat,
) -> proto::GetDeadLetterResponse {
    use proto::get_dead_letter_response::Payload;
    use proto::received_message::Payload as Received;
    let description = letter(&whole);
    let payload = whole
        .payload
        .map(|payload| match payload_in(format, payload) {
            Received::Data(data) => Payload::Data(data),
            Received::Text(text) => Payload::Text(text),
        });
    proto::GetDeadLetterResponse {
        letter: Some(description),
        headers: whole.headers.into_iter().map(header).collect(),
        replays: replays.into_iter().map(replay).collect(),
        payload,
    }
}

fn replay(noted: Noted) -> proto::DeadLetterReplay {
    proto::DeadLetterReplay {
        replay_id: noted.id.as_str().to_owned(),
        time: noted.time,
        sequence: noted.sequence,
    }
}

fn cause(cause: Cause) -> proto::DeadLetterCause {
    match cause {
        Cause::MaxDeliveries => proto::DeadLetterCause::MaxDeliveries,
        Cause::Terminated => proto::DeadLetterCause::Terminated,
        Cause::Removed => proto::DeadLetterCause::Removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(change: impl FnOnce(&mut proto::DeadLetterFilter)) -> proto::DeadLetterFilter {
        let mut filter = proto::DeadLetterFilter::default();
        change(&mut filter);
        filter
    }

    #[test]
    fn nothing_named_is_every_letter_but_must_be_meant() {
        assert!(filter(None).unwrap().is_empty());
        assert!(filter_or_all(None, true).unwrap().is_empty());
        assert!(filter_or_all(None, false).is_err());
        assert!(filter_or_all(Some(&asked(|_| ())), false).is_err());
        let some = asked(|it| it.stream = "S".into());
        assert!(!filter_or_all(Some(&some), false).unwrap().is_empty());
        assert!(filter_or_all(Some(&some), true).is_err());
    }

    #[test]
    fn what_cannot_be_found_is_refused() {
        for bad in [
            asked(|it| it.stream = "a.b".into()),
            asked(|it| it.consumer = "*".into()),
            asked(|it| it.subject = "a..b".into()),
            asked(|it| it.cause = 9),
            asked(|it| {
                it.from = Some(Timestamp {
                    seconds: 0,
                    nanos: -1,
                })
            }),
            asked(|it| it.letter_ids = vec!["S.c.1".into()]),
            asked(|it| it.letter_ids = vec!["S.c.1.i".into(); 1_001]),
        ] {
            assert!(filter(Some(&bad)).is_err(), "{bad:?}");
        }
        assert!(order(3).is_err() && rate(100_001).is_err());
        assert_eq!((rate(0).unwrap(), rate(5).unwrap()), (None, Some(5)));
    }

    #[test]
    fn a_token_belongs_to_its_order() {
        let token = page_token(Some(7), Order::NewestFirst);
        assert_eq!(position(&token, Order::NewestFirst).unwrap(), Some(7));
        assert!(position(&token, Order::OldestFirst).is_err());
        assert_eq!(page_token(None, Order::NewestFirst), "");
    }

    proptest! {
        #[test]
        fn tokens_come_back(sequence: u64, junk in ".{0,20}") {
            let token = page_token(Some(sequence), Order::OldestFirst);
            prop_assert_eq!(position(&token, Order::OldestFirst).unwrap(), Some(sequence));
            let _ = position(&junk, Order::OldestFirst);
        }
    }
}
