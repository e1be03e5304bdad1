//! The account of one caller: what it takes of this replica now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::bucket::Bucket;
use super::{Config, Limit, exceeded};
use crate::error::{Error, Reason, Result};
use crate::metrics::Metrics;

/// How long callers are told to wait for what others of theirs hold.
const RETRY: Duration = Duration::from_secs(1);

/// A caller's account.
pub struct Account {
    limits: Config,
    /// Who it is, for errors.
    caller: String,
    metrics: Metrics,
    used: Mutex<Used>,
    /// `None` is no limit.
    in_flight: Option<InFlight>,
}

/// The messages that a caller may have in flight.
pub struct InFlight {
    /// What is left.
    pub budget: Arc<Semaphore>,
    /// All of them.
    pub most: u64,
}

#[derive(Default)]
struct Used {
    requests: Bucket,
    bytes: Bucket,
    calls: u64,
    sessions: u64,
}

/// A call or a session of a caller, until it is dropped.
pub struct Held {
    account: Arc<Account>,
    limit: Limit,
}

impl Account {
    pub(super) fn new(limits: Config, caller: String, metrics: Metrics) -> Self {
        let most = limits.max_in_flight;
        let in_flight = (most > 0).then(|| InFlight {
            budget: Arc::new(Semaphore::new(most as usize)),
            most: most.into(),
        });
        Self {
            in_flight,
            limits,
            caller,
            metrics,
            used: Mutex::default(),
        }
    }

    /// Lets a call begin.
    ///
    /// # Errors
    ///
    /// `CALLER_LIMIT`, with how long to wait.
    pub fn begin(self: &Arc<Self>) -> Result<Held> {
        let now = Instant::now();
        let mut used = self.used();
        for (limit, bucket) in [(Limit::Requests, used.requests), (Limit::Bytes, used.bytes)] {
            let wait = bucket.wait(now);
            if !wait.is_zero() {
                return Err(self.refusal(limit).retry_after(wait));
            }
        }
        let held = self.hold(&mut used, Limit::Calls)?;
        self.pass(&mut used, 1, 0, now);
        Ok(held)
    }

    /// Lets a session open.
    ///
    /// # Errors
    ///
    /// `CALLER_LIMIT`.
    pub fn open(self: &Arc<Self>) -> Result<Held> {
        self.hold(&mut self.used(), Limit::Sessions)
    }

    /// Lets as many messages be sent, until what is returned is dropped. `None` where there is no limit.
    ///
    /// # Errors
    ///
    /// `CALLER_LIMIT`.
    pub fn send(&self, messages: usize) -> Result<Option<OwnedSemaphorePermit>> {
        let Some(in_flight) = &self.in_flight else {
            return Ok(None);
        };
        let count = u32::try_from(messages).unwrap_or(u32::MAX);
        let permits = in_flight.budget.clone().try_acquire_many_owned(count);
        let permits = permits.map_err(|_| self.refusal(Limit::InFlight).retry_after(RETRY));
        permits.map(Some)
    }

    /// What publish streams take their messages from.
    pub fn in_flight(&self) -> Option<&InFlight> {
        self.in_flight.as_ref()
    }

    /// Whether what passes is counted.
    pub fn is_metered(&self) -> bool {
        self.limits.requests_per_second > 0 || self.limits.bytes_per_second.as_u64() > 0
    }

    /// Takes note of what passes, which may be more than may.
    pub fn note(&self, requests: u64, bytes: u64) {
        self.pass(&mut self.used(), requests, bytes, Instant::now());
    }

    /// How long, and for which limit, until more may pass: requests, or what is said to the caller.
    pub fn wait(&self, is_request: bool) -> Option<(Instant, Limit)> {
        let (now, used) = (Instant::now(), self.used());
        let bytes = (used.bytes.wait(now), Limit::Bytes);
        let requests = (used.requests.wait(now), Limit::Requests);
        let waits = [bytes, requests]
            .into_iter()
            .take(1 + usize::from(is_request));
        let (wait, limit) = waits.max_by_key(|(wait, _)| *wait)?;
        (!wait.is_zero()).then(|| (now + wait, limit))
    }

    /// Counts that a stream is held.
    pub fn held(&self, limit: Limit) {
        self.metrics.listener.caller_limited(limit.key(), "held");
    }

