//! Whether a request has left: what its connection has not begun to take cannot have been carried out.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// Of one request: it leaves or is kept back, whichever is first. Its extensions take it to the connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departure(Arc<OnceLock<Fate>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Left,
    KeptBack,
}

impl Departure {
    /// Sees to it that what has not left does not leave any more. False where it has left.
    pub(crate) fn keep_back(&self) -> bool {
        self.decide(Fate::KeptBack) == Fate::KeptBack
    }

    /// The same body, which leaves when a connection asks for the first of it. Before, no connection is made, or the one
    /// that is has no room for another call.
    pub(crate) fn watched(self, body: Body) -> Body {
        Body::new(Watched {
            body,
            departure: self,
        })
    }

    fn decide(&self, fate: Fate) -> Fate {
        *self.0.get_or_init(|| fate)
    }
}

struct Watched {
    body: Body,
    departure: Departure,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.departure.decide(Fate::Left) {
            Fate::Left => Pin::new(&mut self.body).poll_frame(context),
            Fate::KeptBack => Poll::Ready(Some(Err(Status::cancelled("it was given up")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body::Body as _;

    use super::*;

    async fn first(body: &mut Body) -> Option<Result<Bytes, Status>> {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
    }

    #[tokio::test]
    async fn what_is_kept_back_does_not_leave() {
        let departure = Departure::default();
        let mut body = departure.clone().watched(Body::new("it".to_owned()));
        assert!(departure.keep_back());
        assert!(first(&mut body).await.unwrap().is_err());
        assert!(departure.keep_back());
    }

    #[tokio::test]
    async fn what_has_left_is_not_kept_back() {
        let departure = Departure::default();
        let mut body = departure.clone().watched(Body::new("it".to_owned()));
        assert_eq!(first(&mut body).await.unwrap().unwrap(), "it");
        assert!(!departure.keep_back());
    }
}
