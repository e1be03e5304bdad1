//! The stack that every call goes through, outermost first, and the services at its end.

mod audit;
mod authenticate;
mod keeping;
mod limit;
pub(crate) mod messages;
mod observe;
mod permit;
mod rescue;
mod room;
mod tenancy;

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::{Service, ServiceBuilder};

pub(crate) use self::tenancy::Tenancy;
use crate::auth::Authenticator;
use crate::listener;
use crate::metrics::Metrics;
use crate::proto::DESCRIPTORS;
use crate::proto::consumer_service_server::{self, ConsumerServiceServer};
use crate::proto::dead_letter_service_server::{self, DeadLetterServiceServer};
use crate::proto::gateway_service_server::{self, GatewayServiceServer};
use crate::proto::publisher_service_server::{self, PublisherServiceServer};
use crate::proto::stream_service_server::{self, StreamServiceServer};
use crate::proto::subscriber_service_server::{self, SubscriberServiceServer};
use crate::service::consumer::ConsumerService;
use crate::service::dead_letter::DeadLetterService;
use crate::service::gateway::Gateway;
use crate::service::publisher::Publisher;
use crate::service::stream::StreamService;
use crate::service::subscriber::Subscriber;
use crate::traces::Tracer;
use crate::web::{self, Answer, Web};

/// The full names of the gateway's own services.
pub(crate) const SERVICES: [&str; 6] = [
    consumer_service_server::SERVICE_NAME,
    dead_letter_service_server::SERVICE_NAME,
    gateway_service_server::SERVICE_NAME,
    publisher_service_server::SERVICE_NAME,
    stream_service_server::SERVICE_NAME,
    subscriber_service_server::SERVICE_NAME,
];

/// What is served to callers of one NATS login.
pub(crate) struct Services {
    pub(crate) publisher: Publisher,
    pub(crate) subscriber: Subscriber,
    pub(crate) stream: StreamService,
    pub(crate) consumer: ConsumerService,
    pub(crate) dead_letter: DeadLetterService,
    pub(crate) gateway: Gateway,
}

/// The whole stack of a listener, for pages of the origins that `web` names.
pub(crate) fn stack(
    tenancy: Tenancy,
    web: &web::Config,
    authenticator: Authenticator,
    tracer: Option<Tracer>,
    metrics: Metrics,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Answer<observe::Observed<Body>>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ use<> {
    // The layers are cloned for each call; the metrics are many handles.
    let metrics = Arc::new(metrics);
    let refused = metrics.clone();
    let web = web.clone();
    ServiceBuilder::new()
        // Behind it every call is gRPC.
        .layer_fn(move |inner| Web::new(inner, &web, refused.clone()))
        // Sees every call and every status, those of the layers below included.
        .layer_fn(move |inner| observe::Observe::new(inner, metrics.clone(), tracer.clone()))
        // Behind it every call has a caller.
        .layer_fn(move |inner| authenticate::Authenticate::new(inner, authenticator.clone()))
        // Behind it no caller takes more than it may.
        .layer_fn(limit::Limit::new)
        // Behind it every call is one that its caller may make; those that it may not count as well.
        .layer_fn(permit::Permit::new)
        // Writes down what callers change.
        .layer_fn(audit::Audit::new)
        // Gives a reason to what tonic refuses by itself.
        .layer_fn(rescue::Rescue::new)
        .service(tenancy)
}

/// The gateway's own services, which all listeners share.
pub(crate) fn routes(services: Services, config: &listener::Config) -> Routes {
    let most = config.max_request_bytes.as_usize();
    let mut routes = Routes::builder();
    routes
        .add_service(
            PublisherServiceServer::new(services.publisher).max_decoding_message_size(most),
        )
        .add_service(
            SubscriberServiceServer::new(services.subscriber).max_decoding_message_size(most),
        )
        .add_service(StreamServiceServer::new(services.stream).max_decoding_message_size(most))
        .add_service(ConsumerServiceServer::new(services.consumer).max_decoding_message_size(most))
        .add_service(
            DeadLetterServiceServer::new(services.dead_letter).max_decoding_message_size(most),
        )
        .add_service(GatewayServiceServer::new(services.gateway));
    routes.routes()
}

/// The same with health and reflection.
pub(crate) fn with_health(
    routes: Routes,
    health: HealthServer<impl Health>,
    config: &listener::Config,
) -> Routes {
    let routes = routes.add_service(health);
    if config.reflection {
        // The descriptors are made by the build; they are always sound.
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // So that tools can show the details of errors.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        if let (Ok(v1), Ok(v1alpha)) = (reflection().build_v1(), reflection().build_v1alpha()) {
            return routes.add_service(v1).add_service(v1alpha);
        }
    }
    routes
}
