//! The body of a gRPC-Web response: the frames of gRPC as they are, and the trailers as the last one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, response};
use http_body::{Body, Frame};

use super::media_type::Form;

/// The bit of a frame's first byte that says: these are the trailers.
const TRAILERS: u8 = 0x80;

/// What belongs into the trailers of a response that is an error from its first byte on.
const STATUS: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];

/// A gRPC response on its way to a page.
pub(crate) struct Framed<B> {
    body: B,
    form: Form,
    /// The status, where it came before the body.
    status: Option<HeaderMap>,
    ended: bool,
}

impl<B> Framed<B> {
    /// Takes the status out of the head, where it is there: it comes as a frame like any other.
    pub(super) fn new(head: &mut response::Parts, body: B, form: Form) -> Self {
        let status = STATUS.into_iter();
        let status =
            status.filter_map(|name| head.headers.remove(&name).map(|value| (name, value)));
        let status: HeaderMap = status.collect();
        Self {
            body,
            form,
            status: Some(status).filter(|status| !status.is_empty()),
            ended: false,
        }
    }

    fn written(&self, data: Bytes) -> Frame<Bytes> {
        Frame::data(match self.form {
            Form::Binary => data,
            Form::Text => STANDARD.encode(data).into(),
        })
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Framed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()?;
        let trailers = match frame.map(Frame::into_data) {
            Some(Ok(data)) => return Poll::Ready(Some(Ok(self.written(data)))),
            Some(Err(frame)) => frame.into_trailers().ok(),
            None => self.status.take(),
        };
        self.ended = true;
        let last = trailers.map(|trailers| self.written(trailers_frame(&trailers)));
        Poll::Ready(last.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// The trailers as HTTP/1 writes them, behind the head that every frame has.
fn trailers_frame(trailers: &HeaderMap) -> Bytes {
    let mut lines = BytesMut::new();
    for (name, value) in trailers {
        for part in [name.as_str().as_bytes(), b":", value.as_bytes(), b"\r\n"] {
            lines.extend_from_slice(part);
        }
    }
    let mut frame = BytesMut::with_capacity(5 + lines.len());
    frame.put_u8(TRAILERS);
    // A status is bounded by what the gateway puts into it.
    frame.put_u32(u32::try_from(lines.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(&lines);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Response};
    use http_body_util::{BodyExt, Empty, Full};

    use super::*;

    #[tokio::test]
    async fn the_trailers_are_the_last_frame() {
        let trailers = HeaderMap::from_iter([
            (STATUS[0].clone(), HeaderValue::from_static("5")),
            (STATUS[1].clone(), HeaderValue::from_static("none")),
        ]);
        let body = Full::new(Bytes::from_static(b"\0\0\0\0\x01x"));
        let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
        let (mut head, ()) = Response::new(()).into_parts();

        let framed = Framed::new(&mut head, body, Form::Binary);

        let all = framed.collect().await.unwrap().to_bytes();
        assert_eq!(
            all,
            b"\0\0\0\0\x01x\x80\0\0\0\x24grpc-status:5\r\ngrpc-message:none\r\n"[..]
        );
    }

    #[tokio::test]
    async fn a_status_among_the_headers_becomes_the_last_frame_as_well() {
        let response = Response::builder()
            .header("grpc-status", "16")
            .header("other", "stays");
        let (mut head, ()) = response.body(()).unwrap().into_parts();

        let framed = Framed::new(&mut head, Empty::new(), Form::Text);

        let all = framed.collect().await.unwrap().to_bytes();
        assert_eq!(
            STANDARD.decode(all).unwrap(),
            b"\x80\0\0\0\x10grpc-status:16\r\n"
        );
        assert!(!head.headers.contains_key("grpc-status"));
        assert_eq!(head.headers["other"], "stays");
    }
}
