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
    /// When a stream was last held.
    held: Option<Instant>,
}

/// The place of a call or a session of a caller, until it is dropped.
pub struct Place {
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

    /// What the caller may take.
    pub(crate) fn limits(&self) -> &Config {
        &self.limits
    }

    /// Lets a call begin.
    ///
    /// # Errors
    ///
    /// `CALLER_LIMIT`, with how long to wait.
    pub fn begin(self: &Arc<Self>) -> Result<Place> {
        let now = Instant::now();
        let mut used = self.used();
        for (limit, bucket) in [(Limit::Requests, used.requests), (Limit::Bytes, used.bytes)] {
            let wait = bucket.wait(now);
            if !wait.is_zero() {
                return Err(self.refusal(limit).retry_after(wait));
            }
        }
        let place = self.take_place(&mut used, Limit::Calls)?;
        self.take(&mut used, 1, 0, now);
        Ok(place)
    }

    /// Lets a session open.
    ///
    /// # Errors
    ///
    /// `CALLER_LIMIT`.
    pub fn open(self: &Arc<Self>) -> Result<Place> {
        self.take_place(&mut self.used(), Limit::Sessions)
    }

    /// Lets as many messages be sent, until what is returned is dropped. `None` where there is no limit.
    ///
    /// # Errors
    ///
    /// `CALLER_LIMIT`; `INVALID_REQUEST` for more than the caller may ever have in flight.
    pub fn send(&self, messages: usize) -> Result<Option<OwnedSemaphorePermit>> {
        let Some(in_flight) = &self.in_flight else {
            return Ok(None);
        };
        if messages as u64 > in_flight.most {
            self.count(Limit::InFlight, "refused");
            let (key, most) = (Limit::InFlight.key(), in_flight.most);
            let text = format!("has {messages}, and the caller may have {most} in flight");
            let error = Error::invalid("messages", text);
            return Err(error.with("limit", key).with("max", most));
        }
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

    /// Lets a piece of a call pass, which has these bytes and, where it is of one that asks for more, so many
    /// further requests. Where it has to wait until what came before is paid for, says until when.
    pub fn pass(&self, requests: Option<u64>, bytes: u64) -> Option<Instant> {
        let (now, mut used) = (Instant::now(), self.used());
        let mut due = (used.bytes.wait(now), Limit::Bytes);
        if requests.is_some() {
            due = due.max((used.requests.wait(now), Limit::Requests));
        }
        self.take(&mut used, requests.unwrap_or(0), bytes, now);
        let (wait, limit) = due;
        if wait.is_zero() {
            return None;
        }
        let until = now + wait;
        used.held = used.held.max(Some(until));
        self.count(limit, "held");
        Some(until)
    }

    /// Whether a stream was held since then, so that what its caller said may not have been heard.
    pub fn has_held_since(&self, moment: Instant) -> bool {
        self.used().held.is_some_and(|held| held >= moment)
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

    /// Whether it has nothing, and nothing has passed lately.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        // Messages can be on their way without a call: their caller has gone.
        let is_full = |it: &InFlight| it.budget.available_permits() as u64 == it.most;
        if !self.in_flight.as_ref().is_none_or(is_full) {
            return false;
        }
        let used = self.used();
        used.calls == 0
            && used.sessions == 0
            && used.requests.is_full(now)
            && used.bytes.is_full(now)
    }

    fn take(&self, used: &mut Used, requests: u64, bytes: u64, now: Instant) {
        let [request_rate, byte_rate] =
            [Limit::Requests, Limit::Bytes].map(|it| self.limits.of(it));
        if request_rate > 0 {
            used.requests.take(requests, request_rate, now);
        }
        if byte_rate > 0 {
            used.bytes.take(bytes, byte_rate, now);
        }
    }

    fn take_place(self: &Arc<Self>, used: &mut Used, limit: Limit) -> Result<Place> {
        let (most, count) = (self.limits.of(limit), used.count(limit));
        if most > 0 && *count >= most {
            return Err(self.refusal(limit).retry_after(RETRY));
        }
        *count += 1;
        Ok(Place {
            account: self.clone(),
            limit,
        })
    }

    fn refusal(&self, limit: Limit) -> Error {
        self.count(limit, "refused");
        exceeded(&self.caller, limit, self.limits.of(limit))
    }

    fn count(&self, limit: Limit, outcome: &'static str) {
        self.metrics.listener.caller_limited(limit.key(), outcome);
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

impl Drop for Place {
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
    fn what_is_taken_counts_until_it_is_dropped() {
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
        let more_than_ever = account.send(4).unwrap_err();
        assert_eq!(more_than_ever.reason(), Reason::InvalidRequest);
        account.send(3).unwrap();
        assert!(!account.is_idle(Instant::now()));
    }

    #[test]
    fn messages_that_outlast_their_calls_keep_the_account() {
        let limits = Config {
            max_in_flight: 3,
            ..Config::default()
        };
        let account = account(limits);
        let orphan = account.send(1).unwrap();
        assert!(!account.is_idle(Instant::now()));
        drop(orphan);
        assert!(account.is_idle(Instant::now()));
    }

    #[test]
    fn what_has_passed_refuses_calls_and_holds_streams() {
        let limits = Config {
            requests_per_second: 1_000,
            bytes_per_second: ByteSize::mib(1),
            ..Config::default()
        };
        let account = account(limits);
        let began = Instant::now();
        account.begin().unwrap();
        assert_eq!(account.pass(None, 5 << 20), None);
        assert!(!account.has_held_since(began));
        assert_eq!(limit(account.begin()).as_deref(), Some("bytes_per_second"));
        // Each piece waits for those before it: 4 s are beyond the burst.
        let first = account.pass(None, 1 << 20).unwrap();
        let second = account.pass(Some(1), 0).unwrap();
        assert_eq!((first - began).as_secs(), 4);
        assert_eq!((second - began).as_secs(), 5);
        assert!(account.has_held_since(began) && account.has_held_since(second));

        account.pass(Some(1_000_000), 0);
        assert_eq!(
            limit(account.begin()).as_deref(),
            Some("requests_per_second")
        );
        let request = account.pass(Some(1), 0).unwrap();
        assert!((request - began).as_secs() > 900);
        // Answers are no requests.
        let answer = account.pass(None, 1).unwrap();
        assert!((answer - began).as_secs() < 60);
    }

    #[test]
    fn without_limits_nothing_is_refused() {
        let account = account(Config::default());
        assert_eq!(account.pass(Some(u64::MAX), u64::MAX), None);
        let calls: Vec<_> = (0..1_000).map(|_| account.begin().unwrap()).collect();
        assert!(account.send(usize::MAX).unwrap().is_none());
        account.check_size(|| u64::MAX).unwrap();
        drop(calls);
        assert!(account.is_idle(Instant::now()));
    }
}
