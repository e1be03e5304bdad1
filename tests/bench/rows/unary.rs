//! Unary `Publish`, beside a native publish that waits for its answer and an RPC that does nothing.

use std::time::Duration;

use crate::proto::PublishRequest;
use crate::proto::publish_request::Payload;
use crate::proto::publisher_service_client::PublisherServiceClient;
use async_nats::jetstream::Context;
use async_nats::jetstream::message::PublishMessage;
use serde_json::json;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::Result;
use crate::measure::{Round, Spread, alternate, repeat};
use crate::options::Options;
use crate::report::{Cell, Table};
use crate::stage::{PAYLOAD, SUBJECT, Stage, Storage, message_id};

pub(super) const CONCURRENT: Table = Table {
    title: "Unary Publish, 64 callers, memory storage",
    how: "\
The bound is 1/(1/E + 1/N): E is the rate of an empty RPC on the gateway, N that of a native publish that waits for its
answer, both with 64 callers. The empty RPC is gRPC's health check: it goes through the gateway's whole stack and asks
NATS nothing (GetInfo does).",
    columns: &[
        "of the bound",
        "wanted",
        "gateway/s",
        "native/s",
        "empty RPC/s",
        "CPU s",
        "RSS MB",
    ],
};

pub(super) const SINGLE: Table = Table {
    title: "Unary Publish, one caller, memory storage",
    how: "\
What the gateway's p50 is over the sum of a native publish's p50 and an empty RPC's, as a part of that sum.",
    columns: &[
        "over the sum",
        "wanted",
        "gateway p50 us",
        "native p50 us",
        "empty RPC p50 us",
        "gateway p99 us",
        "native p99 us",
        "CPU s",
        "RSS MB",
    ],
};

#[derive(Clone, Copy)]
enum Side {
    Native,
    Empty,
    Gateway,
}

/// A row of the first table.
pub(super) async fn concurrent(options: &Options, ids: bool) -> Result<Vec<Cell>> {
    let (stage, rounds) = measure(options, 64, ids).await?;
    let of_bound = Spread::of(rounds.iter().map(|[native, empty, gateway]| {
        gateway.rate() * (1.0 / native.rate() + 1.0 / empty.rate())
    }));
    let rate = |side: usize| Spread::of(rounds.iter().map(|round| round[side].rate()));
    Ok(vec![
        Cell::ratio(of_bound),
        Cell::at_least(of_bound, 0.85, 0.85),
        Cell::count(rate(2)),
        Cell::median(rate(0)),
        Cell::median(rate(1)),
        Cell::cpu(rounds.iter().map(|[_, _, gateway]| gateway)),
        Cell::resident(&stage.gateway)?,
    ])
}

/// A row of the second table.
pub(super) async fn single(options: &Options, ids: bool) -> Result<Vec<Cell>> {
    let (stage, rounds) = measure(options, 1, ids).await?;
    let over = Spread::of(rounds.iter().map(|[native, empty, gateway]| {
        gateway.latency(0.5) / (native.latency(0.5) + empty.latency(0.5)) - 1.0
    }));
    let micros = |side: usize, part: f64| {
        Spread::of(rounds.iter().map(|round| round[side].latency(part) * 1e6))
    };
    Ok(vec![
        Cell::ratio(over),
        Cell::at_most(over, 0.15),
        Cell::count(micros(2, 0.5)),
        Cell::median(micros(0, 0.5)),
        Cell::median(micros(1, 0.5)),
        Cell::median(micros(2, 0.99)),
        Cell::median(micros(0, 0.99)),
        Cell::cpu(rounds.iter().map(|[_, _, gateway]| gateway)),
        Cell::resident(&stage.gateway)?,
    ])
}

async fn measure(options: &Options, callers: usize, ids: bool) -> Result<(Stage, Vec<[Round; 3]>)> {
    // The gateway makes no ids of its own: both sides have them or neither has.
    let stage = Stage::start(options, &[("JETGATE_PUBLISH_MINT_MESSAGE_ID", "never")]).await?;
    let native = stage.native(callers).await?;
    let channel = stage.channel().await?;
    let sides = [Side::Native, Side::Empty, Side::Gateway];
    let rounds = alternate(options, sides, async |side, time| {
        if let Side::Empty = side {
            return empty_calls(&channel, callers, time).await;
        }
        stage.empty_stream(Storage::Memory, json!({})).await?;
        let before = stage.gateway.cpu()?;
        let mut round = match side {
            Side::Gateway => publishes(&channel, callers, ids, time).await?,
            _ => native_publishes(&native, callers, ids, time).await?,
        };
        round.cpu = stage.gateway.cpu()?.saturating_sub(before);
        stage.verify(round.count).await?;
        Ok(round)
    })
    .await?;
    Ok((stage, rounds))
}

async fn publishes(channel: &Channel, callers: usize, ids: bool, time: Duration) -> Result<Round> {
    let client = PublisherServiceClient::new(channel.clone());
    repeat(callers, time, move |number| {
        let mut client = client.clone();
        async move {
            let message = PublishRequest {
                subject: SUBJECT.to_owned(),
                payload: Some(Payload::Data(PAYLOAD)),
                message_id: if ids {
                    message_id(number)
                } else {
                    String::new()
                },
                ..PublishRequest::default()
            };
            client.publish(message).await?;
            Ok(())
        }
    })
    .await
}

async fn native_publishes(
    native: &Context,
    callers: usize,
    ids: bool,
    time: Duration,
) -> Result<Round> {
    let native = native.clone();
    repeat(callers, time, move |number| {
        let native = native.clone();
        async move {
            let mut message = PublishMessage::build().payload(PAYLOAD);
            if ids {
                message = message.message_id(message_id(number));
            }
            native.send_publish(SUBJECT, message).await?.await?;
            Ok(())
        }
    })
    .await
}

async fn empty_calls(channel: &Channel, callers: usize, time: Duration) -> Result<Round> {
    let client = HealthClient::new(channel.clone());
    repeat(callers, time, move |_| {
        let mut client = client.clone();
        async move {
            client.check(HealthCheckRequest::default()).await?;
            Ok(())
        }
    })
    .await
}
