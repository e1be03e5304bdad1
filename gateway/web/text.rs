//! The body of a request that is written in base64, decoded as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A request's body: as it came, or decoded.
pub(crate) enum Asked<B> {
    Plain(B),
    Text(B, Quads),
}

impl<B> Body for Asked<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Failure>,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match &mut *self {
            Self::Plain(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Text(body, quads) => poll_text(body, quads, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body) => body.is_end_stream(),
            Self::Text(..) => false,
        }
    }
}

fn poll_text<B>(
    body: &mut B,
    quads: &mut Quads,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Failure>>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Failure>,
{
    loop {
        let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(frame) => frame.map_err(Into::into)?,
            None => return Poll::Ready(quads.end().err().map(Err)),
        };
        // Trailers of a request mean nothing in gRPC.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let decoded = quads.decode(data)?;
        if !decoded.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(decoded))));
        }
    }
}

/// Decodes base64 that comes in pieces; each frame of a client may be padded by itself.
#[derive(Default)]
pub(crate) struct Quads {
    /// Less than four characters.
    rest: BytesMut,
}

impl Quads {
    fn decode(&mut self, data: Bytes) -> Result<Bytes, Failure> {
        self.rest.extend_from_slice(&data);
        let whole = self.rest.split_to(self.rest.len() / 4 * 4);
        let mut decoded = Vec::with_capacity(whole.len() / 4 * 3);
        let mut start = 0;
        for end in padded_ends(&whole) {
            STANDARD.decode_vec(&whole[start..end], &mut decoded)?;
            start = end;
        }
        Ok(decoded.into())
    }

    fn end(&self) -> Result<(), Failure> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err("the base64 of the request breaks off".into()),
        }
    }
}

/// Where pieces that were padded by themselves end, and where all ends.
fn padded_ends(whole: &[u8]) -> impl Iterator<Item = usize> {
    let quads = whole.chunks_exact(4).enumerate();
    let padded = quads.filter(|(_, quad)| quad[3] == b'=');
    padded
        .map(|(number, _)| (number + 1) * 4)
        .chain([whole.len()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(pieces: &[&[u8]]) -> Result<Vec<u8>, Failure> {
        let mut quads = Quads::default();
        let mut all = Vec::new();
        for piece in pieces {
            all.extend(quads.decode(Bytes::copy_from_slice(piece))?);
        }
        quads.end().map(|()| all)
    }

    proptest! {
        #[test]
        fn any_bytes_come_through_whatever_pieces_they_come_in(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
            size in 1usize..9,
        ) {
            let text: String = frames.iter().map(|frame| STANDARD.encode(frame)).collect();
            let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(decoded(&pieces).unwrap(), frames.concat());
        }
    }

    #[test]
    fn what_is_no_base64_or_breaks_off_is_an_error() {
        assert!(decoded(&[b"AA*A"]).is_err());
        assert!(decoded(&[b"AAAA", b"AA"]).is_err());
        assert!(decoded(&[b"A=AA"]).is_err());
    }
}
