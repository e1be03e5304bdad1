//! Where a session's deliveries come from: what the ack subjects of its consumer have in common.

use std::fmt::Write as _;
use std::sync::Arc;

use super::in_flight::Key;
use crate::names::{ConsumerName, StreamName};
use crate::token::AckSubject;

/// The common part of a consumer's ack subjects.
pub(super) struct Origin {
    example: AckSubject,
    prefix: Arc<str>,
}

impl Origin {
    /// As JetStream names deliveries within the account. The first delivery may tell more.
    pub(super) fn new(stream: &StreamName, consumer: &ConsumerName) -> Self {
        Self::of(AckSubject {
            domain: None,
            account_hash: None,
            stream: stream.to_string(),
            consumer: consumer.to_string(),
            delivered: 0,
            stream_sequence: 0,
            consumer_sequence: 0,
            timestamp: 0,
            pending: 0,
        })
    }

    fn of(example: AckSubject) -> Self {
        let prefix = example.prefix().into();
        Self { example, prefix }
    }

    /// Learns from a delivery.
    pub(super) fn learn(&mut self, ack: &AckSubject) {
        let known = &self.example;
        let is_same = ack.stream == known.stream
            && ack.consumer == known.consumer
            && ack.account_hash == known.account_hash
            && ack.domain == known.domain;
        if !is_same {
            *self = Self::of(ack.clone());
        }
    }

    /// What every ack subject of the consumer begins with.
    pub(super) fn prefix(&self) -> Arc<str> {
        self.prefix.clone()
    }

    /// The name of a delivery. JetStream finds a message by its stream sequence; the numbers that are
    /// not kept do not matter.
    pub(super) fn delivery(&self, key: Key, attempt: u64) -> AckSubject {
        AckSubject {
            delivered: attempt,
            stream_sequence: key.stream_sequence,
            consumer_sequence: key.consumer_sequence,
            timestamp: 0,
            pending: 0,
            ..self.example.clone()
        }
    }
}

/// The same as [`Origin::delivery`] in the form that is published to.
pub(super) fn ack_subject(prefix: &str, key: Key, attempt: u64) -> String {
    let mut subject = String::with_capacity(prefix.len() + 48);
    let (stream, consumer) = (key.stream_sequence, key.consumer_sequence);
    // A String takes whatever is written.
    let _ = write!(subject, "{prefix}{attempt}.{stream}.{consumer}.0.0");
    subject
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_the_same_delivery() {
        for text in [
            "$JS.ACK.ORDERS.worker.2.17.21.0.0",
            "$JS.ACK.hub.Xy12.ORDERS.worker.2.17.21.0.0",
        ] {
            let ack = AckSubject::parse(text).unwrap();
            let stream = StreamName::parse("stream", "ORDERS").unwrap();
            let consumer = ConsumerName::parse("consumer", "worker").unwrap();
            let mut origin = Origin::new(&stream, &consumer);
            origin.learn(&ack);
            let key = Key {
                stream_sequence: 17,
                consumer_sequence: 21,
            };

            assert_eq!(origin.delivery(key, 2).to_string(), text);
            assert_eq!(ack_subject(&origin.prefix(), key, 2), text);
        }
    }
}
