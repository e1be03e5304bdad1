//! Where deliveries come from: what the ack subjects of one consumer have in common.

use std::fmt::Write as _;

/// What every ack subject begins with.
pub(super) const PREFIX: &str = "$JS.ACK.";

/// Version 2 writes this where there is no domain.
pub(super) const NO_DOMAIN: &str = "_";

/// A consumer, as the names of its deliveries have it. Deliveries share it.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    domain: Option<String>,
    account_hash: Option<String>,
    stream: String,
    consumer: String,
    prefix: String,
}

impl Origin {
    /// As JetStream names deliveries within the account.
    pub fn new(stream: &str, consumer: &str) -> Self {
        Self::in_domain(None, None, stream, consumer)
    }

    /// As it names those that may leave it. The hash is there exactly in version 2, the domain only then.
    pub(super) fn in_domain(
        domain: Option<&str>,
        account_hash: Option<&str>,
        stream: &str,
        consumer: &str,
    ) -> Self {
        let mut prefix = PREFIX.to_owned();
        if let Some(hash) = account_hash {
            // A String takes whatever is written.
            let _ = write!(prefix, "{}.{hash}.", domain.unwrap_or(NO_DOMAIN));
        }
        let _ = write!(prefix, "{stream}.{consumer}.");
        Self {
            domain: domain.map(str::to_owned),
            account_hash: account_hash.map(str::to_owned),
            stream: stream.to_owned(),
            consumer: consumer.to_owned(),
            prefix,
        }
    }

    /// The JetStream domain; only in version 2.
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// The hash of the account; only in version 2.
    pub fn account_hash(&self) -> Option<&str> {
        self.account_hash.as_deref()
    }

    /// The stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// The consumer.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// What the ack subjects of all its deliveries begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether every part is one token, so that a subject cannot become another one.
    pub(super) fn is_well_formed(&self) -> bool {
        let scope = [&self.domain, &self.account_hash].into_iter().flatten();
        let version_is_clear = self.domain.is_none() || self.account_hash.is_some();
        version_is_clear
            && scope
                .chain([&self.stream, &self.consumer])
                .all(|part| is_token(part))
    }
}

fn is_token(text: &str) -> bool {
    let dangerous =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>' | '/' | '\\');
    !text.is_empty() && text.len() <= 255 && !text.contains(dangerous)
}
