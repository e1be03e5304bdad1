//! Handing messages to a function, so many at a time.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::task::JoinSet;

use super::received::Settler;
use super::wording::Word;
use super::{Consumer, Received};
use crate::error::Error;

/// How long handlers that are at work may take when no more messages are wanted.
const DRAIN: Duration = Duration::from_secs(30);

impl Consumer {
    /// Calls `handle` for each message, so many at a time and each in a task of its own, until `stop` is done; then it takes
    /// no more, and finishes what it has, for at most half a minute.
    ///
    /// A message is acknowledged when its handler returns Ok, unless that has settled it otherwise. When the handler fails,
    /// or panics, it is delivered again after a second. An error of this function ended the consumer: it was deleted, for
    /// example.
    pub async fn for_each_concurrent<F, E>(
        mut self,
        limit: usize,
        stop: impl Future<Output = ()>,
        handle: impl Fn(Received) -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + 'static,
    {
        let mut stop = std::pin::pin!(stop);
        let mut working = JoinSet::new();
        let ended = loop {
            tokio::select! {
                () = &mut stop => break Ok(()),
                Some(_) = working.join_next() => {}
                next = self.next(), if working.len() < limit.max(1) => match next {
                    None => break Ok(()),
                    Some(Err(error)) => break Err(error),
                    Some(Ok(message)) => {
                        let (message, settler) = message.unguarded();
                        let unfinished = Unfinished(Some(settler));
                        // Where it panics before there is a future, nobody else would give the message back.
                        if let Ok(handling) = catch_unwind(AssertUnwindSafe(|| handle(message))) {
                            working.spawn(work(handling, unfinished));
                        }
                    }
                },
            }
        };
        let finished = async { while working.join_next().await.is_some() {} };
        // What is left then ends with the tasks, and is given back.
        let (_, _) = tokio::join!(tokio::time::timeout(DRAIN, finished), self.drain(DRAIN));
        ended
    }
}

async fn work<E: fmt::Display>(
    handling: impl Future<Output = Result<(), E>>,
    mut message: Unfinished,
) {
    let outcome = handling.await;
    let Some(settler) = message.0.take() else {
        return;
    };
    match outcome {
        Ok(()) => {
            settler.say(Word::Ack);
        }
        Err(why) => settler.failed(why),
    }
}

/// A message whose handler is at work: it is given back where that does not come to its end.
struct Unfinished(Option<Settler>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(settler) = self.0.take() {
            settler.failed("its handler has not come to its end");
        }
    }
}
