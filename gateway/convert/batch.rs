//! A `PublishBatchRequest` as the messages that go to JetStream, with every check that needs no NATS.

use std::collections::HashSet;

use super::message::{DefaultId, outgoing};
use crate::error::{Error, Result};
use crate::names::Reserved;
use crate::nats::Outgoing;
use crate::proto::{PublishBatchMode, PublishBatchRequest, PublishRequest};
use crate::publishing::{Batch, MintMessageId};

/// The most messages that a batch has: JetStream's own limit of an atomic one (ADR-50).
const LARGEST: usize = 1_000;

/// Reads a request. `mint` says which messages get an id here, and `judge` whether one may be published.
pub fn batch(
    request: PublishBatchRequest,
    mint: MintMessageId,
    reserved: &Reserved,
    judge: impl Fn(&PublishRequest) -> Result<()>,
) -> Result<Batch> {
    let PublishBatchRequest {
        messages,
        mode,
        mint_message_ids,
    } = request;
    let mode = PublishBatchMode::try_from(mode).map_err(|_| {
        Error::invalid("mode", format!("{mode} is not a value of PublishBatchMode"))
    })?;
    let mint = mints(mint_message_ids, mint)?;
    if !(1..=LARGEST).contains(&messages.len()) {
        let count = messages.len();
        let why = format!("must be 1 to {LARGEST} messages, not {count}");
        return Err(Error::invalid("messages", why));
    }
    let items = messages
        .into_iter()
        .map(|message| judge(&message).and_then(|()| item(message, mint, reserved)));
    Ok(match mode {
        PublishBatchMode::Unspecified | PublishBatchMode::Independent => {
            Batch::Independent(items.collect())
        }
        PublishBatchMode::OrderedStopOnError => Batch::Ordered(items.collect()),
        PublishBatchMode::Atomic => Batch::Atomic(atomic(items)?),
    })
}

/// Whether messages get an id from the gateway.
pub(super) fn mints(asked: bool, configured: MintMessageId) -> Result<bool> {
    match configured {
        MintMessageId::Never if asked => Err(Error::invalid(
            "mint_message_ids",
            "this gateway makes no message ids",
        )),
        MintMessageId::Never => Ok(false),
        MintMessageId::Unary => Ok(asked),
        MintMessageId::Always => Ok(true),
    }
}

fn item(message: PublishRequest, mint: bool, reserved: &Reserved) -> Result<Outgoing> {
    if message.validate_only {
        return Err(Error::invalid("validate_only", "is for Publish alone"));
    }
    outgoing(message, None, DefaultId::minted(mint), reserved)
}

/// One wrong message makes an atomic batch wrong.
fn atomic(items: impl Iterator<Item = Result<Outgoing>>) -> Result<Vec<Outgoing>> {
    let mut ids = HashSet::new();
    let check = |(place, item): (usize, Result<Outgoing>)| {
        let message = item.and_then(|message| {
            fits(&message, place)?;
            match &message.id {
                Some(id) if !ids.insert(id.clone()) => Err(Error::invalid(
                    "message_id",
                    "is that of an earlier message of the batch",
                )),
                _ => Ok(message),
            }
        });
        message.map_err(|error| {
            error
                .inside(&format!("messages[{place}]"))
                .with("item", place)
        })
    };
    items.enumerate().map(check).collect()
}

