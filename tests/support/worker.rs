//! A consumer as a careful program is one: it works on each message for a while, confirms its
//! acknowledgements, opens its session anew when that ends, and takes along what it still works on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jetgate::proto::consume_request::Frame as Request;
use jetgate::proto::consume_response::Frame;
use jetgate::proto::{AckKind, ConsumeOpen, ReceivedMessage, SettleFrame, SettleResult};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::consume::{Consume, open_window};
use super::consuming::say;
use super::{Clients, SOON};

/// How long to wait before the next attempt to open a session.
const PAUSE: Duration = Duration::from_millis(20);

/// What callers received and settled, by stream sequence.
#[derive(Default)]
pub(crate) struct Ledger {
    received: BTreeMap<u64, Vec<(u32, Instant)>>,
    confirmed: BTreeMap<u64, Instant>,
    /// Acked without an answer, and not held any more: settled, or to come again.
    presumed: BTreeSet<u64>,
    /// From the last sign of a session that ended to the first message of the next.
    pub(crate) gaps: Vec<Duration>,
}

impl Ledger {
    /// How many different messages are done with.
    pub(crate) fn done(&self) -> usize {
        let unconfirmed = |sequence: &&u64| !self.confirmed.contains_key(*sequence);
        self.confirmed.len() + self.presumed.iter().filter(unconfirmed).count()
    }

    /// Nothing is lost, and nothing came again behind its confirmed acknowledgement.
    #[track_caller]
    pub(crate) fn assert_kept(&self, all: RangeInclusive<u64>) {
        for sequence in all {
            assert!(self.received.contains_key(&sequence), "{sequence} is lost");
        }
        for (sequence, confirmed) in &self.confirmed {
            for (attempt, received) in &self.received[sequence] {
                let is_earlier = received <= confirmed;
                assert!(
                    is_earlier,
                    "{sequence} came behind its ack: attempt {attempt}"
                );
            }
        }
    }

    /// Nothing came again that a caller had.
    #[track_caller]
    pub(crate) fn assert_nothing_came_twice(&self) {
        for (sequence, deliveries) in &self.received {
            assert_eq!(deliveries.len(), 1, "{sequence}: {deliveries:?}");
        }
    }
}

/// A worker that runs until it is stopped.
pub(crate) struct Worker {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

/// A message that is worked on, or whose acknowledgement is not confirmed.
struct Held {
    token: String,
    sequence: u64,
    done_at: Instant,
}

struct Work {
    clients: Clients,
    ledger: Arc<Mutex<Ledger>>,
    time: Duration,
    open: ConsumeOpen,
    held: Vec<Held>,
    /// Which messages an answer is awaited for, by settle_id.
    asked: HashMap<u64, Vec<u64>>,
    asked_last: u64,
    ended_at: Option<Instant>,
}

impl Worker {
    /// Works on each message for this time.
    pub(crate) fn start(clients: Clients, ledger: &Arc<Mutex<Ledger>>, time: Duration) -> Self {
        let stop = CancellationToken::new();
        let work = Work {
            clients,
            ledger: Arc::clone(ledger),
            time,
            open: open_window(64),
            held: Vec::new(),
            asked: HashMap::new(),
            asked_last: 0,
            ended_at: None,
        };
        let task = tokio::spawn(work.run(stop.clone()));
        Self { task, stop }
    }

    /// Lets it finish what it works on, and end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(3 * SOON, self.task).await;
        ended.expect("the worker still holds something").unwrap();
    }
}

impl Work {
    async fn run(mut self, stop: CancellationToken) {
        let mut previous = None;
        while !(stop.is_cancelled() && self.held.is_empty()) {
            let open = ConsumeOpen {
                held: self.held.iter().map(|held| held.token.clone()).collect(),
                ..self.open.clone()
            };
            let Ok(session) = Consume::try_open_at_once(&self.clients, open).await else {
                sleep(PAUSE).await;
                continue;
            };
            self.take_over(&session);
            drop(previous.take());
            previous = self.serve(session, &stop).await;
            self.ended_at.get_or_insert_with(Instant::now);
        }
    }

