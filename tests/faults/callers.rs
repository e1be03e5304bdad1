//! Programs that publish and consume through the gateways, and write down all that they do and see.

mod batches;
mod consume;
mod fetch;
mod ordered;
mod publish_stream;
mod scene;
mod settling;
mod subscribe;
mod unary;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic_types::StatusExt as _;

use crate::Result;
use crate::proto::publisher_service_client::PublisherServiceClient;
use crate::proto::subscriber_service_client::SubscriberServiceClient;

pub(crate) use self::scene::Scene;

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
