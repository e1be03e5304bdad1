//! Who opened a session, as far as the gateway can tell.

use std::net::SocketAddr;

use tonic::Request;

use crate::auth::{self, Access};
use crate::error::{Error, Result};
use crate::listener::PeerAddr;
use crate::traces::Trace;

/// The longest name, and how much of a user-agent is kept: every session holds both.
const LONGEST: usize = 128;

/// A session's caller.
#[derive(Clone, Default)]
pub struct Caller {
    /// The other end of its connection.
    pub(super) peer: Option<SocketAddr>,
    /// What its library says of itself.
    pub(super) user_agent: Box<str>,
    /// What it calls itself.
    pub(super) name: Box<str>,
    /// Who it has proven to be, and what it may do.
    pub access: Access,
    /// The trace of its call.
    pub trace: Trace,
}

/// What the books keep of a caller: every session holds one.
pub(super) struct Known {
    pub(super) peer: Option<SocketAddr>,
    pub(super) user_agent: Box<str>,
    pub(super) name: Box<str>,
    pub(super) identity: auth::Caller,
}

impl Caller {
    /// Whoever sent this request.
    pub fn of<T>(request: &Request<T>) -> Self {
        let user_agent = request.metadata().get("user-agent");
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        let user_agent = user_agent.unwrap_or_default();
        Self {
            peer: request.extensions().get().map(|PeerAddr(peer)| *peer),
            // A header of visible characters is ASCII: it can be cut anywhere.
            user_agent: user_agent[..user_agent.len().min(LONGEST)].into(),
            name: Box::default(),
            access: Access::of(request),
            trace: Trace::of(request),
        }
    }

    pub(super) fn known(self) -> Known {
        Known {
            peer: self.peer,
            user_agent: self.user_agent,
            name: self.name,
            identity: self.access.caller().clone(),
        }
    }

    /// The same with the `client_name` that it gave.
    pub fn named(self, client_name: &str) -> Result<Self> {
        if client_name.len() > LONGEST || client_name.chars().any(char::is_control) {
            let why = "must be at most 128 bytes without control characters";
            return Err(Error::invalid("client_name", why));
        }
        Ok(Self {
            name: client_name.into(),
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_user_agent_is_cut() {
        let mut request = Request::new(());
        let user_agent = "a".repeat(1_000).parse().unwrap();
        request.metadata_mut().insert("user-agent", user_agent);
        assert_eq!(Caller::of(&request).user_agent.len(), LONGEST);
    }

    #[test]
    fn a_name_is_short_and_printable() {
        let caller = Caller::default();
        assert!(caller.clone().named("billing-7 Ä").is_ok());
        assert!(caller.clone().named(&"n".repeat(129)).is_err());
        assert!(caller.named("a\nb").is_err());
    }
}
