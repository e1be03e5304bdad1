//! Programs that publish and consume through the gateways, and write down all that they do and see.

mod batches;
mod connector;
mod consume;
mod expecting;
mod fetch;
mod gateway;
mod ordered;
mod publish_stream;
mod scene;
mod settling;
mod subscribe;
mod unary;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::Result;
use crate::access::{Access, Bearer, Identity};
use crate::history::Event;
use crate::proto::GetInfoRequest;
use crate::proto::gateway_service_client::GatewayServiceClient;
use crate::proto::publisher_service_client::PublisherServiceClient;
use crate::proto::subscriber_service_client::SubscriberServiceClient;

pub use self::gateway::{Gateway, Http};
pub use self::publish_stream::Manner;
pub use self::scene::{Consumer, Publisher, Scene};

/// The deadline of a unary call.
const DEADLINE: Duration = Duration::from_secs(3);

/// How long a caller waits beyond it until it takes its gateway for dead.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest silence of a stream that has a heartbeat each second.
const SILENCE: Duration = Duration::from_secs(5);

/// Between two attempts of a caller that is refused.
const PAUSE: Duration = Duration::from_millis(100);

/// How long publishers try again what is unknown when it is enough.
const FINISHING: Duration = Duration::from_secs(30);

/// How long a delivery may stay without an acknowledgement.
pub const ACK_WAIT: Duration = Duration::from_secs(6);

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

/// Reasons with which a gateway denies what a caller may do: who may do it must never see them.
const DENIALS: [&str; 3] = [
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "TOKEN_KEYS_UNAVAILABLE",
];

/// A caller: it stays with a gateway as long as that serves it, and goes to the next where it does not.
struct Caller {
    scene: Arc<Scene>,
    rng: Rng,
    identity: Identity,
    gateway: usize,
    http: Http,
    /// When it noticed that it is enough.
    told_at: Option<Instant>,
}

impl Caller {
    fn new(scene: Arc<Scene>, identity: Identity, mut rng: Rng) -> Self {
        let gateway = rng.usize(..scene.gateways.len());
        Self {
            http: scene.gateways[gateway].connect(),
            scene,
            rng,
            identity,
            gateway,
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
        self.http = self.scene.gateways[self.gateway].connect();
    }

    fn publisher(&self) -> PublisherServiceClient<Http> {
        PublisherServiceClient::with_origin(self.http.clone(), self.origin())
    }

    fn subscriber(&self) -> SubscriberServiceClient<Http> {
        SubscriberServiceClient::with_origin(self.http.clone(), self.origin())
    }

    fn origin(&self) -> tonic::codegen::http::Uri {
        self.scene.gateways[self.gateway].origin()
    }

    /// What it shows now.
    fn bearer(&self) -> Bearer {
        let access = self.scene.access.as_ref();
        access.map_or_else(Bearer::none, |it| it.bearer(self.identity))
    }

    /// Whether what it shows has been followed by something newer.
    fn is_stale(&self, bearer: &Bearer) -> bool {
        let access = self.scene.access.as_ref();
        access.is_some_and(|it| it.is_stale(bearer, self.identity))
    }

    /// A request with the deadline that only the gateway keeps.
    fn within<T>(&self, message: T, deadline: Duration) -> tonic::Request<T> {
        let mut request = showing(&self.bearer(), message);
        request.set_timeout(deadline);
        request
    }

    /// Takes down that a call or a session was denied, where it was.
    fn ended<T>(&self, ended: &Result<T>) {
        let Err(error) = ended else { return };
        if let Some(status) = error.downcast_ref::<Status>() {
            self.denied(status);
        }
    }

    fn denied(&self, status: &Status) {
        let reason = reason(status).unwrap_or_default();
        if DENIALS.contains(&reason.as_str()) {
            let group = self.identity.group();
            let reason = format!("{reason}: {}", status.message());
            self.scene.recorder.record(Event::Denied { group, reason });
        }
    }

    /// Waits for the turn of the next of `count` messages, as the rate has it; false when it is over.
    async fn paced(&self, count: usize) -> bool {
        let pause = Duration::from_secs_f64(count as f64 / self.scene.rate());
        timeout(pause, self.scene.enough.cancelled()).await.is_err()
    }
}

/// Asks a gateway who we are; whether it denied us, where it does not say.
pub(crate) async fn knock(
    access: &Access,
    door: SocketAddr,
    bearer: &Bearer,
) -> std::result::Result<(), bool> {
    let door = Gateway::at(door, access.authority.tls());
    let mut gateway = GatewayServiceClient::with_origin(door.connect(), door.origin());
    let mut request = showing(bearer, GetInfoRequest::default());
    request.set_timeout(DEADLINE);
    let answer = patient(DEADLINE, gateway.get_info(request)).await;
    let is_denial = |status| reason(&status).is_some_and(|it| DENIALS.contains(&it.as_str()));
    answer.map(drop).map_err(is_denial)
}

/// A request that shows this, if it is anything.
fn showing<T>(bearer: &Bearer, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let shown = format!("Bearer {}", bearer.text).parse();
    if let (false, Ok(shown)) = (bearer.text.is_empty(), shown) {
        request.metadata_mut().insert("authorization", shown);
    }
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
