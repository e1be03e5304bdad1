//! The task of a publisher: one publish stream after the other, each from its opening to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use tonic::Code;

use super::batch::Limits;
use super::book::Book;
use super::line::{Line, open_line};
use super::outcome::Stored;
use super::window::Window;
use super::{HEARTBEAT, Shared};
use crate::error::Error;
use crate::publish::Origin;
use crate::sync::{Task, lock, reserve};
use crate::v1::publish_stream_request::Frame;
use crate::v1::publish_stream_response::Frame as Answer;
use crate::v1::{self, ErrorReason};
use crate::wire::PublishFrame;

/// How long the gateway may be silent.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// How long the gateway may take to end a stream in which everything is answered.
const ENDING: Duration = Duration::from_secs(5);

/// How often what has taken too long is looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How long a stream remembers ids where that is not said: JetStream's default.
const USUAL_WINDOW: Duration = Duration::from_secs(120);

/// For which part of that time an id is surely known: a message that is repeated is on its way for a while.
const SURELY_KNOWN: f64 = 0.9;

/// Keeps a stream open as long as there is something to send.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut publishing = Publishing {
        open: shared.settings.open(),
        window: USUAL_WINDOW,
        next: None,
        shared,
    };
    let error = publishing.run().await.err();
    let shared = &publishing.shared;
    let mut state = lock(&shared.state);
    let unsent = error
        .clone()
        .unwrap_or_else(|| Error::closed("the publisher"));
    let sent = Error::outcome_unknown(unsent.message());
    state.book.give_up(None, &sent, &unsent);
    state.is_over = true;
    state.error = error;
    drop(state);
    shared.room.notify_waiters();
}

struct Publishing {
    shared: Arc<Shared>,
    open: v1::PublishOpen,
    /// How long the stream remembers ids.
    window: Duration,
    /// A stream that is opened while the last one still answers.
    next: Option<Task<Line>>,
}

