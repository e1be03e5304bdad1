//! A page in a browser, as far as the gateway sees one: gRPC-Web over HTTP/1.1, from an origin.

use std::marker::PhantomData;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::http::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Status;

use super::SOON;

/// Where the page is from that the tests allow.
pub(crate) const ORIGIN: &str = "https://app.test";

/// A page, and one connection of its browser.
pub(crate) struct Page {
    origin: &'static str,
    sender: http1::SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Page {
    /// A page of the allowed origin.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::of(ORIGIN, address).await
    }

    /// A page of this origin.
    pub(crate) async fn of(origin: &'static str, address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(origin, stream).await
    }

    /// A page whose connection is made.
    pub(crate) async fn over<I>(origin: &'static str, stream: I) -> Self
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(async move {
            let _ = driver.await;
        });
        Self {
            origin,
            sender,
            driver,
        }
    }

    /// What a browser asks before it lets the page call.
    pub(crate) async fn ask(&mut self, path: &str, headers: &str) -> Response<Incoming> {
        let request = Request::options(path)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", headers);
        self.send(request, Bytes::new()).await
    }

    /// One POST with these bytes.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(Method::POST).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, body.into()).await
    }

    /// A file that the address has.
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, Bytes::new()).await
    }

    async fn send(
        &mut self,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> Response<Incoming> {
        let request = request.header("host", "gateway.test");
        let request = request.header("origin", self.origin);
        let request = request.body(Full::new(body)).unwrap();
        let answer = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let answer = timeout(SOON, answer).await;
        answer.expect("the gateway does not answer").unwrap()
    }

    /// A unary call.
    pub(crate) async fn call<R: Message + Default>(
        &mut self,
        method: &str,
        request: &impl Message,
    ) -> Result<R, Status> {
        let mut answers = self.stream(method, request).await;
        let message = answers.next().await?;
        let end = answers.next().await?;
        assert!(end.is_none(), "a unary call has one answer");
        Ok(message.expect("a call without an error has an answer"))
    }

    /// A call whose answers are a stream.
    pub(crate) async fn stream<R: Message + Default>(
        &mut self,
        method: &str,
        request: &impl Message,
    ) -> Answers<R> {
        let headers = [
            ("content-type", "application/grpc-web+proto"),
            ("x-grpc-web", "1"),
        ];
        let path = format!("/jetgate.v1.{method}");
        let response = self.post(&path, &headers, frame(request)).await;
        Answers::new(response)
    }

    /// The browser's window is closed.
    pub(crate) fn close(self) {
        self.driver.abort();
    }
}

/// A message with the head that it has in a body.
pub(crate) fn frame(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let size = u32::try_from(message.len()).unwrap();
    [&[0], &size.to_be_bytes()[..], &message].concat()
}

/// The frames of a response.
pub(crate) struct Answers<R> {
    body: Incoming,
    received: Vec<u8>,
    message: PhantomData<R>,
}

impl<R: Message + Default> Answers<R> {
    fn new(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        assert_eq!(head.status, 200);
        assert_eq!(head.headers["content-type"], "application/grpc-web+proto");
        assert_eq!(head.headers["access-control-allow-origin"], ORIGIN);
        // The status of a call is always in the body, errors at once included.
        assert!(!head.headers.contains_key("grpc-status"));
        Self {
            body,
            received: Vec::new(),
            message: PhantomData,
        }
    }

    /// The next message, or how the call ended.
    pub(crate) async fn next(&mut self) -> Result<Option<R>, Status> {
        let next = timeout(SOON, self.next_frame()).await;
        let (kind, frame) = next.expect("no frame").expect("the trailers are the last");
        match kind {
            0 => Ok(Some(R::decode(&frame[..]).unwrap())),
            0x80 => {
                assert!(
                    self.next_frame().await.is_none(),
                    "the trailers are the last"
                );
                let status = Status::from_header_map(&trailers(&frame)).expect("a status");
                match status.code() {
                    tonic::Code::Ok => Ok(None),
                    _ => Err(status),
                }
            }
            other => panic!("a frame of kind {other}"),
        }
    }

    async fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(head) = self.received.first_chunk::<5>() {
                let size = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
                let end = 5 + usize::try_from(size).unwrap();
                if self.received.len() >= end {
                    let rest = self.received.split_off(end);
                    let frame = std::mem::replace(&mut self.received, rest);
                    return Some((frame[0], frame[5..].to_vec()));
                }
            }
            match self.body.frame().await {
                Some(frame) => {
                    let data = frame.unwrap().into_data().expect("HTTP/1.1 has data only");
                    self.received.extend_from_slice(&data);
                }
                None => {
                    assert!(self.received.is_empty(), "the body ends inside a frame");
                    return None;
                }
            }
        }
    }
}

/// Lines as HTTP/1 has them.
fn trailers(frame: &[u8]) -> HeaderMap {
    let text = std::str::from_utf8(frame).unwrap();
    let line = |line: &str| {
        let (name, value) = line.split_once(':').expect("a name and a value");
        let name: HeaderName = name.parse().unwrap();
        let value: HeaderValue = value.trim().parse().unwrap();
        (name, value)
    };
    text.lines().map(line).collect()
}
