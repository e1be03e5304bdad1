//! Prost's codec with small buffers, and bounds on what a request decodes to: tonic keeps two of 8 KiB for every open stream, and most streams are
//! idle most of the time.

pub(crate) mod entries;
mod shape;

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, EncodeBuf};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// How large buffers are at first; a message makes them as large as it is.
const BUFFER: usize = 256;

/// When encoded messages are handed on. This is tonic's own.
const YIELD: usize = 32 * 1024;

/// The codec of every service and client.
#[derive(Clone, Debug)]
pub(crate) struct Codec<T, U>(PhantomData<fn(T) -> U>);

/// Its encoder.
#[derive(Debug)]
pub(crate) struct Encoder<T>(ProstEncoder<T>);

/// Its decoder.
#[derive(Debug)]
pub(crate) struct Decoder<U>(ProstDecoder<U>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Encoder<T>;
    type Decoder = Decoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        Encoder(ProstEncoder::new(settings()))
    }

    fn decoder(&mut self) -> Self::Decoder {
        Decoder(ProstDecoder::new(settings()))
    }
}

impl<U: Message + Name + Default> tonic::codec::Decoder for Decoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // A message lies in one piece.
        entries::check(U::NAME, buffer.chunk())?;
        self.0.decode(buffer)
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}

impl<T: Message> tonic::codec::Encoder for Encoder<T> {
    type Item = T;
    type Error = Status;

    /// Room is made once: a large batch would double its buffer again and again.
    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(item.encoded_len());
        self.0.encode(item, buffer)
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(BUFFER, YIELD)
}
