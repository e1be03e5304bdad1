//! The task of a consumer: one session after the other, and from one to the next without a pause.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Status, Streaming};

use super::current::Session;
use super::last::say_last;
use super::line::{Line, open_line};
use super::{LAST_ANSWERS, LAST_CALLS, Phase, Shared, State};
use crate::backoff::Backoff;
use crate::error::Error;
use crate::sync::{Task, lock, reserve};
use crate::v1::consume_open::Source;
use crate::v1::consume_request::Frame;
use crate::v1::{self, ConsumeOpen, ConsumeRequest};
use crate::wire::{ConsumeFrame, ConsumeResponse};

/// How long acknowledgements wait for others to share their frame.
const LINGER: Duration = Duration::from_millis(1);

/// How many attempts to open a session a consumer makes that only has something left to say.
const LAST_ATTEMPTS: u32 = 8;

/// The longest sleep.
const LONGEST: Duration = Duration::from_secs(5);

/// Keeps a session open until the consumer is over.
pub(super) async fn run(shared: Arc<Shared>, open: ConsumeOpen) {
    let mut consuming = Consuming {
        backoff: shared.client.backoff(),
        open,
        session: None,
        opening: None,
        retry_at: None,
        sessions: 0,
        closes_at: None,
        shared,
    };
    let error = consuming.run().await.err();
    let shared = &consuming.shared;
    if let Some(session) = &consuming.session {
        // It has not ended in time.
        session.pass_over(shared);
    }
    let said = say_last(shared, Instant::now() + LAST_CALLS).await;
    let mut state = lock(&shared.state);
    state.is_taken = said.is_ok() && !state.book.owes();
    state.is_settled = state.is_taken && state.book.held() == 0;
    let why = error.clone().or_else(|| said.err());
    let why = why.unwrap_or_else(|| Error::closed("the consumer"));
    state.book.abandon(&why);
    if error.is_some() {
        state.queue.clear();
    }
    state.is_over = true;
    state.error = error;
    let waker = state.waker.take();
    drop(state);
    shared.changed.notify_waiters();
    waker.into_iter().for_each(std::task::Waker::wake);
}

struct Consuming {
    shared: Arc<Shared>,
    open: ConsumeOpen,
    session: Option<Session>,
    opening: Option<Task<Line>>,
    retry_at: Option<Instant>,
    sessions: u64,
    backoff: Backoff,
    /// When a consumer that was closed ends at the latest.
    closes_at: Option<Instant>,
}

/// What a turn of the task is about.
struct Plan {
    has_to_say: bool,
    wake: Instant,
}

impl Consuming {
    async fn run(&mut self) -> Result<(), Error> {
        loop {
            let now = Instant::now();
            self.watch(now)?;
            if self.is_done(now) {
                return Ok(());
            }
            self.open_next(now);
            let plan = self.plan(now);
            let (sender, answers) = match &mut self.session {
                Some(session) => (session.sender.clone(), Some(&mut session.answers)),
                None => (None, None),
            };
            tokio::select! {
                answer = answer(answers) => match answer {
                    Ok(Some(answer)) => self.take(answer),
                    Ok(None) if self.is_leaving() || self.open.stop_at.is_some() => {
                        self.session = None;
                        return Ok(());
                    }
                    Ok(None) => self.lost(Error::unavailable("the gateway has ended the session"))?,
                    Err(status) => self.lost(Error::from(status))?,
                },
                opened = opened(self.opening.as_mut()) => {
                    self.opening = None;
                    self.opened(opened)?;
                }
                // Where there is none, the session has ended: the answers say why.
                Some(permit) = reserve(sender), if plan.has_to_say => {
                    if let Some(frame) = self.frame(Instant::now()) {
                        permit.send(ConsumeRequest { frame: Some(frame) });
                    }
                }
                () = self.shared.work.notified() => {}
                () = sleep_until(plan.wake) => {}
            }
        }
    }

    fn is_leaving(&self) -> bool {
        lock(&self.shared.state).phase != Phase::Receiving
    }

