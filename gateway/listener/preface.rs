//! The first bytes of a connection: read under our own clock, and replayed to the library of the protocol
//! that they are of.

use std::{
    io::{self, IoSlice},
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// What every HTTP/2 client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the port speaks, for those who come with `curl` or a browser.
pub(super) const PLAIN: &str = "this port speaks gRPC: HTTP/2 without TLS.\r\n";
pub(super) const ENCRYPTED: &str = "this port speaks gRPC: HTTP/2 over TLS.\r\n";

/// What a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Reads as much as tells the protocol. HTTP/1.1 is taken where there is no `refusal` for it.
///
/// # Errors
///
/// When the connection ends, or begins with something else; an HTTP/1 client is told so.
pub(crate) async fn read<I: AsyncRead + AsyncWrite + Unpin>(
    mut stream: I,
    refusal: Option<&str>,
) -> io::Result<(Protocol, Replayed<I>)> {
    let mut received = [0; PREFACE.len()];
    let mut filled = 0;
    while filled < PREFACE.len() {
        match stream.read(&mut received[filled..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
        // Compared as it arrives: another protocol's greeting may be shorter than the preface.
        if received[..filled] != PREFACE[..filled] {
            // A method. A TLS handshake begins with 22: the client's own error is clearer than our text.
            let is_http1 = received[0].is_ascii_uppercase();
            return match refusal {
                None if is_http1 => Ok((Protocol::Http1, Replayed::new(stream, received, filled))),
                Some(what_this_is) if is_http1 => Err(refuse(stream, what_this_is).await),
                _ => Err(not_http2()),
            };
        }
    }
    Ok((Protocol::Http2, Replayed::new(stream, received, filled)))
}

async fn refuse<I: AsyncWrite + Unpin>(mut stream: I, what_this_is: &str) -> io::Error {
    let answer = async {
        let answer = format!(
            "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{what_this_is}",
            what_this_is.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    match answer.await {
        Ok(()) => not_http2(),
        Err(error) => error,
    }
}

fn not_http2() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not HTTP/2")
}

/// A stream whose first bytes were read, and that reads as if they were not.
pub(crate) struct Replayed<I> {
    stream: I,
    first: [u8; PREFACE.len()],
    /// Which of them are still to be read.
    replay: Range<usize>,
}

impl<I> Replayed<I> {
    fn new(stream: I, first: [u8; PREFACE.len()], filled: usize) -> Self {
        Self {
            stream,
            first,
            replay: 0..filled,
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
        let now = self.replay.len().min(buffer.remaining());
        let end = self.replay.start + now;
        buffer.put_slice(&self.first[self.replay.start..end]);
        self.replay.start = end;
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
