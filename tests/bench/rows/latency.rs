//! How much later a message arrives through the gateway than at a native consumer.

use std::time::Duration;

use crate::proto::SettleFrame;
use crate::proto::consume_response::Frame as Event;
use crate::proto::received_message::Payload;
use crate::proto::subscriber_service_client::SubscriberServiceClient;
use async_nats::Client;
use async_nats::jetstream::consumer::PullConsumer;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::transport::Channel;

use super::consume::{Manner, WINDOW, acknowledgements};
use crate::Result;
use crate::consuming::Session;
use crate::measure::{Round, Spread, alternate};
use crate::options::Options;
use crate::report::{Cell, Table};
use crate::stage::{CONSUMER, PAYLOAD, SUBJECT, Stage, Storage};

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) const TABLE: Table = Table {
    title: "From publish to delivery, 1,000 messages a second, memory storage",
    how: "\
A native client publishes and does not wait; each message carries the time. The consumer acknowledges each message as it
comes. Added is what the gateway's figure has over the native one of the same round.",
    columns: &[
        "added p50 us",
        "added p99 us",
        "gateway p50 us",
        "gateway p99 us",
        "native p50 us",
        "native p99 us",
        "CPU s",
        "RSS MB",
    ],
};

#[derive(Clone, Copy)]
enum Side {
    Native,
    Gateway,
}

/// The row.
pub(super) async fn row(options: &Options) -> Result<Vec<Cell>> {
    let stage = Stage::start(options, &[]).await?;
    let publisher = stage.connection().await?;
    let channel = stage.channel().await?;
    let rounds = alternate(
        options,
        [Side::Native, Side::Gateway],
        async |side, time| {
            stage
                .empty_stream(Storage::Memory, serde_json::json!({}))
                .await?;
            let consumer = stage.new_consumer(CONSUMER).await?;
            let messages = (time.as_micros() / PAUSE.as_micros()).max(1) as u64;
            let before = stage.gateway.cpu()?;
            let mut round = match side {
                Side::Native => natively(&consumer, &publisher, messages).await?,
                Side::Gateway => through_gateway(&channel, &publisher, messages).await?,
            };
            round.cpu = stage.gateway.cpu()?.saturating_sub(before);
            round.latencies.sort_unstable();
            stage.verify(messages).await?;
            Ok(round)
        },
    )
    .await?;

    let micros = |side: usize, part: f64| {
        Spread::of(rounds.iter().map(|round| round[side].latency(part) * 1e6))
    };
    let added = |part: f64| {
        Spread::of(
            rounds
                .iter()
                .map(|[native, gateway]| (gateway.latency(part) - native.latency(part)) * 1e6),
        )
    };
    Ok(vec![
        Cell::count(added(0.5)),
        Cell::count(added(0.99)),
        Cell::median(micros(1, 0.5)),
        Cell::median(micros(1, 0.99)),
        Cell::median(micros(0, 0.5)),
        Cell::median(micros(0, 0.99)),
        Cell::cpu(rounds.iter().map(|[_, gateway]| gateway)),
        Cell::resident(&stage.gateway)?,
    ])
}

async fn natively(consumer: &PullConsumer, publisher: &Client, messages: u64) -> Result<Round> {
    let mut delivered = consumer
        .stream()
        .max_messages_per_batch(WINDOW as usize)
        .messages()
        .await?;
    let started = Instant::now();
    let publishing = tokio::spawn(publish(publisher.clone(), messages, started));
    let mut latencies = Vec::new();
    while (latencies.len() as u64) < messages {
        let message = delivered
            .try_next()
            .await?
            .ok_or("the native consumer ended")?;
        latencies.push(age(&message.payload, started)?);
        message.ack().await?;
    }
    publishing.await??;
    Ok(Round {
        latencies,
        ..Round::of(messages, started)
    })
}

async fn through_gateway(channel: &Channel, publisher: &Client, messages: u64) -> Result<Round> {
    let client = SubscriberServiceClient::new(channel.clone());
    let mut session = Session::open(client, CONSUMER, WINDOW).await?;
    // It is open.
    session.next().await?;
    let started = Instant::now();
    let publishing = tokio::spawn(publish(publisher.clone(), messages, started));
    let mut latencies = Vec::new();
    while (latencies.len() as u64) < messages {
        let Event::Messages(batch) = session.next().await?.ok_or("the session ended")? else {
            continue;
        };
        for message in &batch.messages {
            let Some(Payload::Data(payload)) = &message.payload else {
                return Err("a message without a payload".into());
            };
            latencies.push(age(payload, started)?);
        }
        session
            .settle(SettleFrame {
                acknowledgements: acknowledgements(&batch.messages, Manner::Each),
                ..SettleFrame::default()
            })
            .await?;
    }
    publishing.await??;
    Ok(Round {
        latencies,
        ..Round::of(messages, started)
    })
}

/// Publishes at a steady pace. Each message begins with its time since `started`.
async fn publish(publisher: Client, messages: u64, started: Instant) -> Result<()> {
    let mut pace = interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..messages {
        pace.tick().await;
        let mut payload = PAYLOAD.to_vec();
        payload[..8].copy_from_slice(&(started.elapsed().as_nanos() as u64).to_be_bytes());
        publisher.publish(SUBJECT, Bytes::from(payload)).await?;
    }
    Ok(())
}

/// How long ago a message was published.
fn age(payload: &[u8], started: Instant) -> Result<Duration> {
    let sent = payload.first_chunk().ok_or("a message without its time")?;
    let sent = Duration::from_nanos(u64::from_be_bytes(*sent));
    Ok(started.elapsed().saturating_sub(sent))
}
