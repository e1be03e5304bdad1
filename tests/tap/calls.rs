//! A caller that sends any bytes to any method, and waits for the end of the answer for a moment only.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::{Code, Status};

/// Streams go on longer, and are left.
const PATIENCE: Duration = Duration::from_millis(400);

/// A call to be made.
pub(super) struct Call {
    pub(super) path: String,
    /// Metadata whose values may stand in HTTP/2.
    pub(super) metadata: Vec<(&'static str, String)>,
    pub(super) messages: Vec<Vec<u8>>,
}

pub(super) struct Caller {
    address: SocketAddr,
    connection: SendRequest<Full<Bytes>>,
}

impl Caller {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let connection = connection(address).await;
        Self {
            address,
            connection,
        }
    }

    /// What came of it that never should: a call that broke off, as one does whose handler panics, and an
    /// error that is nobody's mistake.
    pub(super) async fn make(&mut self, call: &Call) -> Option<String> {
        let request = request(self.address, call);
        if timeout(PATIENCE, self.connection.ready())
            .await
            .is_ok_and(|it| it.is_err())
        {
            self.connection = connection(self.address).await;
        }
        let answer = async {
            let response = self.connection.send_request(request).await?;
            let (head, body) = response.into_parts();
            let trailers = body.collect().await?.trailers().cloned();
            Ok::<_, hyper::Error>(trailers.unwrap_or(head.headers))
        };
        match timeout(PATIENCE, answer).await {
            // It goes on.
            Err(_) => None,
            Ok(Err(error)) => Some(format!("{}: {error:?}", call.path)),
            Ok(Ok(end)) => {
                let status = Status::from_header_map(&end)?;
                (status.code() == Code::Internal).then(|| format!("{}: {status:?}", call.path))
            }
        }
    }
}

async fn connection(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, driver) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(driver);
    sender
}

fn request(address: SocketAddr, call: &Call) -> Request<Full<Bytes>> {
    let mut body = Vec::new();
    for message in &call.messages {
        body.push(0);
        body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        body.extend(message);
    }
    let mut request = Request::post(format!("http://{address}{}", call.path))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in &call.metadata {
        request = request.header(*name, value);
    }
    request.body(Full::new(Bytes::from(body))).unwrap()
}