    /// Ends the session where all is said, and says whether nothing is left to be done.
    fn is_done(&mut self, now: Instant) -> bool {
        let state = lock(&self.shared.state);
        let is_settled = match state.phase {
            Phase::Receiving => false,
            Phase::Draining => state.book.held() == 0,
            Phase::Closing => true,
        };
        if state.phase == Phase::Closing {
            self.closes_at.get_or_insert(now + LAST_ANSWERS);
        }
        let has_said_all = is_settled && state.book.unsaid() == 0;
        drop(state);
        match &mut self.session {
            Some(session) if has_said_all => {
                // Whoever takes over what is held must not be left waiting for it.
                self.opening = None;
                session.sender = None;
                self.closes_at.get_or_insert(now + LAST_ANSWERS);
            }
            None if has_said_all || self.closes_at.is_some() => return true,
            _ => {}
        }
        self.closes_at.is_some_and(|at| at <= now)
    }

    /// Opens another session where that is due: without one, or where the gateway is about to end the present one and has
    /// answered what was said.
    fn open_next(&mut self, now: Instant) {
        let is_due = self.retry_at.is_none_or(|at| at <= now);
        if self.opening.is_some() || !is_due || self.closes_at.is_some() {
            return;
        }
        let mut state = lock(&self.shared.state);
        if let Some(session) = &self.session {
            let Some(draining) = &session.draining else {
                return;
            };
            if !state.book.has_said_all() && now < draining.leaves_at() {
                return;
            }
        }
        self.open.held = state.book.offer(self.shared.window);
        drop(state);
        self.retry_at = None;
        let open = open_line(self.shared.client.clone(), self.open.clone());
        self.opening = Some(match &self.session {
            // Tokens that have expired meanwhile would not be taken over: then it is tried again with fresh ones.
            Some(session) if !self.open.held.is_empty() => {
                let opened = timeout(session.offer_lasts(), open);
                let late = |_| Err(Error::unavailable("no gateway opens the session in time"));
                Task::spawn(async move { opened.await.unwrap_or_else(late) })
            }
            _ => Task::spawn(open),
        });
    }

    fn plan(&self, now: Instant) -> Plan {
        let mut wake = vec![now + LONGEST];
        wake.extend(self.retry_at);
        wake.extend(self.closes_at);
        let mut has_to_say = false;
        if let Some(session) = &self.session {
            let state = lock(&self.shared.state);
            let speaks_at = self.speaks_at(session, &state);
            has_to_say = session.sender.is_some() && speaks_at <= now;
            wake.push(session.silent_at());
            if !has_to_say && session.sender.is_some() {
                wake.push(speaks_at);
            }
            if let Some(draining) = &session.draining {
                wake.extend([draining.renews_at(), draining.leaves_at()]);
            }
        }
        let wake = wake.into_iter().filter(|at| *at > now).min();
        Plan {
            has_to_say,
            wake: wake.unwrap_or(now + LONGEST),
        }
    }

    /// When something is to be said. What concerns messages waits while the next session is asked to take them over.
    fn speaks_at(&self, session: &Session, state: &State) -> Instant {
        let ping_at = session.pings_at();
        if self.opening.is_some() {
            return ping_at;
        }
        if state.phase == Phase::Draining && !session.said_drain {
            return session.spoke;
        }
        let unsaid =
            state
                .book
                .unsaid_since()
                .map(|since| match state.is_urgent(self.shared.window) {
                    true => since,
                    false => since + LINGER,
                });
        unsaid.map_or(ping_at, |at| at.min(ping_at))
    }

    /// What is said now.
    fn frame(&mut self, now: Instant) -> Option<Frame> {
        let is_opening = self.opening.is_some();
        let session = self.session.as_mut()?;
        let mut state = lock(&self.shared.state);
        let is_pinging = session.pings_at() <= now;
        session.spoke = now;
        if !is_opening {
            if let Some(settle) = state.book.frame(session.number) {
                return Some(Frame::Settle(settle));
            }
            if state.phase == Phase::Draining && !session.said_drain {
                session.said_drain = true;
                return Some(Frame::Drain(v1::Drain::default()));
            }
        }
        is_pinging.then(|| Frame::Ping(v1::Ping::default()))
    }

