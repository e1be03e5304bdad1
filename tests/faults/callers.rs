//! Programs that publish and consume through the gateways, and write down all that they do and see.

mod batches;
mod consume;
mod fetch;
mod ordered;
mod publish_stream;
mod settling;
mod subscribe;
mod unary;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fastrand::Rng;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic_types::StatusExt as _;

use crate::Result;
use crate::history::{Event, Key, micros};
use crate::proto::publisher_service_client::PublisherServiceClient;
use crate::proto::subscriber_service_client::SubscriberServiceClient;
use crate::recorder::Recorder;

use self::publish_stream::Manner;

/// The deadline of a unary call.
const DEADLINE: Duration = Duration::from_secs(3);

/// How long a caller waits beyond it until it takes its gateway for dead.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest silence of a stream that has a heartbeat each second.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(2);

/// Between two attempts of a caller that is refused.
const PAUSE: Duration = Duration::from_millis(100);

/// How long publishers try again what is unknown when it is enough.
const FINISHING: Duration = Duration::from_secs(30);

/// How long a delivery may stay without an acknowledgement.
pub(crate) const ACK_WAIT: Duration = Duration::from_secs(6);

/// What all callers of a run share.
pub(crate) struct Scene {
    pub(crate) stream: String,
    /// Where the gateways are.
    pub(crate) gateways: Vec<SocketAddr>,
    pub(crate) recorder: Recorder,
    /// How many messages each publisher sends in a second.
    pub(crate) rate: f64,
    /// Ends the publishers, once what they sent is answered.
    pub(crate) enough: CancellationToken,
    /// Ends the consumers.
    pub(crate) over: CancellationToken,
    /// Consumers read nothing while it is set.
    pub(crate) is_asleep: AtomicBool,
    /// How many messages were answered OK.
    pub(crate) stored: AtomicU64,
    pub(crate) delivered: AtomicU64,
    /// Up to which sequence each ordered read is.
    pub(crate) read: Mutex<BTreeMap<String, u64>>,
    /// What each role of consumer reads with: a deleted one is followed by another.
    pub(crate) consumers: Mutex<BTreeMap<String, String>>,
    writers: AtomicU64,
    ops: AtomicU64,
    sessions: AtomicU64,
}

impl Scene {
    pub(crate) fn new(
        stream: String,
        gateways: Vec<SocketAddr>,
        recorder: Recorder,
        rate: f64,
    ) -> Self {
        Self {
            stream,
            gateways,
            recorder,
            rate,
            enough: CancellationToken::new(),
            over: CancellationToken::new(),
            is_asleep: AtomicBool::new(false),
            stored: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            read: Mutex::default(),
            consumers: Mutex::default(),
            writers: AtomicU64::new(0),
            ops: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
        }
    }

    /// Starts a publisher of every kind.
    pub(crate) fn start_publishers(self: &Arc<Self>, seed: u64) -> JoinSet<()> {
        let mut rng = Rng::with_seed(seed);
        let mut caller = || Caller::new(Arc::clone(self), rng.fork());
        let mut publishers = JoinSet::new();
        publishers.spawn(unary::run(caller(), true));
        publishers.spawn(unary::run(caller(), true));
        publishers.spawn(unary::run(caller(), false));
        for manner in Manner::ALL {
            publishers.spawn(publish_stream::run(caller(), manner));
        }
        publishers.spawn(batches::run(caller(), false));
        publishers.spawn(batches::run(caller(), true));
        publishers
    }

    /// Starts a consumer of every kind, two where several share what they read with.
    pub(crate) fn start_consumers(self: &Arc<Self>, seed: u64) -> JoinSet<()> {
        let mut rng = Rng::with_seed(seed ^ 2);
        let mut caller = || Caller::new(Arc::clone(self), rng.fork());
        let mut consumers = JoinSet::new();
        for _ in 0..2 {
            consumers.spawn(consume::run(caller(), "consume"));
            consumers.spawn(subscribe::run(caller(), "subscribe"));
            consumers.spawn(fetch::run(caller(), "fetch"));
        }
        consumers.spawn(ordered::run(caller(), "ordered"));
        consumers
    }

    /// A new writer, which is declared.
    fn writer(&self, path: &str, strict: bool, ids: bool) -> u32 {
        let writer = self.writers.fetch_add(1, Ordering::Relaxed) + 1;
        let writer = u32::try_from(writer).unwrap_or(u32::MAX);
        let path = path.to_owned();
        self.recorder.record(Event::Writer {
            writer,
            path,
            strict,
            ids,
        });
        writer
    }