/// JetStream compares with its stream as it was before the batch, which only the first message sees.
fn fits(message: &Outgoing, place: usize) -> Result<()> {
    let has = |name: &str| message.headers.get(name).is_some();
    if has("Nats-Expected-Last-Msg-Id") {
        let why = "is not for atomic batches";
        return Err(Error::invalid("expect.last_message_id", why));
    }
    if place > 0 && has("Nats-Expected-Last-Sequence") {
        let why = "is for the first message of an atomic batch";
        return Err(Error::invalid("expect.last_sequence", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Expectation;
    use proptest::prelude::*;

    fn message(id: &str) -> PublishRequest {
        PublishRequest {
            subject: "orders.x".to_owned(),
            message_id: id.to_owned(),
            ..PublishRequest::default()
        }
    }

    fn request(mode: PublishBatchMode, messages: Vec<PublishRequest>) -> PublishBatchRequest {
        PublishBatchRequest {
            messages,
            mode: mode as i32,
            ..PublishBatchRequest::default()
        }
    }

    fn convert(request: PublishBatchRequest) -> Result<Batch> {
        batch(
            request,
            MintMessageId::Unary,
            &Reserved::new("_INBOX"),
            |_| Ok(()),
        )
    }

    fn atomic_of(messages: Vec<PublishRequest>) -> Result<Batch> {
        convert(request(PublishBatchMode::Atomic, messages))
    }

    #[test]
    fn takes_one_to_a_thousand_messages_in_a_known_mode() {
        for (count, valid) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
            let messages = vec![message(""); count];
            let batch = convert(request(PublishBatchMode::Unspecified, messages));
            assert_eq!(batch.is_ok(), valid, "{count}");
        }
        let unknown = PublishBatchRequest {
            mode: 77,
            ..request(PublishBatchMode::Atomic, vec![message("")])
        };
        assert!(convert(unknown).is_err());
    }

    #[test]
    fn makes_ids_where_it_is_asked_or_told_to() {
        for (configured, asked, minted) in [
            (MintMessageId::Unary, false, Some(false)),
            (MintMessageId::Unary, true, Some(true)),
            (MintMessageId::Always, false, Some(true)),
            (MintMessageId::Never, false, Some(false)),
            (MintMessageId::Never, true, None),
        ] {
            let request = PublishBatchRequest {
                mint_message_ids: asked,
                ..request(PublishBatchMode::Independent, vec![message("")])
            };
            let outcome = match batch(request, configured, &Reserved::new("_INBOX"), |_| Ok(())) {
                Ok(Batch::Independent(items)) => Some(items[0].as_ref().unwrap().id.is_some()),
                _ => None,
            };
            assert_eq!(outcome, minted, "{configured:?} {asked}");
        }
    }

    #[test]
    fn a_wrong_message_is_wrong_alone_except_in_an_atomic_batch() {
        let messages = || vec![message("1"), PublishRequest::default(), message("2")];
        for mode in [
            PublishBatchMode::Independent,
            PublishBatchMode::OrderedStopOnError,
        ] {
            let (Batch::Independent(items) | Batch::Ordered(items)) =
                convert(request(mode, messages())).unwrap()
            else {
                panic!("not atomic");
            };
            let valid: Vec<bool> = items.iter().map(Result::is_ok).collect();
            assert_eq!(valid, [true, false, true]);
        }
        let error = atomic_of(messages()).unwrap_err();
        assert_eq!(error.metadata("item"), Some("1"));
    }

    #[test]
    fn an_atomic_batch_has_no_id_twice() {
        assert!(atomic_of(vec![message("1"), message("2"), message("")]).is_ok());
        let error = atomic_of(vec![message("1"), message("2"), message("1")]).unwrap_err();
        assert_eq!(error.metadata("item"), Some("2"));
    }

    #[test]
    fn an_atomic_batch_expects_only_what_jetstream_compares() {
        let expecting = |expect: Expectation| PublishRequest {
            expect: Some(expect.into()),
            ..message("")
        };
        let sequence = || {
            expecting(Expectation {
                last_sequence: Some(1),
                ..Expectation::default()
            })
        };
        let id = expecting(Expectation {
            last_message_id: "before".to_owned(),
            ..Expectation::default()
        });
        assert!(atomic_of(vec![sequence(), message("")]).is_ok());
        assert!(atomic_of(vec![message(""), sequence()]).is_err());
        assert!(atomic_of(vec![id]).is_err());
    }

    proptest! {
        #[test]
        fn every_message_keeps_its_place(ids in prop::collection::vec("[a-z ]{0,3}", 1..50)) {
            let messages = ids.iter().map(|id| message(id)).collect();
            let batch = convert(request(PublishBatchMode::OrderedStopOnError, messages)).unwrap();
            let Batch::Ordered(items) = batch else { panic!("not ordered") };
            prop_assert_eq!(items.len(), ids.len());
            for (item, id) in items.iter().zip(&ids) {
                let found = item.as_ref().map(|item| item.id.as_ref().map_or("", |id| id.as_str()));
                match found {
                    Ok(found) => prop_assert_eq!(found, id),
                    Err(_) => prop_assert!(id.contains(' ')),
                }
            }
        }
    }
}
