//! Reading single stored messages through the JSON API, which knows no malformed ones: its answers
//! are base64, so that whatever a publisher wrote comes through (see `malformed.rs`).

use bytes::Bytes;
use prost_types::Timestamp;

use super::Nats;
use super::api::{GetMessage, StoredMessageAnswer};
use super::malformed::{Raw, split_headers};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::StreamName;

/// A message as its stream keeps it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The subject.
    pub subject: String,
    /// The place in the stream.
    pub sequence: u64,
    /// When it was stored.
    pub time: Option<Timestamp>,
    /// Names and values as they stand, whatever they hold.
    pub headers: Vec<(String, Bytes)>,
    /// The payload.
    pub payload: Bytes,
}

impl Nats {
    /// Reads a message from the stream's leader, which knows every message that it acknowledged.
    pub async fn stored_message(
        &self,
        stream: &StreamName,
        request: &GetMessage,
        deadline: Deadline,
    ) -> Result<Stored> {
        let operation = format!("STREAM.MSG.GET.{stream}");
        let StoredMessageAnswer { message } = self.api(&operation, request, deadline).await?;
        let time = message.time;
        let raw = Raw::decode(message)
            .ok_or_else(|| Error::new(Reason::Internal, "a stored message is not base64"))?;
        Ok(Stored {
            time,
            headers: split_headers(&raw.headers),
            subject: raw.subject,
            sequence: raw.sequence,
            payload: raw.payload,
        })
    }
}
