//! A gateway in memory: everything from its services down to the links, without listeners.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use jetgate_faults::callers::{self, Http};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt as _, service_fn};

use crate::auth::Access;
use crate::config::Config;
use crate::memory::Budget;
use crate::metrics::Metrics;
use crate::nats::{Holder, Nats};
use crate::proto::publisher_service_server::PublisherServiceServer;
use crate::proto::subscriber_service_server::SubscriberServiceServer;
use crate::publishing::session;
use crate::publishing::{Orphans, Outlet};
use crate::service::publisher::Publisher;
use crate::service::subscriber::Subscriber;
use crate::sessions::Sessions;
use crate::subscription::Shared;

/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(5);

/// A gateway.
pub(super) struct Gateway {
    /// Where it connects from.
    pub(super) host: String,
    nats: Nats,
    pub(super) sessions: Sessions,
    draining: CancellationToken,
    place: Arc<Place>,
    line: Arc<Line>,
    _background: JoinSet<()>,
}

/// Where callers find a gateway: one that is replaced has a successor there.
#[derive(Default)]
struct Place(Mutex<Option<(Routes, Arc<Line>)>>);

/// The connections of a gateway's callers: they are cut together.
#[derive(Default)]
struct Line(Mutex<CancellationToken>);

impl Gateway {
    pub(super) fn start(number: usize) -> Self {
        Self::begin(format!("gateway-{number}"), Arc::default())
    }

    fn begin(host: String, place: Arc<Place>) -> Self {
        let mut config = Config::default();
        config.nats.url = format!("nats://{host}:4222").parse().unwrap();
        // Often enough that a short run sees it.
        config.nats.ping_interval = Duration::from_secs(2);
        config.nats.request_timeout = Duration::from_secs(2);
        let metrics = Metrics::new();
        let nats = Nats::start(
            config.nats.clone(),
            Holder::default(),
            &config.nats,
            metrics.clone(),
        );
        let draining = CancellationToken::new();
        let sessions = Sessions::new(&nats, 1_000, draining.clone(), DRAIN, TaskTracker::new());
        let budget = Budget::new(config.memory.max_buffered_bytes, metrics.memory.clone());
        let publisher = session::Shared {
            outlet: Arc::new(Outlet::new(nats.clone(), &metrics)),
            sessions: sessions.clone(),
            budget: budget.clone(),
            config: config.publish.clone(),
        };
        let subscriber = Shared {
            nats: nats.clone(),
            sessions: sessions.clone(),
            budget,
            metrics,
            max_stream_age: config.subscribe.max_stream_age,
        };
        let publisher = Publisher::new(publisher, Orphans::default());
        let subscriber = Subscriber::new(subscriber, config.subscribe, &config.server);
        let routes = Routes::new(PublisherServiceServer::new(publisher))
            .add_service(SubscriberServiceServer::new(subscriber))
            .prepare();
        let mut background = JoinSet::new();
        background.spawn(sessions.clone().listen(nats.clone()));
        background.spawn(sessions.clone().attend(nats.clone()));
        background.spawn(nats.clone().follow_advisories());
        let line = Arc::<Line>::default();
        place.open(routes, line.clone());
        Self {
            host,
            nats,
            sessions,
            draining,
            place,
            line,
            _background: background,
        }
    }

    /// Whether it has a link to JetStream.
    pub(super) fn is_connected(&self) -> bool {
        self.nats.is_connected()
    }

    /// Starts another gateway in this one's place, and shuts this one down in order: what is open is
    /// asked to end, and cut off when its time is over.
    pub(super) fn replace(&self) -> Self {
        let next = Self::begin(self.host.clone(), self.place.clone());
        self.draining.cancel();
        let line = self.line.clone();
        tokio::spawn(async move {
            tokio::time::sleep(DRAIN).await;
            line.close();
        });
        next
    }

    /// The gateway as callers reach it.
    pub(super) fn for_callers(&self) -> callers::Gateway {
        let place = self.place.clone();
        let origin = format!("http://{}", self.host).parse().unwrap();
        callers::Gateway::reached(origin, move || place.connection())
    }

    /// Cuts the connections of its callers.
    pub(super) fn cut_callers(&self) {
        self.line.cut();
    }
}

impl Place {
    fn open(&self, routes: Routes, line: Arc<Line>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *open = Some((routes, line));
    }

    fn connection(&self) -> Http {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (routes, line) = open.clone().unwrap();
        connection(routes, line)
    }
}

impl Line {
    /// Fires when what goes over it now is cut.
    fn end(&self) -> CancellationToken {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Cuts it, and lets nothing over it any more.
    fn close(&self) {
        self.end().cancel();
    }

    fn cut(&self) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *current).cancel();
    }
}

fn connection(routes: Routes, line: Arc<Line>) -> Http {
    BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
        let (routes, end) = (routes.clone(), line.end());
        async move {
            let mut request = request.map(|body| Body::new(Cut::by(&end, body)));
            request.extensions_mut().insert(Access::default());
            let call = end.run_until_cancelled(routes.oneshot(request)).await;
            let response: Response<Body> = call.ok_or_else(broken)?.map_err(|_| broken())?;
            Ok(response.map(|body| Body::new(Cut::by(&end, body))))
        }
    }))
}

fn broken() -> Status {
    Status::unavailable("the connection broke")
}

/// A body that ends with its connection.
struct Cut {
    body: Pin<Box<Body>>,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Cut {
    fn by(end: &CancellationToken, body: Body) -> Self {
        Self {
            body: Box::pin(body),
            end: Box::pin(end.clone().cancelled_owned()),
        }
    }
}

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(broken())));
        }
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
