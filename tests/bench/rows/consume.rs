//! Consuming a full stream with an acknowledgement for each message, beside a native pull consumer.

use crate::proto::acknowledgement::Target;
use crate::proto::consume_response::Frame as Event;
use crate::proto::subscribe_request::Source;
use crate::proto::subscribe_response::Event as SubscribeEvent;
use crate::proto::subscriber_service_client::SubscriberServiceClient;
use crate::proto::{
    AckKind, AcknowledgeRequest, Acknowledgement, DeliveryRange, FlowLimits, ReceivedMessage,
    SettleFrame, SubscribeRequest,
};
use async_nats::jetstream::consumer::PullConsumer;
use futures_util::TryStreamExt as _;
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::Result;
use crate::consuming::Session;
use crate::measure::{Amount, Round, Spread, alternate};
use crate::native::pipelined;
use crate::options::Options;
use crate::report::{Cell, Table};
use crate::stage::{CONSUMER, STREAM, Stage, Storage};

/// Deliveries that may be unsettled at a time, on both sides.
pub(super) const WINDOW: u32 = 1024;

/// Messages in the stream, for each second of a round.
const MESSAGES: f64 = 50_000.0;

pub(super) const TABLE: Table = Table {
    title: "Consume, window 1,024, memory storage",
    how: "\
The ratio is the gateway's rate to that of an async-nats pull consumer whose batches are as large as the window and
which calls ack() for each message. `each`: Consume with an acknowledgement for each message in the stream, those of
one batch in one frame. `ranges`: Consume with one range for each batch; JetStream gets one acknowledgement a message all
the same. `unary`: Subscribe, and an Acknowledge without confirmation for each batch. Every side reads the same full
stream with a new consumer, and ends when JetStream has confirmed the last acknowledgement. Afterwards the
consumer must have acknowledged every message, and none twice delivered.",
    columns: &["to native", "wanted", "gateway/s", "native/s", "CPU s", "RSS MB"],
};

/// How the caller acknowledges.
#[derive(Clone, Copy)]
pub(super) enum Manner {
    /// In the stream, message by message.
    Each,
    /// In the stream, one range for each batch.
    Ranges,
    /// By unary calls, one for each batch.
    Unary,
}

#[derive(Clone, Copy)]
enum Side {
    Native,
    Gateway,
}

/// A row.
pub(super) async fn row(options: &Options, manner: Manner) -> Result<Vec<Cell>> {
    let stage = Stage::start(options, &[]).await?;
    let messages = fill(&stage, options).await?;
    let channel = stage.channel().await?;

    let rounds = alternate(options, [Side::Native, Side::Gateway], async |side, _| {
        let consumer = stage.new_consumer(CONSUMER).await?;
        let before = stage.gateway.cpu()?;
        let mut round = match (side, manner) {
            (Side::Native, _) => consume_natively(&consumer, messages).await?,
            (Side::Gateway, Manner::Unary) => subscribe(&channel, messages).await?,
            (Side::Gateway, _) => consume(&channel, messages, manner).await?,
        };
        round.cpu = stage.gateway.cpu()?.saturating_sub(before);
        stage.verify_consumed(consumer, messages).await?;
        Ok(round)
    })
    .await?;

    let to_native = Spread::of(
        rounds
            .iter()
            .map(|[native, gateway]| gateway.rate() / native.rate()),
    );
    let wanted = match manner {
        Manner::Each => Cell::at_least(to_native, 1.0, 1.2),
        _ => Cell::text("-"),
    };
    Ok(vec![
        Cell::ratio(to_native),
        wanted,
        Cell::count(Spread::of(rounds.iter().map(|[_, gateway]| gateway.rate()))),
        Cell::median(Spread::of(rounds.iter().map(|[native, _]| native.rate()))),
        Cell::cpu(rounds.iter().map(|[_, gateway]| gateway)),
        Cell::resident(&stage.gateway)?,
    ])
}

