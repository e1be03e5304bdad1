//! The first bytes of a connection: read under our own clock, then replayed to the HTTP/2 library.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// What every HTTP/2 client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the port speaks, for those who come with `curl` or a browser.
pub(super) const PLAIN: &str = "this port speaks gRPC: HTTP/2 without TLS.\r\n";
pub(super) const ENCRYPTED: &str = "this port speaks gRPC: HTTP/2 over TLS.\r\n";

/// Reads the preface.
///
/// # Errors
///
/// When the connection ends, or begins with something else; an HTTP/1 client is told so.
pub(super) async fn read<I: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut I,
    what_this_is: &str,
) -> io::Result<()> {
    let mut received = [0; PREFACE.len()];
    let mut filled = 0;
    while filled < PREFACE.len() {
        match stream.read(&mut received[filled..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
        // Compared as it arrives: another protocol's greeting may be shorter than the preface.
        if received[..filled] != PREFACE[..filled] {
            return refuse(stream, received[0], what_this_is).await;
        }
    }
    Ok(())
}

async fn refuse<I: AsyncWrite + Unpin>(
    stream: &mut I,
    first: u8,
    what_this_is: &str,
) -> io::Result<()> {
    // A TLS handshake begins with 22: the client's own error is clearer than our text.
    if first.is_ascii_uppercase() {
        let answer = format!(
            "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{what_this_is}",
            what_this_is.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "not HTTP/2"))
}

/// A stream whose preface was read, and that reads as if it were not.
pub(super) struct Replayed<I> {
    stream: I,
    replay: &'static [u8],
}

impl<I> Replayed<I> {
    pub(super) fn new(stream: I) -> Self {
        Self {
            stream,
            replay: PREFACE,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Replayed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.replay.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let (now, later) = self
            .replay
            .split_at(self.replay.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.replay = later;
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Replayed<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
