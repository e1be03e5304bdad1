//! The attempts of one unary call: whether another may help, and what their failures say together.

use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use crate::client::Client;
use crate::connection::Connection;
use crate::departure::Departure;
use crate::error::Error;

/// A call that has failed.
pub(crate) struct Failed {
    /// Why the last attempt has that had the time to say it.
    pub(crate) error: Error,
    /// Whether one of its attempts may have been carried out all the same.
    pub(crate) may_be_done: bool,
}

impl Client {
    /// Calls until it goes well, cannot go well, or the time is up. Only for what does no harm when it is done twice.
    pub(crate) async fn call<T, R, F>(
        &self,
        request: T,
        call: impl Fn(Connection, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        T: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let answered = self.attempts(request, call, Error::is_passing).await;
        answered.map_err(|failed| failed.error)
    }

    /// Calls until it goes well, an error says that this does not help, or the time is up.
    pub(crate) async fn attempts<T, R, F>(
        &self,
        request: T,
        call: impl Fn(Connection, Request<T>) -> F,
        is_worth_it: impl Fn(&Error) -> bool,
    ) -> Result<R, Failed>
    where
        T: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let deadline = Instant::now() + self.call_timeout();
        let mut backoff = self.backoff();
        let mut may_be_done = false;
        let mut told: Option<Error> = None;
        loop {
            let failed = match self.attempt(request.clone(), &call, deadline).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            may_be_done |= failed.may_be_done();
            let wait = backoff.next(Some(&failed));
            let is_last = !is_worth_it(&failed) || Instant::now() + wait >= deadline;
            // One that was begun too late says less than the one before.
            let error = match told.take() {
                Some(told) if failed.had_no_time() => told,
                _ => failed,
            };
            if is_last {
                return Err(Failed { error, may_be_done });
            }
            told = Some(error);
            tokio::time::sleep(wait).await;
        }
    }

    /// Calls once. What has not left by the deadline does not leave later.
    async fn attempt<T, R, F>(
        &self,
        request: T,
        call: &impl Fn(Connection, Request<T>) -> F,
        deadline: Instant,
    ) -> Result<R, Error>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let departure = Departure::default();
        let mut attempt = Request::new(request);
        attempt.set_timeout(deadline.saturating_duration_since(Instant::now()));
        attempt.extensions_mut().insert(departure.clone());
        let answered = tokio::time::timeout_at(deadline, call(self.connection(), attempt)).await;
        let error = match answered {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => Error::from(status),
            Err(_) => Error::new(Code::DeadlineExceeded, "no gateway has answered in time"),
        };
        match error.may_be_done() && departure.keep_back() {
            true => Err(error.unsent()),
            false => Err(error),
        }
    }
}
