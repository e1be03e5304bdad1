//! What is said of messages, and how the contract says it. No I/O and no waiting.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::book::{Key, NO_SESSION};
use crate::error::Error;
use crate::v1::acknowledgement::Target;
use crate::v1::{AckKind, Acknowledgement, DeliveryRange};
use crate::wire::text;

/// The gateway takes reasons up to so many characters.
const LONGEST_REASON: usize = 1_000;

/// Whom an answer to a confirmed acknowledgement is for.
pub(super) type Confirm = oneshot::Sender<Result<(), Error>>;

/// What is said of a message.
#[derive(Debug)]
pub(super) enum Word {
    Ack,
    Confirmed(Confirm),
    Nak { delay: Duration, reason: String },
    Term { reason: String },
    InProgress,
}

impl Word {
    /// Whether the message shall not come again.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::Ack | Self::Confirmed(_) | Self::Term { .. })
    }
}

/// A word with the message that it is about.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) key: Key,
    pub(super) address: Address,
    pub(super) word: Word,
}

/// Which delivery is meant: in its session by its number, elsewhere by its token.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) session: u64,
    /// 0 where only the token is known.
    pub(super) number: u64,
    pub(super) token: Bytes,
}

impl Address {
    fn target(&self, session: u64) -> Target {
        match self.is_in(session) {
            true => Target::Range(DeliveryRange {
                first: self.number,
                last: 0,
            }),
            false => Target::AckToken(text(&self.token).to_owned()),
        }
    }

    fn is_in(&self, session: u64) -> bool {
        self.session == session && self.number != 0
    }
}

impl Said {
    /// As the contract has it, for this session.
    pub(super) fn item(&self, session: u64) -> Acknowledgement {
        let (kind, delay, reason) = match &self.word {
            Word::Ack | Word::Confirmed(_) => (AckKind::Ack, None, ""),
            Word::Nak { delay, reason } => (AckKind::Nak, Some(*delay), reason.as_str()),
            Word::Term { reason } => (AckKind::Term, None, reason.as_str()),
            Word::InProgress => (AckKind::InProgress, None, ""),
        };
        // A fresh token is asked for by the old one: the answer to a range does not say it.
        let session = match self.word {
            Word::InProgress => NO_SESSION,
            _ => session,
        };
        Acknowledgement {
            target: Some(self.address.target(session)),
            kind: kind as i32,
            delay: delay.filter(|delay| !delay.is_zero()).map(crate::duration),
            reason: reason.to_owned(),
        }
    }
}

/// Deliveries of this session go by ranges of their numbers, others by their tokens.
pub(super) fn acknowledge(acks: &mut [Address], session: u64) -> Vec<Acknowledgement> {
    let is_sorted = acks.is_sorted_by_key(|ack| ack.number);
    if !is_sorted {
        acks.sort_unstable_by_key(|ack| ack.number);
    }
    let mut items = Vec::new();
    let mut run: Option<DeliveryRange> = None;
    let item = |target| Acknowledgement {
        target: Some(target),
        kind: AckKind::Ack as i32,
        ..Default::default()
    };
    for ack in acks.iter() {
        if !ack.is_in(session) {
            items.push(item(ack.target(session)));
            continue;
        }
        match &mut run {
            Some(run) if run.last + 1 == ack.number => run.last = ack.number,
            _ => {
                let begun = DeliveryRange {
                    first: ack.number,
                    last: ack.number,
                };
                items.extend(run.replace(begun).map(Target::Range).map(item));
            }
        }
    }
    items.extend(run.map(Target::Range).map(item));
    items
}

/// A reason as the contract takes it.
pub(crate) fn printable(reason: impl fmt::Display) -> String {
    let text = reason.to_string();
    let clean = text
        .chars()
        .map(|each| if each.is_control() { ' ' } else { each });
    clean.take(LONGEST_REASON).collect()
}
