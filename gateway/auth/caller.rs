//! Who calls: a name, the groups that it belongs to, and how it was proven.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest;

use crate::tls::ClientCertificate;

/// How a caller has proven who it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Kind {
    /// Not at all: nobody is asked.
    #[default]
    Anonymous,
    /// By a client certificate.
    Certificate,
    /// By an API key.
    ApiKey,
    /// By a token (JWT).
    Token,
}

/// Who calls. Clones share all of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Caller(Arc<Inner>);

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Inner {
    kind: Kind,
    name: String,
    groups: Vec<String>,
    expires: Option<SystemTime>,
}

/// A fingerprint of a caller, which stands in the names of the consumers that are its own.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Owner([u8; 8]);

impl Kind {
    /// Its word in rules.
    pub fn word(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Certificate => "certificate",
            Self::ApiKey => "api_key",
            Self::Token => "token",
        }
    }

    /// The one of this word.
    pub fn of(word: &str) -> Option<Self> {
        let all = [
            Self::Anonymous,
            Self::Certificate,
            Self::ApiKey,
            Self::Token,
        ];
        all.into_iter().find(|kind| kind.word() == word)
    }
}

impl Caller {
    /// The holder of a client certificate, by the name in it, as long as it lasts.
    pub fn of_certificate(certificate: &ClientCertificate) -> Self {
        Self::new(Kind::Certificate, certificate.name()).until(certificate.not_after())
    }

    /// A caller that has proven its name in this way.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            name: name.into(),
            ..Inner::default()
        }))
    }

    /// The same as a member of these groups.
    #[must_use]
    pub fn in_groups(self, groups: Vec<String>) -> Self {
        self.with(|inner| inner.groups = groups)
    }

    /// The same until this time.
    #[must_use]
    pub fn until(self, expires: Option<SystemTime>) -> Self {
        self.with(|inner| inner.expires = expires)
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.0);
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// How it has proven who it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Its name, for rules, logs and lists; empty for nobody in particular.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The groups that it belongs to.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.0.groups.iter().map(String::as_str)
    }

    /// When what it has shown ends.
    pub fn expires(&self) -> Option<SystemTime> {
        self.0.expires
    }

    /// Whether that has ended.
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.0.expires.is_some_and(|end| end <= now)
    }

    /// Whether this is the same caller, whatever it has shown now.
    pub fn is(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// Its fingerprint.
    pub fn owner(&self) -> Owner {
        let (kind, name) = self.identity();
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [kind.word(), name] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut owner = [0; 8];
        owner.copy_from_slice(&context.finish().as_ref()[..8]);
        Owner(owner)
    }

    fn identity(&self) -> (Kind, &str) {
        (self.0.kind, &self.0.name)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_known_by_its_name_and_how_it_was_proven() {
        let orders = Caller::new(Kind::ApiKey, "orders");
        let renewed = orders.clone().until(Some(SystemTime::now()));

        assert!(orders.is(&renewed) && orders.owner() == renewed.owner());
        for other in [
            Caller::new(Kind::Certificate, "orders"),
            Caller::new(Kind::Token, "orders"),
            Caller::new(Kind::ApiKey, "order"),
            Caller::default(),
        ] {
            assert!(!orders.is(&other) && orders.owner() != other.owner());
        }
    }
}
