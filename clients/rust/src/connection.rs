//! The way to the gateways: which of them a call goes to, and who says that it calls.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;

use crate::departure::Departure;
use crate::error::Error;

/// How long a gateway that could not be reached is passed over, where there are others.
const REST: Duration = Duration::from_secs(1);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Who calls.
#[derive(Clone)]
pub(crate) enum Credentials {
    Key(HeaderValue),
    Source(Arc<dyn Fn() -> Boxed<Result<String, Status>> + Send + Sync>),
}

impl Credentials {
    pub(crate) fn key(key: &str) -> Result<Self, Error> {
        let value = bearer(key).map_err(Error::from)?;
        Ok(Self::Key(value))
    }

    async fn value(&self) -> Result<HeaderValue, Status> {
        match self {
            Self::Key(value) => Ok(value.clone()),
            Self::Source(source) => bearer(&source().await?),
        }
    }
}

fn bearer(key: &str) -> Result<HeaderValue, Status> {
    let value = HeaderValue::from_str(&format!("Bearer {key}"));
    let mut value =
        value.map_err(|_| Status::unauthenticated("the key is no text of visible characters"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Puts metadata of the program's own into each call.
pub(crate) type Annotate = Arc<dyn Fn(&mut MetadataMap) + Send + Sync>;

/// The connections to the gateways of one installation: what the generated clients of [`v1`](crate::v1) call through.
///
/// Each call goes to the next gateway in turn; one that cannot be reached, or shuts down, is passed over for a while.
#[derive(Clone)]
pub struct Connection(Arc<Gateways>);

struct Gateways {
    list: Vec<Gateway>,
    turn: AtomicUsize,
    begun: Instant,
    credentials: Option<Credentials>,
    annotate: Option<Annotate>,
}

struct Gateway {
    channel: Channel,
    /// Until when it is passed over, in milliseconds since the beginning.
    rests_until: AtomicU64,
}

/// Which gateway has answered a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served(usize);

impl Connection {
    pub(crate) fn new(
        endpoints: &[Endpoint],
        credentials: Option<Credentials>,
        annotate: Option<Annotate>,
    ) -> Self {
        let list = endpoints.iter().map(|endpoint| Gateway {
            channel: endpoint.connect_lazy(),
            rests_until: AtomicU64::new(0),
        });
        Self(Arc::new(Gateways {
            list: list.collect(),
            turn: AtomicUsize::new(fastrand::usize(..endpoints.len().max(1))),
            begun: Instant::now(),
            credentials,
            annotate,
        }))
    }

    /// Passes over the gateway that answered this call: it is about to end.
    pub(crate) fn rest(&self, served: Option<Served>) {
        if let Some(Served(gateway)) = served {
            self.0.rest(gateway, REST);
        }
    }
}

impl Gateways {
    fn pick(&self) -> usize {
        let count = self.list.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let rests = |at: usize| self.list[at].rests_until.load(Ordering::Relaxed);
        let mut in_turn = (0..count).map(|step| turn.wrapping_add(step) % count);
        let awake = in_turn.find(|at| rests(*at) <= now);
        // Where all rest, the one that has rested longest is tried.
        awake
            .or_else(|| (0..count).min_by_key(|at| rests(*at)))
            .unwrap_or_default()
    }

    fn rest(&self, gateway: usize, time: Duration) {
        let until = self.now() + time.as_millis() as u64;
        self.list[gateway]
            .rests_until
            .store(until, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    async fn call(&self, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        if let Some(credentials) = &self.credentials {
            let value = credentials.value().await?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        if let Some(annotate) = &self.annotate {
            let headers = std::mem::take(request.headers_mut());
            let mut metadata = MetadataMap::from_headers(headers);
            annotate(&mut metadata);
            *request.headers_mut() = metadata.into_headers();
        }
        if let Some(departure) = request.extensions_mut().remove::<Departure>() {
            request = request.map(|body| departure.watched(body));
        }
        let gateway = self.pick();
        let mut channel = self.list[gateway].channel.clone();
        let answered = async {
            std::future::poll_fn(|context| channel.poll_ready(context)).await?;
            channel.call(request).await
        };
        match answered.await {
            Ok(mut response) => {
                response.extensions_mut().insert(Served(gateway));
                Ok(response)
            }
            Err(error) => {
                self.rest(gateway, REST);
                Err(Status::from_error(Box::new(error)))
            }
        }
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Boxed<Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let gateways = Arc::clone(&self.0);
        Box::pin(async move { gateways.call(request).await })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gateways = self.0.list.len();
        formatter
            .debug_struct("Connection")
            .field("gateways", &gateways)
            .finish()
    }
}
