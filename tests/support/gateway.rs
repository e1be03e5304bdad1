//! A gateway inside the test process, with the generated clients on a real connection.

use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use jetgate::app::App;
use jetgate::config::Config;
use jetgate::proto::consumer_service_client::ConsumerServiceClient;
use jetgate::proto::dead_letter_service_client::DeadLetterServiceClient;
use jetgate::proto::gateway_service_client::GatewayServiceClient;
use jetgate::proto::publisher_service_client::PublisherServiceClient;
use jetgate::proto::stream_service_client::StreamServiceClient;
use jetgate::proto::subscriber_service_client::SubscriberServiceClient;
use jetgate::shutdown::Shutdown;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{SOON, eventually};

/// A gateway that ends with this value.
pub(crate) struct Gateway {
    public: SocketAddr,
    admin: SocketAddr,
    console: Option<SocketAddr>,
    clients: Clients,
    shutdown: Shutdown,
    task: Option<JoinHandle<()>>,
}

impl Gateway {
    /// A gateway with the default configuration, once it serves.
    pub(crate) async fn start(nats_url: &str) -> Self {
        Self::start_with(nats_url, |_| ()).await
    }

    /// A gateway with another configuration, once it serves.
    pub(crate) async fn start_with(nats_url: &str, change: impl FnOnce(&mut Config)) -> Self {
        let gateway = Self::start_unready(nats_url, change).await;
        gateway.until_serving().await;
        gateway
    }

    /// A gateway that listens and perhaps does not serve, because NATS is away, for example.
    pub(crate) async fn start_unready(nats_url: &str, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.admin.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.nats.url = nats_url.parse().unwrap();
        change(&mut config);

        let shutdown = Shutdown::new(&config.shutdown);
        let app = App::bind(config).await.unwrap();
        let (public, admin) = (app.public_addr(), app.admin_addr());
        let console = app.console_addr();
        let handle = shutdown.clone();
        let task = tokio::spawn(async move { app.run(handle).await });
        let clients = Clients::at(public);
        Self {
            public,
            admin,
            console,
            clients,
            shutdown,
            task: Some(task),
        }
    }

    /// Waits until the gateway says that it serves.
    pub(crate) async fn until_serving(&self) {
        eventually(SOON, async || {
            (self.status_of("").await == Some(ServingStatus::Serving)).then_some(())
        })
        .await;
    }

    /// What grpc.health.v1 says of a service; "" is the gateway as a whole.
    pub(crate) async fn status_of(&self, service: &str) -> Option<ServingStatus> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = self.health().check(request).await.ok()?;
        Some(answer.into_inner().status())
    }

    /// Where gRPC is served.
    pub(crate) fn public(&self) -> SocketAddr {
        self.public
    }

    /// A URL of the admin port: `admin_url("/readyz")`.
    pub(crate) fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// Where the console is.
    pub(crate) fn console(&self) -> SocketAddr {
        self.console.expect("the gateway has a console")
    }

    /// Asks the gateway to drain and returns at once.
    pub(crate) fn request_shutdown(&self) {
        self.shutdown.request();
    }

    /// Waits until the gateway has ended by itself.
    pub(crate) async fn until_ended(&mut self, deadline: Duration) {
        let task = self
            .task
            .take()
            .expect("the gateway was not awaited before");
        timeout(deadline, task)
            .await
            .expect("the gateway did not end")
            .unwrap();
    }

    /// Drains the gateway and waits for its end.
    pub(crate) async fn shutdown(mut self) {
        self.request_shutdown();
        self.until_ended(SOON * 2).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The generated clients call through a gateway as through its address alone.
impl Deref for Gateway {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

/// The generated clients, on one connection that is made when it is first used, and again when it
/// broke.
pub(crate) struct Clients {
    channel: Channel,
    shown: Shown,
}

/// A connection whose calls show something.
pub(crate) type Called = InterceptedService<Channel, Shown>;

/// What calls show of who makes them.
#[derive(Clone, Default)]
pub(crate) struct Shown(Option<AsciiMetadataValue>);

impl Interceptor for Shown {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(shown) = &self.0 {
            let entries = request.metadata_mut();
            entries.insert("authorization", shown.clone());
        }
        Ok(request)
    }
}

impl Clients {
    /// Clients of whatever listens there: a gateway, or a proxy before several.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Self {
            channel: endpoint.connect_lazy(),
            shown: Shown::default(),
        }
    }

    /// Clients of whatever this channel leads to.
    pub(crate) fn over(channel: Channel) -> Self {
        let shown = Shown::default();
        Self { channel, shown }
    }

    /// The same, with calls that show this key or token.
    pub(crate) fn showing(&self, key: &str) -> Self {
        let shown = format!("Bearer {key}").parse().unwrap();
        Self {
            channel: self.channel(),
            shown: Shown(Some(shown)),
        }
    }

    /// The connection with what its calls show.
    pub(crate) fn called(&self) -> Called {
        InterceptedService::new(self.channel(), self.shown.clone())
    }

    /// The connection that the clients share.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn publisher(&self) -> PublisherServiceClient<Called> {
        PublisherServiceClient::new(self.called())
    }

    pub(crate) fn subscriber(&self) -> SubscriberServiceClient<Called> {
        SubscriberServiceClient::new(self.called())
    }

    pub(crate) fn streams(&self) -> StreamServiceClient<Called> {
        StreamServiceClient::new(self.called())
    }

    pub(crate) fn consumers(&self) -> ConsumerServiceClient<Called> {
        ConsumerServiceClient::new(self.called())
    }

    pub(crate) fn dead_letters(&self) -> DeadLetterServiceClient<Called> {
        DeadLetterServiceClient::new(self.called())
    }

    pub(crate) fn gateway(&self) -> GatewayServiceClient<Called> {
        GatewayServiceClient::new(self.called())
    }

    pub(crate) fn health(&self) -> HealthClient<Called> {
        HealthClient::new(self.called())
    }
}
