//! One session in the books: who opened it, how it stands, and the order to end it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use tokio_util::sync::CancellationToken;

use super::caller::Known;
use super::{Caller, id};
use crate::clock;
use crate::error::{Error, Reason};
use crate::proto::{DrainingReason, SessionInfo, SessionKind, StallReason};
use crate::subscription::in_flight::Amount;
use crate::token::Route;

/// What callers of a drained session are told to wait before the next.
const RETRY: Duration = Duration::from_millis(100);

/// A session to be registered.
#[derive(Clone)]
pub struct Description {
    /// Which method opened it.
    pub kind: SessionKind,
    /// Who opened it.
    pub caller: Caller,
    /// The stream; empty where it is bound to none.
    pub stream: Arc<str>,
    /// The consumer; empty where it has none, or none yet.
    pub consumer: Arc<str>,
    /// What may be outstanding.
    pub window: Amount,
}

/// How a session stands. The session itself keeps it up to date.
#[derive(Clone, Debug)]
pub struct State {
    /// The consumer, which changes where the gateway makes it.
    pub consumer: Arc<str>,
    /// What may be outstanding.
    pub window: Amount,
    /// What is delivered and unsettled, or sent and unanswered.
    pub outstanding: Amount,
    /// How many messages were delivered, or stored.
    pub messages: u64,
    /// How many messages wait; `None` where nothing is consumed.
    pub pending: Option<u64>,
    /// Why nothing is delivered.
    pub stall: StallReason,
}

/// How a session is to end.
#[derive(Clone, Debug)]
pub struct Order {
    /// What the caller is told.
    pub reason: DrainingReason,
    /// How long it may still settle what it holds.
    pub grace: Duration,
    /// The status at the end.
    pub error: Error,
}

impl Order {
    /// For a session that is as old as one may be; `drain` is how long it has.
    pub(super) fn for_age(drain: Duration) -> Self {
        let text = "the session has reached its greatest age; open another one";
        Self {
            reason: DrainingReason::MaxAge,
            grace: drain,
            error: Error::new(Reason::Draining, text).retry_after(RETRY),
        }
    }
}

/// Somebody's wish that a session end.
#[derive(Clone, Debug)]
pub(super) struct Termination {
    pub(super) grace: Duration,
    pub(super) reason: Box<str>,
}

/// A registered session. 10,000 of them may be idle: what stands here stays small.
pub(super) struct Entry {
    kind: SessionKind,
    caller: Known,
    stream: Arc<str>,
    since: SystemTime,
    state: Mutex<State>,
    terminated: OnceLock<Termination>,
    ending: CancellationToken,
}

impl Entry {
    /// A session that opens now. `ending` fires when it is to end.
    pub(super) fn new(description: Description, ending: CancellationToken) -> Self {
        let Description {
            kind,
            caller,
            stream,
            consumer,
            window,
        } = description;
        Self {
            kind,
            caller: caller.known(),
            stream,
            since: clock::now(),
            state: Mutex::new(State {
                consumer,
                window,
                outstanding: Amount::default(),
                messages: 0,
                pending: None,
                stall: StallReason::Unspecified,
            }),
            terminated: OnceLock::new(),
            ending,
        }
    }

    /// Writes down that it opens.
    pub(super) fn log_opened(&self, route: Route, tenant: &str) {
        let caller = &self.caller;
        tracing::info!(
            target: "jetgate::audit",
            event = "session_opened",
            caller = caller.identity.name(),
            by = caller.identity.kind().word(),
            tenant,
            peer = caller.peer.map(tracing::field::display),
            client = &*caller.name,
            session = %id::text(route),
            kind = ?self.kind,
            stream = &*self.stream,
            consumer = &*self.state().consumer,
            "session opened",
        );
    }