impl Publishing {
    async fn run(&mut self) -> Result<(), Error> {
        let mut backoff = self.shared.settings.client.backoff();
        // A stream that is opened already is kept alive, also while there is nothing to send.
        while self.next.is_some() || self.wait_for_work().await {
            let opening = self.next.take().unwrap_or_else(|| self.open_line());
            let error = match self.opened(opening).await {
                Ok(line) => {
                    backoff.reset();
                    let ended = self.serve(line).await;
                    self.rewind(ended.as_ref().err());
                    match ended {
                        Ok(()) => continue,
                        Err(_) if self.next.is_some() => continue,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if error.is_for_good() {
                return Err(error);
            }
            self.pause(backoff.next(Some(&error))).await;
        }
        Ok(())
    }

    /// False where nothing will come any more.
    async fn wait_for_work(&self) -> bool {
        loop {
            {
                let state = lock(&self.shared.state);
                if state.book.messages() > 0 {
                    return true;
                }
                if state.is_closing {
                    return false;
                }
            }
            self.shared.work.notified().await;
        }
    }

    /// Waits, and gives up what takes too long meanwhile.
    async fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.sweep();
            sleep_until(until.min(Instant::now() + SWEEP)).await;
        }
    }

    async fn opened(&self, mut opening: Task<Line>) -> Result<Line, Error> {
        loop {
            match timeout(SWEEP, &mut opening).await {
                Ok(line) => return line,
                Err(_) => self.sweep(),
            }
        }
    }

    fn open_line(&self) -> Task<Line> {
        let (client, open) = (self.shared.settings.client.clone(), self.open.clone());
        Task::spawn(open_line(client, open))
    }

    /// One stream until its end. Ok is that there is nothing to do any more.
    async fn serve(&mut self, line: Line) -> Result<(), Error> {
        let Line {
            sender,
            mut answers,
            opened,
            served,
        } = line;
        self.note(&opened);
        let origin = Arc::new(Origin {
            stream: self.open.stream.clone(),
            domain: String::new(),
            producer: opened.producer_id.clone(),
        });
        let mut sender = Some(sender);
        let window = Window::of(&opened);
        let ping_every = interval(opened.ping_within, HEARTBEAT * 4) / 3;
        let (mut heard, mut spoke) = (Instant::now(), Instant::now());
        let mut swept = Instant::now();
        let mut ends_at = None;
        loop {
            let now = Instant::now();
            if now >= swept + SWEEP {
                self.sweep();
                swept = now;
            }
            let plan = self.plan(&window, sender.is_some());
            if plan.is_over && ends_at.is_none() {
                sender = None;
                ends_at = Some(now + ENDING);
            }
            let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            if is_due(ends_at) || now >= heard + SILENCE {
                if plan.is_over {
                    return Ok(());
                }
                self.shared.settings.client.connection().rest(served);
                return Err(Error::unavailable("the gateway is silent"));
            }
            let ping_at = spoke + ping_every;
            let has_to_say = is_due(plan.send_at) || now >= ping_at;
            let wake = [
                Some(ping_at),
                plan.send_at,
                ends_at,
                Some(heard + SILENCE),
                Some(swept + SWEEP),
            ];
            let wake = wake.into_iter().flatten().filter(|at| *at > now).min();
            tokio::select! {
                answer = answers.message() => match answer? {
                    None => return self.ended(plan.is_over),
                    Some(answer) => {
                        heard = Instant::now();
                        if let Some(reason) = self.take(answer, &origin) {
                            // What was read is still answered; what comes later is not read.
                            sender = None;
                            if reason == v1::DrainingReason::Shutdown {
                                self.shared.settings.client.connection().rest(served);
                            }
                            if self.next.is_none() {
                                self.next = Some(self.open_line());
                            }
                        }
                    }
                },
                // Where there is none, the stream has ended: the answers say why.
                Some(permit) = reserve(sender.clone()), if has_to_say => {
                    if let Some(frame) = self.frame(&window, now >= ping_at) {
                        permit.send(frame);
                        spoke = now;
                    }
                }
                () = self.shared.work.notified() => {}
                () = sleep_until(wake.unwrap_or(now + SWEEP)) => {}
            }
        }
    }

    /// The gateway ended the stream with OK.
    fn ended(&self, is_over: bool) -> Result<(), Error> {
        match is_over || self.next.is_some() {
            true => Ok(()),
            false => Err(Error::unavailable("the gateway has ended the stream")),
        }
    }

    fn note(&mut self, opened: &v1::PublishOpened) {
        if !opened.producer_id.is_empty() {
            self.open.producer_id.clone_from(&opened.producer_id);
            self.open.resume = true;
            let mut state = lock(&self.shared.state);
            state.book.numbered_by(&opened.producer_id);
        }
        self.window = interval(opened.duplicate_window, USUAL_WINDOW);
    }

    fn plan(&self, window: &Window, may_send: bool) -> Plan {
        let state = lock(&self.shared.state);
        let is_over = state.is_closing && state.book.messages() == 0;
        let send_at = match may_send && window.room(&state).is_some() {
            true => state.due(&self.shared.settings),
            false => None,
        };
        Plan { send_at, is_over }
    }

    /// What is said now: messages, or a sign of life where one is due.
    fn frame(&self, window: &Window, ping: bool) -> Option<PublishFrame> {
        let settings = &self.shared.settings;
        let mut state = lock(&self.shared.state);
        let now = Instant::now();
        let is_due = state.due(settings).is_some_and(|at| at <= now);
        if let Some(room) = window.room(&state)
            && is_due
        {
            let room = Limits {
                messages: room.messages.min(settings.batch.messages),
                bytes: room.bytes.min(settings.batch.bytes),
            };
            self.forget(&mut state.book);
            while let Some(run) = state.book.take(room, now) {
                if run.count > 1 || run.body.len() <= window.largest {
                    return Some(PublishFrame::Messages {
                        first: run.first,
                        body: run.body,
                    });
                }
                state
                    .book
                    .failed(run.first..=run.first, &too_large(run.body.len()));
                self.shared.room.notify_waiters();
            }
        }
        ping.then(|| PublishFrame::Other(Frame::Ping(v1::Ping::default())))
    }

    /// Takes an answer; why, where the gateway is about to end the stream.
    fn take(
        &self,
        answer: v1::PublishStreamResponse,
        origin: &Arc<Origin>,
    ) -> Option<v1::DrainingReason> {
        match answer.frame? {
            Answer::Acks(acks) => self.answered(acks, origin),
            Answer::Draining(draining) => return Some(draining.reason()),
            _ => {}
        }
        None
    }

    fn answered(&self, acks: v1::PublishAcks, origin: &Arc<Origin>) {
        let mut state = lock(&self.shared.state);
        let book = &mut state.book;
        for range in acks.stored {
            let counter = Some(range.counter_value).filter(|value| !value.is_empty());
            let stored = Stored {
                origin: origin_of(origin, range.stream, range.domain),
                sequence: range.first_sequence,
                duplicate: range.duplicate,
                counter: counter.map(String::into_boxed_str),
            };
            book.stored(range.first_number..=range.last_number, &stored);
        }
        for failure in acks.failed {
            let error = failure.status.and_then(Error::of_item);
            let error = error.unwrap_or_else(|| Error::new(Code::Internal, "no reason is given"));
            book.failed(failure.first_number..=failure.last_number, &error);
        }
        if self.shared.settings.cumulative {
            let (origin, counter) = (Arc::clone(origin), None);
            let stored = Stored {
                origin,
                sequence: 0,
                duplicate: false,
                counter,
            };
            book.settled_through(acks.settled_through, &stored);
        }
        drop(state);
        self.shared.room.notify_waiters();
    }

    /// Prepares what is unanswered to be sent again.
    fn rewind(&self, why: Option<&Error>) {
        let why = why.map_or("the stream has ended", Error::message);
        let why = Error::outcome_unknown(why);
        lock(&self.shared.state).book.rewind(&why);
        self.shared.room.notify_waiters();
    }

    /// Gives up what would be repeated and may be forgotten by its stream, whose window this session has told.
    fn forget(&self, book: &mut Book) {
        let Some(before) = Instant::now().checked_sub(self.window.mul_f64(SURELY_KNOWN)) else {
            return;
        };
        let left = book.messages();
        let why = "its stream may have forgotten its id since it was sent";
        book.forget(before, &Error::outcome_unknown(why));
        if book.messages() < left {
            self.shared.room.notify_waiters();
        }
    }

    fn sweep(&self) {
        let Some(before) = Instant::now().checked_sub(self.shared.settings.timeout) else {
            return;
        };
        let sent = Error::outcome_unknown("no answer has come in time");
        let unsent = Error::new(
            Code::DeadlineExceeded,
            "no gateway has taken the message in time",
        );
        lock(&self.shared.state)
            .book
            .give_up(Some(before), &sent, &unsent);
        self.shared.room.notify_waiters();
    }
}

/// What a turn of the task is about.
struct Plan {
    send_at: Option<Instant>,
    /// Everything is answered and nothing will come.
    is_over: bool,
}

fn origin_of(usual: &Arc<Origin>, stream: String, domain: String) -> Arc<Origin> {
    if (stream.is_empty() || stream == usual.stream) && domain == usual.domain {
        return Arc::clone(usual);
    }
    let stream = if stream.is_empty() {
        usual.stream.clone()
    } else {
        stream
    };
    Arc::new(Origin {
        stream,
        domain,
        producer: usual.producer.clone(),
    })
}

fn too_large(size: usize) -> Error {
    let text = format!("the message has {size} bytes, more than the gateway takes");
    Error::with_reason(ErrorReason::MessageTooLarge, Code::InvalidArgument, text)
}

/// A time that the gateway says.
pub(crate) fn interval(said: Option<prost_types::Duration>, unsaid: Duration) -> Duration {
    said.and_then(|said| said.try_into().ok()).unwrap_or(unsaid)
}
