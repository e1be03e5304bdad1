//! Reading a message back to learn whose it is.

use serde::Serialize;

use super::Nats;
use super::api::StoredMessageAnswer;
use super::malformed::{Raw, split_headers};
use crate::deadline::Deadline;

#[derive(Serialize)]
struct Request {
    seq: u64,
}

impl Nats {
    /// The message id of a stored message, empty where it has none; `None` where it cannot be read.
    pub(super) async fn id_of(
        &self,
        stream: &str,
        sequence: u64,
        deadline: Deadline,
    ) -> Option<String> {
        let operation = format!("STREAM.MSG.GET.{stream}");
        let request = Request { seq: sequence };
        let answer: StoredMessageAnswer = self.api(&operation, &request, deadline).await.ok()?;
        let raw = Raw::decode(answer.message)?;
        let mut headers = split_headers(&raw.headers).into_iter();
        let id = headers.find(|(name, _)| name == "Nats-Msg-Id");
        String::from_utf8(id.map_or_else(Vec::new, |(_, value)| value.to_vec())).ok()
    }
}
