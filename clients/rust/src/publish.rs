//! Publishing by plain calls: one message, or a batch of them.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::attempts::Failed;
use crate::client::Client;
use crate::error::Error;
use crate::message::Message;
use crate::v1;
use crate::v1::publisher_service_client::PublisherServiceClient;

/// Where a message is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub(crate) origin: Arc<Origin>,
    pub(crate) sequence: u64,
    pub(crate) duplicate: bool,
    pub(crate) message_id: MessageId,
    pub(crate) counter: Option<Box<str>>,
}

/// What the answers to many messages have in common.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) stream: String,
    pub(crate) domain: String,
    /// The numbering that ids are made of; empty without.
    pub(crate) producer: String,
}

/// The id of a message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MessageId {
    Given(Box<str>),
    /// Made of the producer and this number.
    Number(u64),
}

impl Published {
    /// The stream that took the message.
    pub fn stream(&self) -> &str {
        &self.origin.stream
    }

    /// Its place in the stream; of a duplicate, that of the first. 0 where a cumulative publisher did not ask for it.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether the stream had a message of this id already and stored nothing.
    pub fn duplicate(&self) -> bool {
        self.duplicate
    }

    /// The id with which the message was published; empty without.
    pub fn message_id(&self) -> String {
        match &self.message_id {
            MessageId::Given(id) => id.to_string(),
            MessageId::Number(_) if self.origin.producer.is_empty() => String::new(),
            MessageId::Number(number) => format!("{}:{number}", self.origin.producer),
        }
    }

    /// The JetStream domain of the stream; empty without domains.
    pub fn domain(&self) -> &str {
        &self.origin.domain
    }

    /// The counter's value after the increment; empty for other messages.
    pub fn counter_value(&self) -> &str {
        self.counter.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Published {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} #{}", self.origin.stream, self.sequence)?;
        if self.duplicate {
            formatter.write_str(" (duplicate)")?;
        }
        Ok(())
    }
}

impl From<v1::PublishResponse> for Published {
    fn from(response: v1::PublishResponse) -> Self {
        let counter = Some(response.counter_value).filter(|value| !value.is_empty());
        Self {
            origin: Arc::new(Origin {
                stream: response.stream,
                domain: response.domain,
                producer: String::new(),
            }),
            sequence: response.sequence,
            duplicate: response.duplicate,
            message_id: MessageId::Given(response.message_id.into()),
            counter: counter.map(String::into_boxed_str),
        }
    }
}

impl Client {
    /// Publishes one message and returns once its stream has taken it. For many messages a
    /// [`Publisher`](crate::Publisher) is several times faster.
    ///
    /// A message without an id gets one, so that the retries of this library store nothing twice. Where one of the attempts
    /// may have stored it the error [says so](Error::is_outcome_unknown), whatever became of the last, and its metadata has
    /// the `message_id`: publishing again with that id makes it known.
    pub async fn publish(&self, message: impl Into<Message>) -> Result<Published, Error> {
        let mut request = message.into().into_request();
        if request.message_id.is_empty() {
            request.message_id = Uuid::now_v7().to_string();
        }
        let id = request.message_id.clone();
        let publish = |connection, request| async move {
            PublisherServiceClient::new(connection)
                .publish(request)
                .await
        };
        let answer = self.attempts(request, publish, Error::is_passing).await;
        let failed = |failed: Failed| failed.of_publish().with_id(&id);
        answer.map(Published::from).map_err(failed)
    }

    /// Publishes up to 1,000 messages in one call: each fails or succeeds by itself. The results are in their order.
    pub async fn publish_batch(
        &self,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<Vec<Result<Published, Error>>, Error> {
        let mode = v1::PublishBatchMode::Independent;
        self.batch(mode, messages).await.map(outcomes)
    }

    /// Publishes up to 1,000 messages one after the other: nothing behind the first that fails is stored.
    pub async fn publish_ordered(
        &self,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<Vec<Result<Published, Error>>, Error> {
        let mode = v1::PublishBatchMode::OrderedStopOnError;
        self.batch(mode, messages).await.map(outcomes)
    }

    /// Publishes up to 1,000 messages: all are stored, or none. Needs a stream with `allow_atomic`.
    pub async fn publish_atomic(
        &self,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<Vec<Published>, Error> {
        let mode = v1::PublishBatchMode::Atomic;
        let results = self.batch(mode, messages).await?;
        outcomes(results).into_iter().collect()
    }

    async fn batch(
        &self,
        mode: v1::PublishBatchMode,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<Vec<v1::PublishResult>, Error> {
        let request = v1::PublishBatchRequest {
            messages: messages.into_iter().map(Message::into_request).collect(),
            mode: mode as i32,
            mint_message_ids: false,
        };
        let publish = |connection, request| async move {
            PublisherServiceClient::new(connection)
                .publish_batch(request)
                .await
        };
        // Ids that only the gateway knows would not make another attempt safe.
        let answer = self.attempts(request, publish, Error::is_unsent).await;
        Ok(answer.map_err(Failed::of_publish)?.results)
    }
}

impl Failed {
    /// Only a gateway knows that a message was not stored, and only of its own attempt.
    fn of_publish(self) -> Error {
        match self.may_be_done {
            true => self.error.in_doubt(),
            false => self.error,
        }
    }
}

fn outcomes(results: Vec<v1::PublishResult>) -> Vec<Result<Published, Error>> {
    let outcome = |result: v1::PublishResult| {
        let failed = result.status.and_then(Error::of_item);
        failed.map_or_else(|| Ok(result.published.unwrap_or_default().into()), Err)
    };
    results.into_iter().map(outcome).collect()
}
