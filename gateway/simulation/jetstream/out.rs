//! What JetStream sends.

use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;
use serde_json::Value;

/// A message on its way to whoever listens there; its own subject may be another.
pub(in crate::simulation) struct Out {
    pub(in crate::simulation) to: String,
    pub(in crate::simulation) message: Message,
}

impl Out {
    /// An answer of the API or to a publish.
    pub(super) fn answer(to: &str, answer: &Value) -> Self {
        let payload = serde_json::to_vec(answer).unwrap_or_default();
        Self::message(to, to, None, None, payload.into())
    }

    /// Tells that nobody listens.
    pub(in crate::simulation) fn nobody(to: &str) -> Self {
        Self::status(to, StatusCode::NO_RESPONDERS, "No Responders")
    }

    /// A status without a message.
    pub(super) fn status(to: &str, status: StatusCode, description: &str) -> Self {
        Self {
            to: to.to_owned(),
            message: Message {
                subject: to.into(),
                reply: None,
                payload: Bytes::new(),
                headers: None,
                status: Some(status),
                description: Some(description.to_owned()),
                length: description.len(),
            },
        }
    }

    /// A message whose length counts as async-nats counts it.
    pub(super) fn message(
        to: &str,
        subject: &str,
        reply: Option<String>,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Self {
        let length = size(subject, reply.as_deref(), headers.as_ref(), &payload);
        Self {
            to: to.to_owned(),
            message: Message {
                subject: subject.into(),
                reply: reply.map(Into::into),
                payload,
                headers,
                status: None,
                description: None,
                length,
            },
        }
    }
}

/// The size of a message as it counts against a pull.
pub(super) fn size(
    subject: &str,
    reply: Option<&str>,
    headers: Option<&HeaderMap>,
    payload: &[u8],
) -> usize {
    let headers = headers.into_iter().flat_map(HeaderMap::iter);
    let headers: usize = headers
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
        .map(|(name, value)| {
            let (name, value): (&str, &str) = (name.as_ref(), value.as_ref());
            name.len() + value.len() + 4
        })
        .sum();
    subject.len() + reply.map_or(0, str::len) + headers + payload.len()
}
