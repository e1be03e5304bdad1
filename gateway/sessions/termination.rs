//! `TerminateSession`: ending a session of whichever replica.

use std::time::Duration;

use prost::Message as _;

use super::entry::Termination;
use super::{Sessions, id};
use crate::convert::time::span;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::{Nats, RequestError};
use crate::proto::{ErrorReason, ItemStatus, TerminateSessionRequest};
use crate::token::Route;

/// The longest time that a session may be given.
const LONGEST_GRACE: Duration = Duration::from_secs(300);

/// The longest reason, in bytes.
const LONGEST_REASON: usize = 256;

/// How long another replica has to answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Sessions {
    /// Tells a session to end.
    pub async fn terminate(
        &self,
        nats: &Nats,
        request: TerminateSessionRequest,
        deadline: Deadline,
    ) -> Result<()> {
        let (route, termination) = self.read_termination(&request)?;
        if route.gateway == self.0.gateway {
            return self.terminate_here(route, termination);
        }
        let deadline = deadline.at_most(PATIENCE);
        let link = nats.notices().wait(deadline).await?;
        let subject = self.termination_subject(route.gateway);
        let body = request.encode_to_vec().into();
        match link.request(&subject, None, body, deadline).await {
            Ok(answer) => read_answer(&answer.payload),
            // The replica has ended, and its sessions with it.
            Err(RequestError::NoResponders) => Err(unknown(route)),
            Err(error) => Err(crate::nats::request_failed(error, "the session's replica")),
        }
    }

    /// What another replica is answered that wants a session of this one to end.
    pub(super) fn terminate_here_as_asked(&self, request: &TerminateSessionRequest) -> ItemStatus {
        let outcome = self
            .read_termination(request)
            .and_then(|(route, termination)| self.terminate_here(route, termination));
        outcome.err().map_or_else(ItemStatus::default, Into::into)
    }

    fn terminate_here(&self, route: Route, termination: Termination) -> Result<()> {
        let entry = self.lock().get(&route.session).map(|it| it.entry.clone());
        let entry = entry.filter(|_| route.gateway == self.0.gateway);
        let entry = entry.ok_or_else(|| unknown(route))?;
        tracing::info!(session = %id::text(route), reason = %termination.reason, "session terminated");
        entry.terminate(termination);
        Ok(())
    }

    fn read_termination(&self, request: &TerminateSessionRequest) -> Result<(Route, Termination)> {
        let route = id::parse("session_id", &request.session_id)?;
        let reason = request.reason.as_str();
        if reason.len() > LONGEST_REASON || reason.chars().any(char::is_control) {
            let why = "must be at most 256 bytes without control characters";
            return Err(Error::invalid("reason", why));
        }
        let grace = match request.grace {
            None => self.0.drain,
            Some(grace) => match span(grace) {
                Some(grace) if grace <= LONGEST_GRACE => grace,
                _ => return Err(Error::invalid("grace", "must be from 0 to 5 min")),
            },
        };
        let reason = reason.into();
        Ok((route, Termination { grace, reason }))
    }
}

fn read_answer(payload: &[u8]) -> Result<()> {
    let unreadable = || {
        let text = "cannot read the answer of the session's replica";
        Error::new(Reason::Internal, text)
    };
    let status = ItemStatus::decode(payload).map_err(|_| unreadable())?;
    match (status.code, status.reason()) {
        (0, _) => Ok(()),
        (_, ErrorReason::Unspecified) => Err(unreadable()),
        (_, reason) => Err(Error::new(reason, status.message)),
    }
}

fn unknown(route: Route) -> Error {
    let text = format!("there is no session {}", id::text(route));
    Error::new(Reason::SessionNotFound, text)
}