    /// Does what is due by the clock.
    fn watch(&mut self, now: Instant) -> Result<(), Error> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if now >= session.silent_at() {
            session.pass_over(&self.shared);
            return self.lost(Error::unavailable("the gateway is silent"));
        }
        if let Some(draining) = &mut session.draining
            && self.opening.is_none()
            && draining.renews(now)
        {
            lock(&self.shared.state).book.renew();
        }
        Ok(())
    }

    fn take(&mut self, answer: ConsumeResponse) {
        let Some(session) = &mut self.session else {
            return;
        };
        session.heard = Instant::now();
        match answer.frame {
            Some(ConsumeFrame::Messages(batch)) => {
                session.arrive(&self.shared, batch.messages);
                self.resume_at(batch.resume_token);
            }
            Some(ConsumeFrame::Settled(result)) => lock(&self.shared.state).book.answered(result),
            Some(ConsumeFrame::Heartbeat(heartbeat)) => {
                let mut state = lock(&self.shared.state);
                state.status.stall = heartbeat.stall_reason();
                state.status.pending = heartbeat.pending;
                drop(state);
                self.resume_at(heartbeat.resume_token);
            }
            Some(ConsumeFrame::Draining(draining)) => {
                session.drains(&self.shared, draining.reason());
                self.resume_at(draining.resume_token);
            }
            _ => {}
        }
    }

    /// The next session of an ephemeral consumer goes on with what this token is of.
    fn resume_at(&mut self, token: String) {
        if !token.is_empty() {
            self.open.resume_token = token;
        }
    }

    fn opened(&mut self, opened: Result<Line, Error>) -> Result<(), Error> {
        let line = match opened {
            Ok(line) => line,
            Err(error) => return self.failed(error),
        };
        self.backoff.reset();
        if let Some(before) = self.session.take() {
            before.leave(matches!(self.open.source, Some(Source::Ephemeral(_))));
        }
        self.resume_at(line.opened.resume_token.clone());
        self.sessions += 1;
        let mut state = lock(&self.shared.state);
        let State { book, queue, .. } = &mut *state;
        book.moved();
        book.adopted(&line.opened, self.sessions);
        queue.retain(|arrived| arrived.is_held_by(book));
        self.shared.sessions.store(self.sessions, Ordering::Release);
        state.was_opened = true;
        drop(state);
        self.shared.changed.notify_waiters();
        self.session = Some(Session::new(line, self.sessions));
        Ok(())
    }

    /// The session has ended. What is held is taken along to the next, and what was not answered is said again there.
    fn lost(&mut self, error: Error) -> Result<(), Error> {
        let was_ending = self
            .session
            .take()
            .is_some_and(|session| session.draining.is_some());
        let mut state = lock(&self.shared.state);
        state.book.moved();
        if state.phase != Phase::Closing {
            self.closes_at = None;
        }
        drop(state);
        // An end that was announced says nothing of the next session, which is on its way or tried again.
        match was_ending {
            true => Ok(()),
            false => self.failed(error),
        }
    }

    /// Tries again after a while, if that can help.
    fn failed(&mut self, error: Error) -> Result<(), Error> {
        let has_tried_enough = self.is_leaving() && self.backoff.failures() >= LAST_ATTEMPTS;
        if error.is_for_good() || has_tried_enough {
            return Err(error);
        }
        self.retry_at = Some(Instant::now() + self.backoff.next(Some(&error)));
        lock(&self.shared.state).last_error = Some(error);
        Ok(())
    }
}

async fn answer(
    answers: Option<&mut Streaming<ConsumeResponse>>,
) -> Result<Option<ConsumeResponse>, Status> {
    match answers {
        Some(answers) => answers.message().await,
        None => std::future::pending().await,
    }
}

async fn opened(opening: Option<&mut Task<Line>>) -> Result<Line, Error> {
    match opening {
        Some(opening) => opening.await,
        None => std::future::pending().await,
    }
}
