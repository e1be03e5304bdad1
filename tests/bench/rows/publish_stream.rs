//! `PublishStream`, beside native publishes that do not wait for one another, and beside fast ingest.

use std::sync::Arc;
use std::time::Duration;

use crate::proto::publish_request::Payload;
use crate::proto::publish_stream_request::Frame;
use crate::proto::publish_stream_response::Frame as Answer;
use crate::proto::publisher_service_client::PublisherServiceClient;
use crate::proto::{
    PublishAckMode, PublishAcks, PublishFrame, PublishOpen, PublishPath, PublishRequest,
    PublishStreamRequest,
};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::Result;
use crate::fast_ingest::ingest;
use crate::measure::{Amount, Round, Spread, alternate};
use crate::native::pipelined;
use crate::options::Options;
use crate::report::{Cell, Table};
use crate::stage::{PAYLOAD, STREAM, SUBJECT, Stage, Storage, message_id};

/// Messages that are unanswered at a time, on every side.
const WINDOW: u32 = 4096;

/// Messages in a frame.
const FRAME: u32 = 128;

pub(super) const PER_MESSAGE: Table = Table {
    title: "PublishStream, PER_MESSAGE, frames of 128, window 4,096",
    how: "\
The ratio is the gateway's rate to that of native publishes that do not wait for one another, with the same window. Both
sides learn the answer to each message.",
    columns: &["to native", "wanted", "gateway/s", "native/s", "CPU s", "RSS MB"],
};

pub(super) const CUMULATIVE: Table = Table {
    title: "PublishStream, CUMULATIVE with fast ingest, frames of 128, window 4,096",
    how: "\
The first ratio is to native publishes that do not wait for one another, the second to fast ingest (ADR-50) by a client
of its own over async-nats, which has none; all with the same window.",
    columns: &[
        "to native",
        "wanted",
        "to fast ingest",
        "wanted too",
        "gateway/s",
        "native/s",
        "fast ingest/s",
        "CPU s",
        "RSS MB",
    ],
};

#[derive(Clone, Copy)]
enum Side {
    Native,
    FastIngest,
    Gateway,
}

/// A row of the first table.
pub(super) async fn per_message(
    options: &Options,
    storage: Storage,
    ids: bool,
) -> Result<Vec<Cell>> {
    let mode = PublishAckMode::PerMessage;
    let sides = [Side::Native, Side::Gateway];
    let (stage, rounds) = measure(options, sides, mode, storage, ids).await?;
    let to_native = Spread::of(
        rounds
            .iter()
            .map(|[native, gateway]| gateway.rate() / native.rate()),
    );
    let (least, aim) = match storage {
        Storage::Memory => (1.1, 1.3),
        Storage::File => (0.9, 1.1),
    };
    Ok(vec![
        Cell::ratio(to_native),
        Cell::at_least(to_native, least, aim),
        Cell::count(Spread::of(rounds.iter().map(|[_, gateway]| gateway.rate()))),
        Cell::median(Spread::of(rounds.iter().map(|[native, _]| native.rate()))),
        Cell::cpu(rounds.iter().map(|[_, gateway]| gateway)),
        Cell::resident(&stage.gateway)?,
    ])
}

/// A row of the second table.
pub(super) async fn cumulative(
    options: &Options,
    storage: Storage,
    ids: bool,
) -> Result<Vec<Cell>> {
    let mode = PublishAckMode::Cumulative;
    let sides = [Side::Native, Side::FastIngest, Side::Gateway];
    let (stage, rounds) = measure(options, sides, mode, storage, ids).await?;
    let rate = |side: usize| Spread::of(rounds.iter().map(|round| round[side].rate()));
    let to = |side: usize| {
        Spread::of(
            rounds
                .iter()
                .map(|round| round[2].rate() / round[side].rate()),
        )
    };
    Ok(vec![
        Cell::ratio(to(0)),
        Cell::at_least(to(0), 1.5, 1.5),
        Cell::ratio(to(1)),
        Cell::at_least(to(1), 0.9, 0.9),
        Cell::count(rate(2)),
        Cell::median(rate(0)),
        Cell::median(rate(1)),
        Cell::cpu(rounds.iter().map(|[_, _, gateway]| gateway)),
        Cell::resident(&stage.gateway)?,
    ])
}

