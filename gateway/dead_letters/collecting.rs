//! Taking advisories and writing their letters, for as long as the gateway runs.
//!
//! An advisory is acknowledged only when its letter is stored. Whatever goes wrong before that, it
//! comes again, to this gateway or to another.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::DeadLetters;
use super::streams::{CONSUMER, Ready};
use super::writing::Written;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::metrics::Metrics;
use crate::names::ConsumerName;
use crate::nats::api::GivenUp;
use crate::nats::pull::{Ask, Delivery, End, Event, Puller};
use crate::nats::{AsOf, Connection, Nats, Settlement};

/// Letters that are written at a time. Each holds its message in memory.
const WIDTH: u32 = 8;

/// How long a pull waits, and how often it says that it lives.
const PULL: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How long one letter may take: less than the consumer's ack wait, which began before.
const WRITING: Duration = Duration::from_secs(20);

/// How long finding streams and consumer may take.
const PREPARING: Duration = Duration::from_secs(10);

/// After how long an advisory comes again whose letter could not be stored.
const AGAIN: Duration = Duration::from_secs(5);

/// How long acknowledging and giving back may take.
const SETTLING: Duration = Duration::from_secs(5);

/// Waits before beginning again double from the first to the last of these, with jitter.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How old the number of waiting advisories may be.
const FRESHNESS: Duration = Duration::from_secs(1);

/// Whether letters are written.
#[derive(Clone, Debug)]
pub enum State {
    /// Not yet.
    Starting,
    /// They are.
    Collecting,
    /// They cannot be.
    Failing(Error),
}

/// What writes letters in this gateway.
pub struct Collector {
    dead_letters: DeadLetters,
    metrics: Metrics,
    /// Of its own: anybody can publish what looks like an advisory and breaks a connection.
    connection: Connection,
    /// When the connection broke last.
    lost_at: Option<Instant>,
    backoff: Duration,
}

impl DeadLetters {
    /// How many advisories wait for their letters.
    pub async fn pending(&self, deadline: Deadline) -> Result<u64> {
        let consumer = ConsumerName::parse("consumer", CONSUMER)?;
        let (nats, as_of) = (&self.0.nats, AsOf::within(FRESHNESS));
        let info = nats
            .consumer_info(self.advisories(), &consumer, as_of, deadline)
            .await?;
        Ok(info.num_pending + info.num_ack_pending)
    }
}

impl Collector {
    /// Nothing is taken yet.
    pub fn new(dead_letters: DeadLetters, metrics: Metrics) -> Self {
        let connection = dead_letters.0.nats.own_connection("dead_letters");
        Self {
            dead_letters,
            metrics,
            connection,
            lost_at: None,
            backoff: Duration::ZERO,
        }
    }

    /// Writes letters until `draining` fires.
    pub async fn run(mut self, draining: CancellationToken) {
        while !draining.is_cancelled() {
            let preparing = Box::pin(self.prepare());
            let Some(ended) = draining.run_until_cancelled(preparing).await else {
                return;
            };
            let ended = match ended {
                Ok((ready, puller)) => self.collect(&ready, puller, &draining).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                self.tell(State::Failing(error));
                let wait = self.next_pause();
                draining.run_until_cancelled(tokio::time::sleep(wait)).await;
            }
        }
    }

    async fn prepare(&mut self) -> Result<(Ready, Puller)> {
        let deadline = Deadline::within(PREPARING);
        let nats = self.nats().clone();
        let ready = self.dead_letters.prepare(deadline).await?;
        if let Some(lost_at) = self
            .lost_at
            .take()
            .filter(|lost_at| nats.broke_alone(*lost_at))
        {
            nats.search(&ready.consumer, 0, lost_at, deadline).await?;
        }
        let link = self.connection.wait(deadline).await?;
        let advisories = self.dead_letters.advisories().as_str();
        let puller = Puller::new(&nats, link, advisories, CONSUMER, None);
        Ok((ready, puller))
    }