    /// Writes down that it has ended.
    pub(super) fn log_closed(&self, route: Route, tenant: &str) {
        let age = self.since.elapsed().unwrap_or_default();
        let state = self.state();
        tracing::info!(
            target: "jetgate::audit",
            event = "session_closed",
            caller = self.caller.identity.name(),
            by = self.caller.identity.kind().word(),
            tenant,
            peer = self.caller.peer.map(tracing::field::display),
            session = %id::text(route),
            stream = &*self.stream,
            consumer = &*state.consumer,
            messages = state.messages,
            seconds = age.as_secs(),
            "session closed",
        );
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    pub(super) fn caller(&self) -> &Known {
        &self.caller
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
    }

    /// Ends the session. The first order stands.
    pub(super) fn terminate(&self, termination: Termination) {
        // A session that ends because the gateway does keeps to that.
        if !self.ending.is_cancelled() {
            let _ = self.terminated.set(termination);
            self.ending.cancel();
        }
    }

    /// How to end; `drain` is how long the gateway itself takes for that.
    pub(super) fn order(&self, drain: Duration) -> Order {
        let (reason, grace, text) = match self.terminated.get() {
            Some(Termination { grace, reason }) => {
                let because = match reason.is_empty() {
                    true => String::new(),
                    false => format!(": {reason}"),
                };
                let text = format!("the session was terminated{because}");
                (DrainingReason::Terminated, *grace, text)
            }
            None => {
                let text = "the gateway is shutting down; open another session".to_owned();
                (DrainingReason::Shutdown, drain, text)
            }
        };
        let error = Error::new(Reason::Draining, text).retry_after(RETRY);
        Order {
            reason,
            grace,
            error,
        }
    }

    /// The session as `ListSessions` shows it.
    pub(super) fn info(&self, route: Route) -> SessionInfo {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let draining = match (self.ending.is_cancelled(), self.terminated.get()) {
            (false, _) => DrainingReason::Unspecified,
            (true, Some(_)) => DrainingReason::Terminated,
            (true, None) => DrainingReason::Shutdown,
        };
        let peer = self.caller.peer.map(|peer| peer.to_string());
        SessionInfo {
            session_id: id::text(route),
            gateway_id: id::gateway_text(route.gateway),
            kind: self.kind as i32,
            peer: peer.unwrap_or_default(),
            user_agent: self.caller.user_agent.to_string(),
            client_name: self.caller.name.to_string(),
            identity: self.caller.identity.name().to_owned(),
            stream: self.stream.to_string(),
            consumer: state.consumer.to_string(),
            start_time: Some(Timestamp::from(self.since)),
            max_outstanding_messages: state.window.messages,
            max_outstanding_bytes: state.window.bytes,
            outstanding_messages: state.outstanding.messages,
            outstanding_bytes: state.outstanding.bytes,
            message_count: state.messages,
            pending: state.pending,
            stall_reason: state.stall as i32,
            draining: draining as i32,
        }
    }

    /// Whether a request for these sessions means this one. Empty names mean all.
    pub(super) fn matches(&self, stream: &str, consumer: &str, client_name: &str) -> bool {
        let means = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        means(stream, &self.stream)
            && means(consumer, &state.consumer)
            && means(client_name, &self.caller.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ending: CancellationToken) -> Entry {
        let description = Description {
            kind: SessionKind::Subscribe,
            caller: Caller::default(),
            stream: "S".into(),
            consumer: "c".into(),
            window: Amount::default(),
        };
        Entry::new(description, ending)
    }

    fn termination(seconds: u64) -> Termination {
        Termination {
            grace: Duration::from_secs(seconds),
            reason: "why".into(),
        }
    }

    #[test]
    fn the_first_order_stands() {
        let drain = Duration::from_secs(30);
        let terminated = entry(CancellationToken::new());
        terminated.terminate(termination(1));
        terminated.terminate(termination(2));
        let order = terminated.order(drain);
        assert_eq!(order.reason, DrainingReason::Terminated);
        assert_eq!(order.grace, Duration::from_secs(1));
        assert_eq!(order.error.message(), "the session was terminated: why");

        let draining = CancellationToken::new();
        let ended = entry(draining.child_token());
        draining.cancel();
        ended.terminate(termination(1));
        let order = ended.order(drain);
        assert_eq!(
            (order.reason, order.grace),
            (DrainingReason::Shutdown, drain)
        );
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 256, "{}", size_of::<Entry>());
    }
}