    /// Refuses a message that is too large.
    ///
    /// # Errors
    ///
    /// `MESSAGE_TOO_LARGE`.
    pub fn check_size(&self, size: impl FnOnce() -> u64) -> Result<()> {
        let most = self.limits.max_message_bytes.as_u64();
        if most == 0 {
            return Ok(());
        }
        let bytes = size();
        if bytes <= most {
            return Ok(());
        }
        let key = "max_message_bytes";
        self.metrics.listener.caller_limited(key, "refused");
        let text = format!("the message has {bytes} bytes, and the caller may send {most}");
        Err(Error::new(Reason::MessageTooLarge, text)
            .with("limit", key)
            .with("max", most))
    }

    /// Whether nothing is held, and nothing has passed lately.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let used = self.used();
        used.calls == 0
            && used.sessions == 0
            && used.requests.is_full(now)
            && used.bytes.is_full(now)
    }

    fn pass(&self, used: &mut Used, requests: u64, bytes: u64, now: Instant) {
        let [request_rate, byte_rate] =
            [Limit::Requests, Limit::Bytes].map(|it| self.limits.of(it));
        if request_rate > 0 {
            used.requests.take(requests, request_rate, now);
        }
        if byte_rate > 0 {
            used.bytes.take(bytes, byte_rate, now);
        }
    }

    fn hold(self: &Arc<Self>, used: &mut Used, limit: Limit) -> Result<Held> {
        let (most, count) = (self.limits.of(limit), used.count(limit));
        if most > 0 && *count >= most {
            return Err(self.refusal(limit).retry_after(RETRY));
        }
        *count += 1;
        Ok(Held {
            account: self.clone(),
            limit,
        })
    }

    fn refusal(&self, limit: Limit) -> Error {
        self.metrics.listener.caller_limited(limit.key(), "refused");
        exceeded(&self.caller, limit, self.limits.of(limit))
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn count(&mut self, limit: Limit) -> &mut u64 {
        match limit {
            Limit::Sessions => &mut self.sessions,
            _ => &mut self.calls,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *self.account.used().count(self.limit) -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ByteSize;

    fn account(limits: Config) -> Arc<Account> {
        Arc::new(Account::new(limits, "ada".to_owned(), Metrics::new()))
    }

    fn limit<T>(result: Result<T>) -> Option<String> {
        let error = result.err()?;
        assert_eq!(error.reason(), Reason::CallerLimit);
        error.metadata("limit").map(str::to_owned)
    }

    #[test]
    fn what_is_held_counts_until_it_is_dropped() {
        let limits = Config {
            max_calls: 2,
            max_sessions: 1,
            max_in_flight: 3,
            ..Config::default()
        };
        let account = account(limits);
        let calls = [account.begin().unwrap(), account.begin().unwrap()];
        assert_eq!(limit(account.begin()).as_deref(), Some("max_calls"));
        drop(calls);
        let _call = account.begin().unwrap();

        let session = account.open().unwrap();
        assert_eq!(limit(account.open()).as_deref(), Some("max_sessions"));
        drop(session);
        let _session = account.open().unwrap();

        let messages = account.send(2).unwrap();
        assert_eq!(limit(account.send(2)).as_deref(), Some("max_in_flight"));
        drop(messages);
        account.send(3).unwrap();
        assert!(!account.is_idle(Instant::now()));
    }

    #[test]
    fn what_has_passed_refuses_calls_and_holds_streams() {
        let limits = Config {
            requests_per_second: 1_000,
            bytes_per_second: ByteSize::mib(1),
            ..Config::default()
        };
        let account = account(limits);
        account.begin().unwrap();
        account.note(0, 4 << 20);
        assert_eq!(limit(account.begin()).as_deref(), Some("bytes_per_second"));
        assert!(matches!(account.wait(false), Some((_, Limit::Bytes))));

        account.note(1_000_000, 0);
        assert_eq!(
            limit(account.begin()).as_deref(),
            Some("requests_per_second")
        );
        assert!(matches!(account.wait(true), Some((_, Limit::Requests))));
        // Answers are no requests.
        assert!(matches!(account.wait(false), Some((_, Limit::Bytes))));
    }

    #[test]
    fn without_limits_nothing_is_refused() {
        let account = account(Config::default());
        account.note(u64::MAX, u64::MAX);
        let held: Vec<_> = (0..1_000).map(|_| account.begin().unwrap()).collect();
        assert!(account.send(usize::MAX).unwrap().is_none());
        account.check_size(|| u64::MAX).unwrap();
        drop(held);
        assert!(account.is_idle(Instant::now()));
    }
}
