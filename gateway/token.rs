//! Ack tokens: what a caller holds of a delivery, and all that any replica needs to settle it. Resume
//! tokens stand in `token/resume.rs`.
//!
//! A token is a versioned, checksummed, unsigned encoding. It grants nothing that permission to
//! consume from its consumer does not: the gateway rebuilds the ack subject from validated fields
//! and never publishes to a subject that a caller supplied.

mod ack_subject;
mod bytes;
mod origin;
mod resume;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use ack_subject::AckSubject;
use bytes::{Reader, Writer};
pub use origin::Origin;
pub use resume::{Moment, Reached, ResumeToken, Start};

/// The first byte of every token of this layout.
const VERSION: u8 = 1;

/// Longer input is not looked at: two names of 255 bytes and the numbers fit easily.
const LONGEST: usize = 2_048;

/// A delivery that can be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckToken {
    /// JetStream's own name of the delivery.
    pub subject: AckSubject,
    /// A fingerprint of the NATS account.
    pub account: u32,
    /// A fingerprint of the consumer's creation time: a consumer made anew has another.
    pub incarnation: u32,
    /// When the delivery expires, in milliseconds since 1970.
    pub deadline: u64,
    /// The session that delivered it.
    pub route: Route,
}

/// Where a session lives, so that it can be told of settlements made elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The replica's id.
    pub gateway: u64,
    /// The session's number there; 0 is none (a `Fetch`).
    pub session: u64,
}

impl AckToken {
    /// The token as callers see it: base64 with the URL-safe alphabet, without padding.
    pub fn encode(&self) -> String {
        let subject = &self.subject;
        let mut out = Writer::new(VERSION);
        out.text(subject.origin.domain().unwrap_or_default());
        out.text(subject.origin.account_hash().unwrap_or_default());
        out.text(subject.origin.stream());
        out.text(subject.origin.consumer());
        out.number(subject.delivered);
        out.number(subject.stream_sequence);
        out.number(subject.consumer_sequence);
        out.number(subject.timestamp);
        out.number(subject.pending);
        out.number(self.account.into());
        out.number(self.incarnation.into());
        out.number(self.deadline);
        out.number(self.route.gateway);
        out.number(self.route.session);
        URL_SAFE_NO_PAD.encode(out.finish())
    }

    /// Reads a token; `None` for anything that [`AckToken::encode`] did not make.
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let mut input = Reader::new(&bytes, VERSION)?;
        let token = Self {
            subject: AckSubject {
                origin: Arc::new(Origin::in_domain(
                    non_empty(input.text()?),
                    non_empty(input.text()?),
                    input.text()?,
                    input.text()?,
                )),
                delivered: input.number()?,
                stream_sequence: input.number()?,
                consumer_sequence: input.number()?,
                timestamp: input.number()?,
                pending: input.number()?,
            },
            account: input.number()?.try_into().ok()?,
            incarnation: input.number()?.try_into().ok()?,
            deadline: input.number()?,
            route: Route {
                gateway: input.number()?,
                session: input.number()?,
            },
        };
        (input.is_empty() && token.subject.origin.is_well_formed()).then_some(token)
    }
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9_-]{1,64}"
    }

    prop_compose! {
        fn tokens()(
            names in (name(), name(), proptest::option::of((name(), name()))),
            numbers in any::<[u64; 8]>(),
            prints in any::<[u32; 2]>(),
        ) -> AckToken {
            let (stream, consumer, v2) = names;
            let (domain, account_hash) = v2.unzip();
            AckToken {
                subject: AckSubject {
                    origin: Arc::new(Origin::in_domain(
                        domain.as_deref(), account_hash.as_deref(), &stream, &consumer,
                    )),
                    delivered: numbers[0], stream_sequence: numbers[1],
                    consumer_sequence: numbers[2], timestamp: numbers[3], pending: numbers[4],
                },
                account: prints[0],
                incarnation: prints[1],
                deadline: numbers[5],
                route: Route { gateway: numbers[6], session: numbers[7] },
            }
        }
    }

    proptest! {
        #[test]
        fn survives_a_round_trip(token in tokens()) {
            prop_assert_eq!(AckToken::decode(&token.encode()), Some(token));
        }

        #[test]
        fn a_changed_character_is_noticed(token in tokens(), place in any::<proptest::sample::Index>()) {
            let text = token.encode();
            let place = place.index(text.len());
            let other = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
            let mut changed = text;
            changed.replace_range(place..=place, other);
            // Unused bits at the very end are refused by the strict base64 decoder.
            prop_assert_eq!(AckToken::decode(&changed), None);
        }

        #[test]
        fn nonsense_is_refused(text in ".*") {
            prop_assert_eq!(AckToken::decode(&text), None);
        }
    }

    #[test]
    fn a_name_that_would_change_the_subject_is_refused() {
        let subject = AckSubject::parse("$JS.ACK.S.C.1.2.3.4.5").unwrap();
        for (stream, consumer) in [
            ("S.X", "C"),
            ("S", "*"),
            ("", "C"),
            ("S", "a b"),
            ("S", ">"),
        ] {
            let subject = AckSubject {
                origin: Arc::new(Origin::new(stream, consumer)),
                ..subject.clone()
            };
            let token = AckToken {
                subject,
                account: 0,
                incarnation: 0,
                deadline: 0,
                route: Route::default(),
            };
            assert_eq!(
                AckToken::decode(&token.encode()),
                None,
                "{stream} {consumer}"
            );
        }
    }
}