    /// Takes advisories until something ends that. Fails where it should not go on at once.
    async fn collect(
        &mut self,
        ready: &Ready,
        mut puller: Puller,
        draining: &CancellationToken,
    ) -> Result<()> {
        let collector = &*self;
        let mut writing = FuturesUnordered::new();
        // What would break this connection as well was found by other means.
        let (nats, deadline) = (collector.nats(), Deadline::within(SETTLING));
        let found = nats.claim(&ready.consumer, WRITING, deadline).await;
        writing.extend(found.into_iter().map(|it| collector.settle(it, ready)));
        let mut signs = Signs::default();
        let ended = loop {
            let busy = u32::try_from(writing.len()).unwrap_or(u32::MAX);
            let is_free = puller.is_idle() && busy <= WIDTH / 2;
            if is_free && puller.pull(&ask(WIDTH - busy), None).await.is_err() {
                break Ended::Lost;
            }
            tokio::select! {
                () = draining.cancelled() => break Ended::Draining,
                Some(()) = writing.next() => {}
                event = puller.next_unless_lost() => {
                    let Some(event) = event else { break Ended::Silent };
                    match event {
                        Event::Message(delivery) => {
                            signs.has_worked = true;
                            writing.push(collector.settle(delivery, ready));
                        }
                        Event::Idle(_) if signs.is_alive => {}
                        Event::Idle(_) => {
                            signs.is_alive = true;
                            collector.tell(State::Collecting);
                        }
                        // What could not be written would have come again by now.
                        Event::Ended(End::Expired) if !signs.has_worked => {
                            signs.is_alive = true;
                            collector.tell(State::Collecting);
                        }
                        Event::Ended(End::Expired) => signs.has_worked = false,
                        Event::Ended(End::Complete | End::Moved) => {}
                        Event::Ended(end) => break Ended::Refused(refused(&end)),
                        Event::Lost => break Ended::Lost,
                    }
                },
            }
        };
        if matches!(ended, Ended::Draining) {
            // What was on its way goes to another gateway at once; what is being written is finished.
            for left in puller.close().await {
                collector.give_back(&left, None).await;
            }
            let _ = Deadline::within(SETTLING).bound(writing.count()).await;
            return Ok(());
        }
        drop(writing);
        if signs.is_alive {
            self.backoff = Duration::ZERO;
        }
        self.lost_at = matches!(ended, Ended::Lost).then(Instant::now);
        match ended {
            Ended::Refused(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Brings one advisory to its end.
    async fn settle(&self, delivery: Delivery, ready: &Ready) {
        let deadline = Deadline::within(WRITING);
        let Ok(advisory) = serde_json::from_slice::<GivenUp>(&delivery.payload) else {
            warn!(subject = %delivery.subject, "this is no advisory of JetStream's; passed over");
            return self.acknowledge(&delivery).await;
        };
        let written = self
            .dead_letters
            .write(&advisory, &ready.domain, Instant::now(), deadline)
            .await;
        let (stream, consumer, sequence) =
            (&advisory.stream, &advisory.consumer, advisory.stream_seq);
        match written {
            Ok(written) => {
                if written == Written::Stored {
                    self.metrics.publishing.dead_letter_written();
                }
                self.tell(State::Collecting);
                debug!(%stream, %consumer, sequence, ?written, "a message was given up");
                self.acknowledge(&delivery).await;
            }
            Err(error) => {
                debug!(%stream, %consumer, sequence, %error, "a dead letter cannot be written yet");
                self.tell(State::Failing(error));
                self.give_back(&delivery, Some(AGAIN)).await;
            }
        }
    }

    /// Where it fails, the advisory comes again and finds its letter.
    async fn acknowledge(&self, delivery: &Delivery) {
        let (ack, deadline) = (&delivery.ack, Deadline::within(SETTLING));
        match self
            .nats()
            .settle(ack, &Settlement::Ack, true, deadline)
            .await
        {
            Ok(()) => self.nats().suspect_settled(
                ack.origin.stream(),
                ack.origin.consumer(),
                ack.stream_sequence,
            ),
            Err(error) => debug!(%error, "an advisory is not acknowledged"),
        }
    }

    async fn give_back(&self, delivery: &Delivery, delay: Option<Duration>) {
        let (ack, deadline) = (&delivery.ack, Deadline::within(SETTLING));
        // Otherwise it comes again after the ack wait.
        let _ = self
            .nats()
            .settle(ack, &Settlement::Nak(delay), false, deadline)
            .await;
    }

    fn nats(&self) -> &Nats {
        &self.dead_letters.0.nats
    }

    /// Says it once.
    fn tell(&self, state: State) {
        self.dead_letters.0.state.send_if_modified(|current| {
            let is_new = !current.is_like(&state);
            if is_new {
                match &state {
                    State::Failing(error) => warn!(%error, "dead letters are not collected"),
                    _ => {
                        info!(letters = %self.dead_letters.letters(), "dead letters are collected")
                    }
                }
                *current = state;
            }
            is_new
        });
    }

    fn next_pause(&mut self) -> Duration {
        self.backoff = (self.backoff * 2).clamp(BACKOFF.0, BACKOFF.1);
        self.backoff.mul_f64(0.5 + fastrand::f64())
    }
}

/// What a consumer has shown so far.
#[derive(Default)]
struct Signs {
    /// It keeps a pull.
    is_alive: bool,
    /// It has brought an advisory since its last pull ended.
    has_worked: bool,
}

/// Why taking advisories has ended.
enum Ended {
    /// The connection broke.
    Lost,
    /// The consumer's server says nothing any more.
    Silent,
    /// The consumer does not serve.
    Refused(Error),
    /// The gateway shuts down.
    Draining,
}

impl State {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Starting, Self::Starting) | (Self::Collecting, Self::Collecting) => true,
            (Self::Failing(one), Self::Failing(other)) => one.message() == other.message(),
            _ => false,
        }
    }
}

fn ask(messages: u32) -> Ask {
    Ask {
        messages,
        bytes: None,
        expires: PULL,
        no_wait: false,
        heartbeat: Some(HEARTBEAT),
        place: None,
    }
}

/// The consumer may be gone, or forbidden; a new leader or a restart passes.
fn refused(end: &End) -> Error {
    match end {
        End::Denied => Error::new(
            Reason::NatsPermissionDenied,
            "the gateway's NATS user may not pull advisories",
        ),
        end => Error::new(
            Reason::JetstreamUnavailable,
            format!("the consumer of the advisories does not serve: {end:?}"),
        ),
    }
}
