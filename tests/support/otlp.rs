//! A receiver of OpenTelemetry spans (OTLP by gRPC), as a collector is one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use super::pki;
use super::{SOON, eventually};

/// How a receiver answers.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Manner {
    /// It takes all spans.
    Takes,
    /// It takes all but one of each request.
    TakesAllButOne,
    /// It takes all spans, and says so a second later.
    TakesItsTime,
    /// It does not want them.
    Refuses,
    /// It never answers.
    Hangs,
}

/// A span with what its sender says of itself.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedSpan {
    pub(crate) span: Span,
    pub(crate) resource: Vec<KeyValue>,
}

/// A receiver that ends with this value.
pub(crate) struct OtlpReceiver {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<ReceivedSpan>>>,
    task: JoinHandle<()>,
}

struct Service {
    manner: Manner,
    spans: Arc<Mutex<Vec<ReceivedSpan>>>,
}

impl OtlpReceiver {
    /// One that takes spans.
    pub(crate) async fn start() -> Self {
        Self::start_as(Manner::Takes).await
    }

    /// One that answers in this manner.
    pub(crate) async fn start_as(manner: Manner) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(socket, manner, Server::builder())
    }

    /// One that takes spans at the address of this socket, which refuses connections until then.
    pub(crate) fn start_on(socket: TcpSocket) -> Self {
        let socket = socket.listen(16).unwrap();
        Self::serve(socket, Manner::Takes, Server::builder())
    }

    /// One that takes spans over TLS.
    pub(crate) async fn start_with_tls(identity: &pki::Identity) -> Self {
        let read = |path| std::fs::read(path).unwrap();
        let (certificate, key) = (read(&identity.certificate), read(&identity.key));
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        let server = Server::builder().tls_config(tls).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(socket, Manner::Takes, server)
    }

    fn serve(socket: TcpListener, manner: Manner, mut server: Server) -> Self {
        let address = socket.local_addr().unwrap();
        let spans = Arc::default();
        let service = TraceServiceServer::new(Service {
            manner,
            spans: Arc::clone(&spans),
        });
        let serving = server
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(socket));
        Self {
            address,
            spans,
            task: tokio::spawn(async move { serving.await.unwrap() }),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// As the gateway's configuration names it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every span that came.
    pub(crate) fn spans(&self) -> Vec<ReceivedSpan> {
        self.spans.lock().unwrap().clone()
    }

    /// The spans of a trace once there are so many; no more may have come.
    pub(crate) async fn trace(&self, trace: u128, count: usize) -> Vec<ReceivedSpan> {
        let id = trace.to_be_bytes().to_vec();
        let spans = eventually(SOON, async || {
            let mut spans = self.spans();
            spans.retain(|it| it.span.trace_id == id);
            (spans.len() >= count).then_some(spans)
        })
        .await;
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }
}

impl Drop for OtlpReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ReceivedSpan {
    /// An attribute of the span as text.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        value(&self.span.attributes, key)
    }

    /// What the sender says of itself.
    pub(crate) fn resource(&self, key: &str) -> Option<String> {
        value(&self.resource, key)
    }
}

fn value(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(is) => is.to_string(),
        other => panic!("{other:?}"),
    })
}

impl Service {
    fn take(&self, request: ExportTraceServiceRequest) {
        let mut taken = self.spans.lock().unwrap();
        for spans in request.resource_spans {
            let resource = spans.resource.unwrap().attributes;
            for span in spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let resource = resource.clone();
                taken.push(ReceivedSpan { span, resource });
            }
        }
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        match self.manner {
            Manner::Hangs => return std::future::pending().await,
            Manner::Refuses => return Err(Status::unauthenticated("who are you?")),
            Manner::Takes | Manner::TakesItsTime | Manner::TakesAllButOne => {}
        }
        self.take(request.into_inner());
        if self.manner == Manner::TakesItsTime {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let rejected = i64::from(self.manner == Manner::TakesAllButOne);
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success: (rejected > 0).then(|| ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: "one too many".to_owned(),
            }),
        }))
    }
}
