//! JetStream's name of a delivery: the reply subject that acknowledgements are published to.
//!
//! Version 1 has 9 tokens, `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer
//! sequence>.<time>.<pending>`; version 2 (ADR-15) puts `<domain>.<account hash>` before the stream
//! and may end in a token that means nothing.

use std::fmt;

const PREFIX: &str = "$JS.ACK.";

/// Version 2 writes this where there is no domain.
const NO_DOMAIN: &str = "_";

/// The parts of an ack subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckSubject {
    /// The JetStream domain; only in version 2.
    pub domain: Option<String>,
    /// The hash of the account; present exactly in version 2.
    pub account_hash: Option<String>,
    /// The stream.
    pub stream: String,
    /// The consumer.
    pub consumer: String,
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
        let tokens: Vec<&str> = subject.strip_prefix(PREFIX)?.split('.').collect();
        let (scope, rest) = match tokens.len() {
            7 => (None, tokens.as_slice()),
            9 | 10 => (Some((tokens[0], tokens[1])), &tokens[2..]),
            _ => return None,
        };
        let number = |place: usize| rest[place].parse().ok();
        let parsed = Self {
            domain: scope
                .map(|(domain, _)| domain.to_owned())
                .filter(|name| name != NO_DOMAIN),
            account_hash: scope.map(|(_, hash)| hash.to_owned()),
            stream: rest[0].to_owned(),
            consumer: rest[1].to_owned(),
            delivered: number(2)?,
            stream_sequence: number(3)?,
            consumer_sequence: number(4)?,
            timestamp: number(5)?,
            pending: number(6)?,
        };
        parsed.is_well_formed().then_some(parsed)
    }

    /// What the subjects of all deliveries of its consumer begin with.
    pub fn prefix(&self) -> String {
        let mut prefix = String::new();
        // A String takes whatever is written.
        let _ = self.write_prefix(&mut prefix);
        prefix
    }

    fn write_prefix(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(PREFIX)?;
        if let Some(hash) = &self.account_hash {
            write!(
                out,
                "{}.{hash}.",
                self.domain.as_deref().unwrap_or(NO_DOMAIN)
            )?;
        }
        write!(out, "{}.{}.", self.stream, self.consumer)
    }

    /// Whether every part is one token, so that the subject cannot become another one.
    pub(super) fn is_well_formed(&self) -> bool {
        let scope = [&self.domain, &self.account_hash].into_iter().flatten();
        let version_is_clear = self.domain.is_none() || self.account_hash.is_some();
        version_is_clear
            && scope
                .chain([&self.stream, &self.consumer])
                .all(|part| is_token(part))
    }
}

impl fmt::Display for AckSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            delivered,
            timestamp,
            pending,
            ..
        } = self;
        let (stream_sequence, consumer_sequence) = (self.stream_sequence, self.consumer_sequence);
        self.write_prefix(f)?;
        write!(
            f,
            "{delivered}.{stream_sequence}.{consumer_sequence}.{timestamp}.{pending}"
        )
    }
}

fn is_token(text: &str) -> bool {
    let dangerous =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>' | '/' | '\\');
    !text.is_empty() && text.len() <= 255 && !text.contains(dangerous)
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
            assert_eq!(parsed.domain.as_deref(), domain);
            assert_eq!(
                (parsed.stream.as_str(), parsed.consumer.as_str()),
                ("ORDERS", "worker")
            );
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
}
