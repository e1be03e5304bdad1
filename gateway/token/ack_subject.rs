//! JetStream's name of a delivery: the reply subject that acknowledgements are published to.
//!
//! Version 1 has 9 tokens, `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer
//! sequence>.<time>.<pending>`; version 2 (ADR-15) puts `<domain>.<account hash>` before the stream
//! and may end in a token that means nothing.

use std::fmt;
use std::str::Split;
use std::sync::Arc;

use super::origin::{NO_DOMAIN, Origin, PREFIX};

/// The parts of an ack subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckSubject {
    /// The consumer.
    pub origin: Arc<Origin>,
    /// How many times the message was delivered, this one included.
    pub delivered: u64,
    /// The message's sequence in the stream.
    pub stream_sequence: u64,
    /// The delivery's sequence in the consumer.
    pub consumer_sequence: u64,
    /// When the message was stored, in nanoseconds since 1970.
    pub timestamp: u64,
    /// How many messages waited for the consumer after this one.
    pub pending: u64,
}

impl AckSubject {
    /// Takes a reply subject apart; `None` for any other subject.
    pub fn parse(subject: &str) -> Option<Self> {
        let mut tokens = subject.strip_prefix(PREFIX)?.split('.');
        let (domain, hash) = match tokens.clone().count() {
            7 => (None, None),
            9 | 10 => (tokens.next().filter(|it| *it != NO_DOMAIN), tokens.next()),
            _ => return None,
        };
        let origin = Origin::in_domain(domain, hash, tokens.next()?, tokens.next()?);
        let origin = Some(origin).filter(Origin::is_well_formed)?;
        Self::numbered(Arc::new(origin), tokens)
    }

    /// The same for a delivery that most likely is one of this consumer: then nothing is copied.
    pub fn parse_from(origin: &Arc<Origin>, subject: &str) -> Option<Self> {
        let rest = subject.strip_prefix(origin.prefix());
        rest.and_then(|rest| Self::numbered(origin.clone(), rest.split('.')))
            .or_else(|| Self::parse(subject))
    }

    fn numbered(origin: Arc<Origin>, mut tokens: Split<'_, char>) -> Option<Self> {
        let mut number = || tokens.next()?.parse().ok();
        let parsed = Self {
            delivered: number()?,
            stream_sequence: number()?,
            consumer_sequence: number()?,
            timestamp: number()?,
            pending: number()?,
            origin,
        };
        let random_tokens = usize::from(parsed.origin.account_hash().is_some());
        (tokens.count() <= random_tokens).then_some(parsed)
    }
}

impl fmt::Display for AckSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            delivered,
            stream_sequence,
            consumer_sequence,
            timestamp,
            pending,
        } = self;
        f.write_str(origin.prefix())?;
        write!(
            f,
            "{delivered}.{stream_sequence}.{consumer_sequence}.{timestamp}.{pending}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_versions_and_writes_them_back() {
        for (subject, domain) in [
            ("$JS.ACK.ORDERS.worker.2.17.21.1700000000000000000.3", None),
            (
                "$JS.ACK.hub.Xy12.ORDERS.worker.2.17.21.1700000000000000000.3",
                Some("hub"),
            ),
            (
                "$JS.ACK._.Xy12.ORDERS.worker.2.17.21.1700000000000000000.3",
                None,
            ),
        ] {
            let parsed = AckSubject::parse(subject).unwrap();
            let origin = &parsed.origin;
            assert_eq!(origin.domain(), domain);
            assert_eq!((origin.stream(), origin.consumer()), ("ORDERS", "worker"));
            assert_eq!((parsed.delivered, parsed.stream_sequence), (2, 17));
            assert_eq!(parsed.to_string(), subject);
        }
    }

    #[test]
    fn drops_the_random_token_of_version_2() {
        let subject = "$JS.ACK._.Xy12.ORDERS.worker.1.1.1.1.0.r4nd0m";
        let parsed = AckSubject::parse(subject).unwrap();
        assert_eq!(format!("{parsed}.r4nd0m"), subject);
    }

    #[test]
    fn refuses_other_subjects() {
        for subject in [
            "",
            "$JS.ACK.",
            "$JS.API.STREAM.PURGE.S",
            "$JS.ACK.S.C.x.1.1.1.1",
            "$JS.ACK.S..1.1.1.1.1",
        ] {
            assert_eq!(AckSubject::parse(subject), None, "{subject}");
        }
    }

    #[test]
    fn what_comes_from_a_known_consumer_shares_its_name() {
        let first = AckSubject::parse("$JS.ACK.S.C.1.2.3.4.5").unwrap();
        let same = AckSubject::parse_from(&first.origin, "$JS.ACK.S.C.2.3.4.5.6").unwrap();
        assert!(Arc::ptr_eq(&first.origin, &same.origin));
        assert_eq!((same.delivered, same.pending), (2, 6));

        // Another consumer, and a domain and an account that are called like this one.
        for subject in [
            "$JS.ACK.S.D.1.2.3.4.5",
            "$JS.ACK.S.C.S.C.1.2.3.4.5",
            "$JS.ACK.S.C.1.2.3.4.5.6",
        ] {
            let parsed = AckSubject::parse(subject);
            assert_eq!(AckSubject::parse_from(&first.origin, subject), parsed);
        }
    }
}
