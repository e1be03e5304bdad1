//! Counts the messages in a body while its bytes pass.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::metrics::Method;

/// The head of each message: a flag, and the length of what follows.
const HEAD: usize = 5;

/// Where in the messages of a body its bytes have come to.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    head: [u8; HEAD],
    filled: usize,
    /// Bytes of the message that are to come.
    rest: usize,
}

impl Messages {
    /// Lets bytes pass; how many messages they complete.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> u64 {
        let mut complete = 0;
        while !bytes.is_empty() {
            if self.filled < HEAD {
                let taken = bytes.len().min(HEAD - self.filled);
                self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
                self.filled += taken;
                bytes = &bytes[taken..];
                if self.filled < HEAD {
                    break;
                }
                let [_, length @ ..] = self.head;
                self.rest = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            }
            let taken = bytes.len().min(self.rest);
            self.rest -= taken;
            bytes = &bytes[taken..];
            if self.rest == 0 {
                self.filled = 0;
                complete += 1;
            }
        }
        complete
    }

    /// How much has passed of a message that is not complete yet.
    pub(super) fn unfinished(&self) -> u64 {
        self.whole() - self.rest as u64
    }

    /// What such a message has in all, as far as is known.
    pub(super) fn whole(&self) -> u64 {
        if self.filled < HEAD {
            return self.filled as u64;
        }
        let [_, length @ ..] = self.head;
        HEAD as u64 + u64::from(u32::from_be_bytes(length))
    }
}

/// The body of a request whose messages are counted.
pub(crate) struct Received<B> {
    body: B,
    messages: Messages,
    method: Arc<Method>,
}

impl<B> Received<B> {
    pub(super) fn new(body: B, method: Arc<Method>) -> Self {
        Self {
            body,
            messages: Messages::default(),
            method,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Received<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let complete = self.messages.pass(data);
            self.method.received.inc_by(complete);
        }
        Poll::Ready(frame)
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_are_counted_once_whatever_pieces_they_come_in(
            sizes in prop::collection::vec(0usize..600, 0..6),
            piece in 1usize..300,
        ) {
            let mut body = Vec::new();
            for size in &sizes {
                body.push(0);
                body.extend(u32::try_from(*size).unwrap().to_be_bytes());
                body.resize(body.len() + size, 7);
            }
            let mut messages = Messages::default();
            let counted: u64 = body.chunks(piece).map(|piece| messages.pass(piece)).sum();
            prop_assert_eq!(counted, sizes.len() as u64);
        }
    }

    #[test]
    fn half_a_message_does_not_count() {
        let mut messages = Messages::default();
        assert_eq!(messages.pass(&[0, 0, 0]), 0);
        assert_eq!(messages.unfinished(), 3);
        assert_eq!(messages.pass(&[0, 2, 1]), 0);
        assert_eq!((messages.unfinished(), messages.whole()), (6, 7));
        assert_eq!(messages.pass(&[1, 0, 0]), 1);
        assert_eq!(messages.unfinished(), 2);
    }
}
