//! How much a connection reads before others have their turn.
//!
//! The runtime counts what a task asks for, not what comes of it: it lets one connection go on for a hundred reads,
//! and what they hold is worth a megabyte. That may be sixty thousand pings, each of which is answered, or thousands
//! of calls; whoever waits behind such connections waits for all of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// The bytes of a turn: nine hundred frames of a flood, and a fraction of what a stream of messages sends, for which a
/// turn more costs about a microsecond.
const TURN: usize = 8 * 1024;

/// A stream that stops for a moment after every turn.
pub(super) struct Turns<I> {
    stream: I,
    /// What was read in this turn.
    read: usize,
}

impl<I> Turns<I> {
    pub(super) const fn new(stream: I) -> Self {
        Self { stream, read: 0 }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Turns<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read >= TURN {
            self.read = 0;
            // Behind the tasks that are waiting already.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        // A buffer may be larger than what is left.
        let left = (TURN - self.read) as u64;
        let before = buffer.filled().len();
        let mut part = (&mut self.stream).take(left);
        let Poll::Ready(result) = Pin::new(&mut part).poll_read(context, buffer) else {
            self.read = 0;
            return Poll::Pending;
        };
        self.read += buffer.filled().len() - before;
        Poll::Ready(result)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Turns<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use std::pin::pin;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_turn_ends_however_much_there_is() {
        let mut stream = Turns::new(tokio::io::repeat(7));
        let mut bytes = vec![0; TURN];
        assert_eq!(stream.read(&mut bytes).await.unwrap(), TURN);

        let mut next = pin!(stream.read(&mut bytes));
        assert!(poll!(next.as_mut()).is_pending());
        assert_eq!(next.await.unwrap(), TURN, "the next turn comes by itself");
    }

    #[tokio::test]
    async fn a_stream_that_waits_begins_a_turn() {
        let (mut there, here) = tokio::io::duplex(2 * TURN);
        let mut stream = Turns::new(here);
        let mut bytes = vec![0; TURN];
        for _ in 0..3 {
            tokio::io::AsyncWriteExt::write_all(&mut there, &bytes[..TURN - 1])
                .await
                .unwrap();
            let mut read = 0;
            while read < TURN - 1 {
                read += stream.read(&mut bytes).await.unwrap();
            }
            assert!(poll!(pin!(stream.read(&mut bytes))).is_pending());
        }
    }
}