    /// What is not held any more comes again, or is settled. Whoever was asked is gone: the new session is
    /// asked again for what it holds.
    fn take_over(&mut self, session: &Consume) {
        let opened = &session.opened;
        let asked: BTreeSet<u64> = self.asked.drain().flat_map(|(_, asked)| asked).collect();
        let mut ledger = self.ledger.lock().unwrap();
        self.held.retain(|held| {
            let is_held = !opened.not_held.contains(&held.token);
            if !is_held && asked.contains(&held.sequence) {
                ledger.presumed.insert(held.sequence);
            }
            is_held
        });
        assert_eq!(self.held.len(), opened.held.len());
        for (held, renewed) in self.held.iter_mut().zip(&opened.held) {
            held.token.clone_from(renewed);
        }
    }

    /// Serves a session. One that is drained is returned when its answers have come: it is given up only
    /// when the next is open.
    async fn serve(&mut self, mut session: Consume, stop: &CancellationToken) -> Option<Consume> {
        let mut is_draining = false;
        loop {
            if stop.is_cancelled() && self.held.is_empty() {
                return None;
            }
            if is_draining && self.asked.is_empty() {
                return Some(session);
            }
            let due = self.unasked().map(|held| held.done_at).min();
            let until_due = due.map(|due| due.saturating_duration_since(Instant::now()));
            tokio::select! {
                frame = session.try_frame() => match frame {
                    Ok(Some(Frame::Messages(batch))) => self.receive(batch.messages),
                    Ok(Some(Frame::Settled(settled))) => self.confirm(&settled),
                    Ok(Some(Frame::Draining(_))) => {
                        is_draining = true;
                        self.ended_at.get_or_insert_with(Instant::now);
                    }
                    Ok(Some(Frame::Heartbeat(_))) => session.ping(1),
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return None,
                },
                () = sleep(until_due.unwrap_or(Duration::from_millis(50))) => {
                    if !is_draining {
                        self.acknowledge(&session);
                    }
                }
            }
        }
    }

    fn receive(&mut self, messages: Vec<ReceivedMessage>) {
        let now = Instant::now();
        let mut ledger = self.ledger.lock().unwrap();
        if let Some(ended_at) = self.ended_at.take() {
            ledger.gaps.push(now - ended_at);
        }
        for message in messages {
            let deliveries = ledger.received.entry(message.stream_sequence).or_default();
            deliveries.push((message.delivery_attempt, now));
            self.held
                .retain(|held| held.sequence != message.stream_sequence);
            self.held.push(Held {
                token: message.ack_token,
                sequence: message.stream_sequence,
                done_at: now + self.time,
            });
        }
    }

    fn unasked(&self) -> impl Iterator<Item = &Held> {
        let is_asked = |sequence| {
            self.asked
                .values()
                .flatten()
                .any(|asked| *asked == sequence)
        };
        self.held
            .iter()
            .filter(move |held| !is_asked(held.sequence))
    }

    fn acknowledge(&mut self, session: &Consume) {
        let now = Instant::now();
        let done = self.unasked().filter(|held| held.done_at <= now);
        let (sequences, acknowledgements): (Vec<u64>, Vec<_>) = done
            .map(|held| (held.sequence, say(AckKind::Ack, &held.token)))
            .unzip();
        if sequences.is_empty() {
            return;
        }
        self.asked_last += 1;
        self.asked.insert(self.asked_last, sequences);
        session.send(Request::Settle(SettleFrame {
            settle_id: self.asked_last,
            acknowledgements,
            confirm: true,
        }));
    }

    /// What failed is tried again, as long as it is held.
    fn confirm(&mut self, settled: &SettleResult) {
        let Some(sequences) = self.asked.remove(&settled.settle_id) else {
            return;
        };
        let mut ledger = self.ledger.lock().unwrap();
        for (sequence, result) in sequences.into_iter().zip(&settled.results) {
            if result.code == 0 {
                ledger.confirmed.insert(sequence, Instant::now());
                self.held.retain(|held| held.sequence != sequence);
            }
        }
    }
}