    fn op(&self) -> u64 {
        self.ops.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A message is about to be sent.
    fn invoke(&self, key: Key, hash: u32, deadline: Option<Duration>, atomic: Option<u64>) -> u64 {
        let op = self.op();
        let deadline = deadline.map(micros);
        self.recorder.record(Event::Invoke {
            op,
            key,
            hash,
            deadline,
            atomic,
        });
        op
    }

    /// What became of it.
    fn outcome(&self, op: u64, outcome: &Outcome) {
        self.recorder.record(match outcome.clone() {
            Outcome::Stored {
                sequence,
                duplicate,
            } => {
                self.stored.fetch_add(1, Ordering::Relaxed);
                Event::Ok {
                    op,
                    sequence,
                    duplicate,
                }
            }
            Outcome::Refused(reason) => Event::Refused { op, reason },
            Outcome::Unknown(reason) => Event::Unknown { op, reason },
        });
    }

    /// The consumer of a role, now.
    fn consumer(&self, role: &str) -> String {
        let consumers = self
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        consumers.get(role).cloned().unwrap_or_default()
    }

    /// Waits as long as consumers sleep.
    async fn awake(&self) {
        while self.is_asleep.load(Ordering::Relaxed) && !self.over.is_cancelled() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Stored {
        sequence: Option<u64>,
        duplicate: bool,
    },
    Refused(String),
    Unknown(String),
}

impl Outcome {
    /// What an error says: only the gateway's own reasons say that a message is not stored.
    fn of(status: &Status) -> Self {
        match reason(status) {
            Some(reason) if reason != "PUBLISH_OUTCOME_UNKNOWN" => Self::Refused(reason),
            Some(reason) => Self::Unknown(reason),
            None => Self::Unknown(format!("{:?}", status.code())),
        }
    }
}

/// The gateway's reason, where the error is its own.
fn reason(status: &Status) -> Option<String> {
    Some(status.get_details_error_info()?.reason)
}

type Http = Client<HttpConnector, Body>;

/// A caller: it stays with a gateway as long as that serves it, and goes to the next where it does not.
struct Caller {
    scene: Arc<Scene>,
    rng: Rng,
    gateway: usize,
    http: Http,
    /// When it noticed that it is enough.
    told_at: Option<Instant>,
}

impl Caller {
    fn new(scene: Arc<Scene>, mut rng: Rng) -> Self {
        let gateway = rng.usize(..scene.gateways.len());
        Self {
            scene,
            rng,
            gateway,
            http: http(),
            told_at: None,
        }
    }

    /// Whether what is unknown stays so: it has been enough for a while.
    fn gives_up(&mut self) -> bool {
        if !self.scene.enough.is_cancelled() {
            return false;
        }
        self.told_at.get_or_insert_with(Instant::now).elapsed() > FINISHING
    }

    /// Leaves the gateway and its connection.
    fn move_on(&mut self) {
        self.gateway = (self.gateway + 1) % self.scene.gateways.len();
        self.http = http();
    }

    fn publisher(&self) -> PublisherServiceClient<Http> {
        PublisherServiceClient::with_origin(self.http.clone(), self.origin())
    }

    fn subscriber(&self) -> SubscriberServiceClient<Http> {
        SubscriberServiceClient::with_origin(self.http.clone(), self.origin())
    }

    fn origin(&self) -> tonic::codegen::http::Uri {
        let origin = format!("http://{}", self.scene.gateways[self.gateway]);
        origin.parse().unwrap_or_default()
    }

    /// Waits for the turn of the next of `count` messages, as the rate has it; false when it is over.
    async fn paced(&self, count: usize) -> bool {
        let pause = Duration::from_secs_f64(count as f64 / self.scene.rate);
        timeout(pause, self.scene.enough.cancelled()).await.is_err()
    }
}

/// A connection of its own, with HTTP/2 and nothing that ends calls but the caller.
fn http() -> Http {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECTING));
    Client::builder(TokioExecutor::new())
        .http2_only(true)
        .timer(TokioTimer::new())
        .build(connector)
}

/// A request with the deadline that only the gateway keeps.
fn within<T>(message: T, deadline: Duration) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(deadline);
    request
}

/// Waits for a call until it is surely dead.
async fn patient<T>(
    deadline: Duration,
    call: impl Future<Output = std::result::Result<T, Status>>,
) -> std::result::Result<T, Status> {
    match timeout(deadline + PATIENCE, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Status::cancelled("no answer")),
    }
}

/// The end of a session, whatever it was; the caller opens the next.
type Ended = Result<()>;
