//! What one user's connections sent, as the log of a nats-server that traces has it.

use std::collections::HashMap;

use super::generator::MARK;

/// What a client has a server do.
#[derive(Debug)]
pub(super) enum Operation {
    /// Listening.
    Subscribe(String),
    /// Publishing.
    Publish {
        subject: String,
        /// Empty where none is wanted.
        reply: String,
        /// Whether the payload is one that was generated.
        marked: bool,
    },
}

/// Everything that was sent, in its order.
pub(super) struct Sent {
    pub(super) operations: Vec<Operation>,
}

/// The operations of JetStream's API that the gateway has a use for, and how many names follow.
const API: [(&str, usize); 18] = [
    ("INFO", 0),
    ("STREAM.NAMES", 0),
    ("STREAM.LIST", 0),
    ("STREAM.INFO", 1),
    ("STREAM.CREATE", 1),
    ("STREAM.UPDATE", 1),
    ("STREAM.DELETE", 1),
    ("STREAM.PURGE", 1),
    ("STREAM.MSG.GET", 1),
    ("STREAM.MSG.DELETE", 1),
    ("CONSUMER.LIST", 1),
    ("CONSUMER.INFO", 2),
    ("CONSUMER.CREATE", 2),
    ("CONSUMER.DELETE", 2),
    ("CONSUMER.PAUSE", 2),
    ("CONSUMER.RESET", 2),
    ("CONSUMER.UNPIN", 2),
    ("CONSUMER.MSG.NEXT", 2),
];

impl Sent {
    pub(super) fn by(user: &str, log: &str) -> Self {
        // The place of the last operation of each of its connections.
        let mut connections = HashMap::new();
        let mut operations = Vec::new();
        for line in log.lines() {
            let Some((origin, said)) = line.split_once(" <<- ") else {
                continue;
            };
            let connection = origin.split_once(" - cid:").unwrap_or_default().1;
            let connection = connection.split(' ').next().unwrap_or_default();
            if said.starts_with("[CONNECT ") && said.contains(&format!("\"user\":{user:?}")) {
                connections.insert(connection, None);
            }
            let Some(last) = connections.get_mut(connection) else {
                continue;
            };
            if !said.starts_with("MSG_PAYLOAD") {
                *last = read(said).map(|operation| {
                    operations.push(operation);
                    operations.len() - 1
                });
            } else if let Some(Operation::Publish { marked, .. }) =
                last.and_then(|place| operations.get_mut(place))
            {
                *marked = said.contains(std::str::from_utf8(MARK).unwrap());
            }
        }
        Self { operations }
    }
}

fn read(said: &str) -> Option<Operation> {
    let said = said.trim_start_matches('[').trim_end_matches(']');
    let words: Vec<_> = said.split_ascii_whitespace().collect();
    let publish = |subject: &str, reply: &str| {
        Some(Operation::Publish {
            subject: subject.to_owned(),
            reply: reply.to_owned(),
            marked: false,
        })
    };
    match words[..] {
        ["PUB", subject, _] | ["HPUB", subject, _, _] => publish(subject, ""),
        ["PUB", subject, reply, _] | ["HPUB", subject, reply, _, _] => publish(subject, reply),
        ["SUB", subject, _] => Some(Operation::Subscribe(subject.to_owned())),
        ["CONNECT", ..] | ["PING"] | ["PONG"] | ["UNSUB", ..] => None,
        _ => panic!("the gateway says {said:?}"),
    }
}

impl Operation {
    /// The operation of JetStream's API, if it is one that the gateway uses, with all its names and no more.
    pub(super) fn api(&self) -> Option<&'static str> {
        let Self::Publish { subject, .. } = self else {
            return None;
        };
        let operation = subject.strip_prefix("$JS.API.")?;
        let is_it = |(name, names): &&(&str, usize)| {
            let rest = operation.strip_prefix(name);
            let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('.'));
            rest.is_some_and(|rest| {
                let is_name = |text: &str| !text.is_empty() && !text.contains(['*', '>']);
                rest.split('.').skip(1).all(is_name) && rest.matches('.').count() == *names
            })
        };
        API.iter().find(is_it).map(|(name, _)| *name)
    }

    /// Whether it is a message of a caller.
    pub(super) fn is_callers(&self) -> bool {
        matches!(self, Self::Publish { marked: true, .. })
    }
}