/// Fills the stream with what every side reads, and returns how many messages that are.
pub(super) async fn fill(stage: &Stage, options: &Options) -> Result<u64> {
    let messages = (options.time.as_secs_f64() * MESSAGES).max(1.0) as u64;
    stage
        .empty_stream(Storage::Memory, serde_json::json!({}))
        .await?;
    let native = stage.native(4096).await?;
    pipelined(&native, false, Amount::Messages(messages)).await?;
    Ok(messages)
}

async fn consume_natively(consumer: &PullConsumer, messages: u64) -> Result<Round> {
    let started = Instant::now();
    let mut delivered = consumer
        .stream()
        .max_messages_per_batch(WINDOW as usize)
        .messages()
        .await?;
    for count in 1..=messages {
        let message = delivered
            .try_next()
            .await?
            .ok_or("the native consumer ended")?;
        match count == messages {
            true => message.double_ack().await?,
            false => message.ack().await?,
        }
    }
    Ok(Round::of(messages, started))
}

pub(super) async fn consume(channel: &Channel, messages: u64, manner: Manner) -> Result<Round> {
    let started = Instant::now();
    let client = SubscriberServiceClient::new(channel.clone());
    let mut session = Session::open(client, CONSUMER, WINDOW).await?;
    let mut count = 0;
    while let Some(event) = session.next().await? {
        match event {
            Event::Messages(batch) => {
                count += batch.messages.len() as u64;
                let confirm = count == messages;
                session
                    .settle(SettleFrame {
                        settle_id: u64::from(confirm),
                        acknowledgements: acknowledgements(&batch.messages, manner),
                        confirm,
                    })
                    .await?;
            }
            Event::Settled(settled) => {
                if let Some(failed) = settled.results.iter().find(|item| item.code != 0) {
                    return Err(format!("an acknowledgement failed: {failed:?}").into());
                }
                if settled.settle_id == 1 {
                    return Ok(Round::of(count, started));
                }
            }
            _ => {}
        }
    }
    Err("the session ended".into())
}

async fn subscribe(channel: &Channel, messages: u64) -> Result<Round> {
    let started = Instant::now();
    let mut client = SubscriberServiceClient::new(channel.clone());
    let request = SubscribeRequest {
        stream: STREAM.to_owned(),
        source: Some(Source::Consumer(CONSUMER.to_owned())),
        flow: Some(FlowLimits {
            max_outstanding_messages: Some(WINDOW),
            max_outstanding_bytes: None,
        }),
        ..SubscribeRequest::default()
    };
    let mut events = client.subscribe(request).await?.into_inner();
    let mut count = 0;
    while count < messages {
        let event = events.try_next().await?.ok_or("the session ended")?.event;
        let Some(SubscribeEvent::Messages(batch)) = event else {
            continue;
        };
        count += batch.messages.len() as u64;
        let request = AcknowledgeRequest {
            acknowledgements: batch.messages.into_iter().map(by_token).collect(),
            confirm: Some(count == messages),
        };
        let answer = client.acknowledge(request).await?.into_inner();
        if let Some(failed) = answer.results.iter().find(|item| item.code != 0) {
            return Err(format!("an acknowledgement failed: {failed:?}").into());
        }
    }
    Ok(Round::of(count, started))
}

/// The acknowledgements of one batch.
pub(super) fn acknowledgements(
    messages: &[ReceivedMessage],
    manner: Manner,
) -> Vec<Acknowledgement> {
    let range = |first: &ReceivedMessage, last: &ReceivedMessage| Acknowledgement {
        target: Some(Target::Range(DeliveryRange {
            first: first.delivery_id,
            last: last.delivery_id,
        })),
        kind: AckKind::Ack.into(),
        ..Acknowledgement::default()
    };
    match (manner, messages) {
        (Manner::Ranges, [first, .., last]) => vec![range(first, last)],
        _ => messages
            .iter()
            .map(|message| range(message, message))
            .collect(),
    }
}

fn by_token(message: ReceivedMessage) -> Acknowledgement {
    Acknowledgement {
        target: Some(Target::AckToken(message.ack_token)),
        kind: AckKind::Ack.into(),
        ..Acknowledgement::default()
    }
}
