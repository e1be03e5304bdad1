//! The messages of streams: reading and removing them.

use super::empty;
use crate::client::{Client, MAX_FRAME};
use crate::error::Error;
use crate::v1;
use crate::v1::get_message_request::Target;
use crate::v1::stream_service_client::StreamServiceClient;

/// Stored messages.
impl Client {
    /// The message of this sequence.
    pub async fn message(
        &self,
        stream: impl Into<String>,
        sequence: u64,
    ) -> Result<v1::StoredMessage, Error> {
        self.stored(stream.into(), Target::Sequence(sequence)).await
    }

    /// The last message whose subject matches; wildcards are allowed.
    pub async fn last_message(
        &self,
        stream: impl Into<String>,
        subject: impl Into<String>,
    ) -> Result<v1::StoredMessage, Error> {
        let target = Target::LastBySubject(subject.into());
        self.stored(stream.into(), target).await
    }

    /// Removes a message and overwrites it where it is stored. `MESSAGE_NOT_FOUND` may mean that an earlier attempt of the
    /// call has removed it.
    pub async fn delete_message(
        &self,
        stream: impl Into<String>,
        sequence: u64,
    ) -> Result<(), Error> {
        let request = v1::DeleteMessageRequest {
            stream: stream.into(),
            sequence,
            no_erase: false,
        };
        let answer = self.call(request, |connection, request| async move {
            StreamServiceClient::new(connection)
                .delete_message(request)
                .await
        });
        answer.await.map(|_| ())
    }

    /// Removes messages of a stream, all that the request does not keep, and says how many. It is not repeated where it may
    /// have been done: what came meanwhile would go, too.
    pub async fn purge_stream(&self, request: v1::PurgeStreamRequest) -> Result<u64, Error> {
        let purge = |connection, request| async move {
            StreamServiceClient::new(connection)
                .purge_stream(request)
                .await
        };
        let answer = self.attempts(request, purge, Error::is_unsent).await;
        answer
            .map(|answer| answer.purged)
            .map_err(|failed| failed.error)
    }

    async fn stored(&self, stream: String, target: Target) -> Result<v1::StoredMessage, Error> {
        let request = v1::GetMessageRequest {
            stream,
            target: Some(target),
            ..Default::default()
        };
        let answer = self.call(request, |connection, request| async move {
            StreamServiceClient::new(connection)
                .max_decoding_message_size(MAX_FRAME)
                .get_message(request)
                .await
        });
        answer.await?.message.ok_or_else(empty)
    }
}
