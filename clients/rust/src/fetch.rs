//! Consuming by plain calls: a batch of messages by one, and what is said of them by others.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::{Client, MAX_FRAME};
use crate::consumer::printable;
use crate::delivery::{Delivery, Source};
use crate::error::Error;
use crate::v1::acknowledgement::Target;
use crate::v1::subscriber_service_client::SubscriberServiceClient;
use crate::v1::{AckKind, AcknowledgeRequest, Acknowledgement, FetchRequest, ItemStatus};

/// A message that was fetched, to be settled once, in any process. What is not settled is delivered again after the
/// consumer's `ack_wait`.
#[derive(Clone, Debug)]
pub struct Fetched {
    delivery: Delivery,
    token: String,
    client: Client,
}

impl Client {
    /// Takes up to so many messages of a durable consumer, at most 10,000: waits as long for them, at most five minutes, and
    /// returns what there is then, possibly nothing. For a steady flow a [`Consumer`](crate::Consumer) is faster.
    pub async fn fetch(
        &self,
        stream: impl Into<String>,
        consumer: impl Into<String>,
        batch: u32,
        max_wait: Duration,
    ) -> Result<Vec<Fetched>, Error> {
        let (stream, consumer) = (stream.into(), consumer.into());
        let request = FetchRequest {
            stream: stream.clone(),
            consumer: consumer.clone(),
            batch,
            no_wait: max_wait.is_zero(),
            max_wait: (!max_wait.is_zero()).then(|| crate::duration(max_wait)),
            ..Default::default()
        };
        let client = self.until(Instant::now() + max_wait + self.call_timeout());
        let answer = client.call(request, |connection, request| async move {
            SubscriberServiceClient::new(connection)
                .max_decoding_message_size(MAX_FRAME)
                .fetch(request)
                .await
        });
        let messages = answer.await?.messages;
        let source = Arc::new(Source { stream, consumer });
        let fetched = messages.into_iter().map(|message| Fetched {
            token: message.ack_token.clone(),
            delivery: Delivery::new(message.into(), &source),
            client: self.clone(),
        });
        Ok(fetched.collect())
    }

    /// Acknowledges messages, at most 10,000, and says of each whether JetStream has that.
    pub async fn acknowledge(
        &self,
        messages: impl IntoIterator<Item = &Fetched>,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let items = messages.into_iter().map(|it| it.said(AckKind::Ack));
        let results = self.settle(items.collect(), true).await?;
        Ok(results.into_iter().map(outcome).collect())
    }

    /// Settles deliveries by their tokens.
    pub(crate) async fn settle(
        &self,
        acknowledgements: Vec<Acknowledgement>,
        confirm: bool,
    ) -> Result<Vec<ItemStatus>, Error> {
        let request = AcknowledgeRequest {
            acknowledgements,
            confirm: Some(confirm),
        };
        let answer = self.call(request, |connection, request| async move {
            SubscriberServiceClient::new(connection)
                .acknowledge(request)
                .await
        });
        Ok(answer.await?.results)
    }
}

impl Fetched {
    /// Says that it is done, and returns once JetStream has that: it is not delivered again.
    pub async fn ack(&self) -> Result<(), Error> {
        self.say(self.said(AckKind::Ack)).await.map(|_| ())
    }

    /// Says that it is not done: it is delivered again, after this time where one is given.
    pub async fn nak(&self, delay: impl Into<Option<Duration>>) -> Result<(), Error> {
        let delay = delay.into().filter(|delay| !delay.is_zero());
        let said = Acknowledgement {
            delay: delay.map(crate::duration),
            ..self.said(AckKind::Nak)
        };
        self.say(said).await.map(|_| ())
    }

    /// Says that it is hopeless: it is not delivered again. The reason is for JetStream's advisory and the dead letter.
    pub async fn term(&self, reason: impl fmt::Display) -> Result<(), Error> {
        let said = Acknowledgement {
            reason: printable(reason),
            ..self.said(AckKind::Term)
        };
        self.say(said).await.map(|_| ())
    }

    /// Says that it is worked on: the consumer's `ack_wait` starts anew.
    pub async fn in_progress(&mut self) -> Result<(), Error> {
        let mut status = self.say(self.said(AckKind::InProgress)).await?;
        if let Some(token) = status.metadata.remove("ack_token") {
            self.token = token;
        }
        Ok(())
    }

    fn said(&self, kind: AckKind) -> Acknowledgement {
        Acknowledgement {
            target: Some(Target::AckToken(self.token.clone())),
            kind: kind as i32,
            ..Default::default()
        }
    }

    async fn say(&self, said: Acknowledgement) -> Result<ItemStatus, Error> {
        let mut results = self.client.settle(vec![said], true).await?;
        let status = results.pop().unwrap_or_default();
        outcome(status.clone()).map(|()| status)
    }
}

impl Deref for Fetched {
    type Target = Delivery;

    fn deref(&self) -> &Delivery {
        &self.delivery
    }
}

fn outcome(status: ItemStatus) -> Result<(), Error> {
    Error::of_item(status).map_or(Ok(()), Err)
}
