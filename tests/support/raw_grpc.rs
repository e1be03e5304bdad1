//! One gRPC call without a gRPC library: no timer of its own, any path and any bytes.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Status;

use super::SOON;

/// Sends `message` to `path` with these headers and returns the status at the end of the answer.
pub(crate) async fn raw_call(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    message: &[u8],
) -> Status {
    let size = u32::try_from(message.len()).unwrap();
    let frame = [&[0], &size.to_be_bytes()[..], message].concat();
    let mut request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(frame))).unwrap();

    let answer = async {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut sender, driver) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        tokio::spawn(driver);
        let response = sender.send_request(request).await.unwrap();
        if let Some(status) = Status::from_header_map(response.headers()) {
            return status;
        }
        let body = response.into_body().collect().await.unwrap();
        let trailers = body.trailers().expect("an answer ends with trailers");
        Status::from_header_map(trailers).expect("trailers have a status")
    };
    timeout(SOON, answer)
        .await
        .expect("the gateway does not answer")
}
