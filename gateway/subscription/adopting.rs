//! What a caller holds already when it opens a session: deliveries of an earlier one, by their tokens.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;
use super::acknowledge;
use super::in_flight::{Entry, Extension, Key};
use super::labels::milliseconds;
use crate::clock;
use crate::error::{Error, Result};
use crate::token::AckToken;

/// How many times an ack wait is begun anew in the time of one: two may be lost.
const EXTENSIONS: u32 = 3;

/// The tokens that a caller held, as its session answers.
#[derive(Debug, Default)]
pub(super) struct Adopted {
    /// Those that the session holds now, in its own form.
    pub(super) held: Vec<String>,
    /// The others, as they came.
    pub(super) not_held: Vec<String>,
}

impl Session {
    /// Enters what the caller holds. What has expired, is settled as far as the consumer's ack floor
    /// tells, or belongs to the consumer as it was before is not held any more.
    pub(super) fn adopt(&mut self, tokens: Vec<String>) -> Result<Adopted> {
        let mut adopted = Adopted::default();
        let now = (Instant::now(), milliseconds(clock::now()));
        for (place, text) in tokens.into_iter().enumerate() {
            let field = format!("held[{place}]");
            let token = AckToken::decode(&text);
            let token = token.ok_or_else(|| acknowledge::invalid_token().at(field.clone()))?;
            let subject = &token.subject;
            if subject.origin.stream() != self.source.stream().as_str()
                || subject.origin.consumer() != self.facts.consumer.as_str()
            {
                let text = "is a token of another consumer than the one that is opened";
                return Err(Error::invalid(field, text));
            }
            match self.is_held(&token, now.1) {
                true => adopted.held.push(self.enter_held(&token, now)),
                false => adopted.not_held.push(text),
            }
        }
        Ok(adopted)
    }

    fn is_held(&self, token: &AckToken, now: u64) -> bool {
        let terms = &self.facts.terms;
        terms.has_acks()
            && token.incarnation == terms.incarnation
            && self.labeller.is_account(token.account)
            && token.deadline > now
            && token.subject.stream_sequence > self.facts.ack_floor
    }

    fn enter_held(&mut self, token: &AckToken, (now, wall): (Instant, u64)) -> String {
        let subject = &token.subject;
        self.origin.clone_from(&subject.origin);
        let key = Key {
            stream_sequence: subject.stream_sequence,
            consumer_sequence: subject.consumer_sequence,
        };
        // A forged deadline must not keep a place for ever.
        let lease = self.facts.terms.lease(subject.delivered);
        let left = Duration::from_millis(token.deadline - wall).min(lease);
        let extension = self.extension(subject.delivered, now);
        self.book.deliver(
            key,
            Entry {
                id: 0,
                bytes: 0,
                attempt: subject.delivered,
                delivered: None,
                deadline: now + left,
                // How long ago it was delivered is not known.
                extension: extension.map(|extension| Extension {
                    next: now,
                    ..extension
                }),
            },
        );
        self.labeller.readdress(token).encode()
    }

    /// When to ask for more time for a delivery, where the caller wants that.
    pub(super) fn extension(&self, attempt: u64, delivered: Instant) -> Option<Extension> {
        let every = self.facts.terms.lease(attempt) / EXTENSIONS;
        let longest = self.settings.lease?;
        Some(Extension {
            next: delivered + every,
            every,
            until: delivered + longest,
        })
    }
}
