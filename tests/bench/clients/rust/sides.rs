//! The two sides that are compared: both do the same.

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::PullConsumer;
use futures_util::StreamExt as _;
use jetgate_client::Client;
use tokio::sync::mpsc;

use crate::{IN_FLIGHT, OUTSTANDING, PAYLOAD, Result, STREAM, SUBJECT, WORKER};

pub(crate) enum Side {
    Gateway(Client),
    Native(Context),
}

impl Side {
    /// Publishes without waiting for each answer, and waits for all of them.
    pub(crate) async fn publish(&self, count: u64) -> Result<()> {
        match self {
            Self::Gateway(client) => publish(client, count).await,
            Self::Native(context) => publish_natively(context, count).await,
        }
    }

    /// Acknowledges each message.
    pub(crate) async fn consume(&self, count: u64) -> Result<()> {
        match self {
            Self::Gateway(client) => consume(client, count).await,
            Self::Native(context) => consume_natively(context, count).await,
        }
    }
}

async fn publish(client: &Client, count: u64) -> Result<()> {
    let publisher = client
        .publisher()
        .max_in_flight(IN_FLIGHT)
        .without_message_ids()
        .start();
    let (sent, mut unanswered) = mpsc::channel(IN_FLIGHT);
    let answers = tokio::spawn(async move {
        while let Some(ack) = unanswered.recv().await {
            let ack: jetgate_client::Ack = ack;
            ack.await?;
        }
        Ok::<_, jetgate_client::Error>(())
    });
    for _ in 0..count {
        let ack = publisher.publish((SUBJECT, &PAYLOAD[..])).await?;
        // It fails when the other task did, which says why.
        if sent.send(ack).await.is_err() {
            break;
        }
    }
    drop(sent);
    answers.await??;
    publisher.close().await?;
    Ok(())
}

async fn publish_natively(context: &Context, count: u64) -> Result<()> {
    let (sent, mut unanswered) = mpsc::channel(IN_FLIGHT);
    let answers = tokio::spawn(async move {
        while let Some(ack) = unanswered.recv().await {
            let ack: async_nats::jetstream::context::PublishAckFuture = ack;
            ack.await?;
        }
        Ok::<_, crate::Error>(())
    });
    for _ in 0..count {
        let ack = context.publish(SUBJECT, PAYLOAD[..].into()).await?;
        if sent.send(ack).await.is_err() {
            break;
        }
    }
    drop(sent);
    answers.await?
}

async fn consume(client: &Client, count: u64) -> Result<()> {
    let consumer = client
        .consumer(STREAM, WORKER)
        .max_outstanding(OUTSTANDING as u32);
    let mut consumer = consumer.open().await?;
    for _ in 0..count {
        let message = consumer.next().await.ok_or("the consumer has ended")??;
        message.ack();
    }
    consumer.close().await?;
    Ok(())
}

async fn consume_natively(context: &Context, count: u64) -> Result<()> {
    let consumer: PullConsumer = context.get_consumer_from_stream(WORKER, STREAM).await?;
    let messages = consumer
        .stream()
        .max_messages_per_batch(OUTSTANDING)
        .messages()
        .await?;
    let mut messages = messages.take(count as usize);
    while let Some(message) = messages.next().await {
        message?.ack().await?;
    }
    Ok(())
}