async fn measure<const N: usize>(
    options: &Options,
    sides: [Side; N],
    mode: PublishAckMode,
    storage: Storage,
    ids: bool,
) -> Result<(Stage, Vec<[Round; N]>)> {
    let stage = Stage::start(options, &[]).await?;
    let native = stage.native(WINDOW as usize).await?;
    let connection = stage.connection().await?;
    let client = stage.publisher().await?;
    let rounds = alternate(options, sides, async |side, time| {
        let amount = Amount::Time(time);
        stage
            .empty_stream(storage, json!({ "allow_batched": true }))
            .await?;
        let before = stage.gateway.cpu()?;
        let mut round = match side {
            Side::Native => pipelined(&native, ids, amount).await?,
            Side::FastIngest => ingest(&connection, ids, WINDOW as usize, amount).await?,
            Side::Gateway => publish(client.clone(), mode, ids, time).await?,
        };
        round.cpu = stage.gateway.cpu()?.saturating_sub(before);
        stage.verify(round.count).await?;
        Ok(round)
    })
    .await?;
    Ok((stage, rounds))
}

/// Publishes until the time is over, and waits for every answer.
pub(super) async fn publish(
    mut client: PublisherServiceClient<Channel>,
    mode: PublishAckMode,
    ids: bool,
    time: Duration,
) -> Result<Round> {
    let open = PublishOpen {
        stream: STREAM.to_owned(),
        ack_mode: mode.into(),
        max_in_flight: WINDOW,
        ..PublishOpen::default()
    };
    let room = Arc::new(Semaphore::new(WINDOW as usize));
    let started = Instant::now();
    let messages = frames(Arc::clone(&room), ids, Amount::Time(time), started);
    let frames = stream::iter([Frame::Open(open)]).chain(messages);
    let requests = frames.map(|frame| PublishStreamRequest { frame: Some(frame) });
    let mut answers = client.publish_stream(requests).await?.into_inner();

    let mut count = 0;
    while let Some(answer) = answers.message().await? {
        match answer.frame {
            Some(Answer::Opened(opened)) => check_path(mode, opened.path())?,
            Some(Answer::Acks(acks)) => {
                let stored = stored(mode, &acks, count)?;
                room.add_permits(usize::try_from(stored)?);
                count += stored;
            }
            _ => {}
        }
    }
    Ok(Round::of(count, started))
}

/// Frames of messages as the window has room for them. Their end is the caller's half-close.
fn frames(
    room: Arc<Semaphore>,
    ids: bool,
    amount: Amount,
    started: Instant,
) -> impl Stream<Item = Frame> {
    stream::unfold(1, move |first_number| {
        let room = Arc::clone(&room);
        async move {
            room.acquire_many(FRAME).await.ok()?.forget();
            let sent = first_number - 1;
            if !amount.goes_on(sent, started) {
                return None;
            }
            let messages = (sent..sent + u64::from(FRAME)).map(|number| PublishRequest {
                subject: SUBJECT.to_owned(),
                payload: Some(Payload::Data(PAYLOAD)),
                message_id: if ids {
                    message_id(number)
                } else {
                    String::new()
                },
                ..PublishRequest::default()
            });
            let frame = PublishFrame {
                first_number,
                messages: messages.collect(),
            };
            Some((Frame::Messages(frame), first_number + u64::from(FRAME)))
        }
    })
}

/// How many messages more are stored than `before`.
fn stored(mode: PublishAckMode, acks: &PublishAcks, before: u64) -> Result<u64> {
    if let Some(failure) = acks.failed.first() {
        return Err(format!(
            "message {} failed: {:?}",
            failure.first_number, failure.status
        )
        .into());
    }
    if mode == PublishAckMode::Cumulative {
        return Ok(acks.settled_through.saturating_sub(before));
    }
    if acks.stored.iter().any(|range| range.duplicate) {
        return Err("a new message was taken for a duplicate".into());
    }
    let sizes = acks.stored.iter();
    Ok(sizes
        .map(|range| range.last_number + 1 - range.first_number)
        .sum())
}

/// What is measured must be what the row's name says.
fn check_path(mode: PublishAckMode, path: PublishPath) -> Result<()> {
    let expected = match mode {
        PublishAckMode::Cumulative => PublishPath::FastIngest,
        _ => PublishPath::Pipelined,
    };
    match path == expected {
        true => Ok(()),
        false => Err(format!("the gateway took the path {}", path.as_str_name()).into()),
    }
}
