//! Streams through Envoy, beside the same without it.

use crate::proto::PublishAckMode;
use crate::proto::publisher_service_client::PublisherServiceClient;
use serde_json::json;

use super::consume::{Manner, consume, fill};
use super::publish_stream::publish;
use crate::Result;
use crate::envoy::Envoy;
use crate::measure::{Spread, alternate};
use crate::options::Options;
use crate::report::{Cell, Table};
use crate::stage::{CONSUMER, Stage, Storage};

pub(super) const TABLE: Table = Table {
    title: "Through Envoy with the configuration of deploy/envoy, memory storage",
    how: "\
The ratio is the rate through Envoy to that of the same calls to the gateway itself, both over one connection each.
`publish-stream` is the row publish-stream/memory/plain, `consume` the row consume/each. As shipped, Envoy speaks TLS
with its callers and not with the gateway; the direct side has no TLS at all, so the ratio has that in it. Envoy shares
the machine with the others. CPU and RSS are Envoy's own.",
    columns: &["to direct", "wanted", "Envoy/s", "direct/s", "CPU s", "RSS MB"],
};

/// What is measured.
#[derive(Clone, Copy)]
pub(super) enum Load {
    /// `PublishStream`, PER_MESSAGE.
    PublishStream,
    /// `Consume`, with an acknowledgement for each message.
    Consume,
}

#[derive(Clone, Copy)]
enum Side {
    Direct,
    Envoy,
}

/// A row.
pub(super) async fn row(options: &Options, load: Load) -> Result<Vec<Cell>> {
    let envoy = options.envoy.as_deref().ok_or("there is no Envoy")?;
    let stage = Stage::start(options, &[]).await?;
    let envoy = Envoy::start(options, envoy, stage.address()).await?;
    let (direct, through) = (stage.channel().await?, envoy.channel().await?);
    let messages = match load {
        Load::PublishStream => 0,
        Load::Consume => fill(&stage, options).await?,
    };

    let rounds = alternate(options, [Side::Direct, Side::Envoy], async |side, time| {
        let channel = match side {
            Side::Direct => direct.clone(),
            Side::Envoy => through.clone(),
        };
        let before = envoy.program.cpu()?;
        let mut round = match load {
            Load::PublishStream => {
                stage.empty_stream(Storage::Memory, json!({})).await?;
                let client = PublisherServiceClient::new(channel);
                let round = publish(client, PublishAckMode::PerMessage, false, time).await?;
                stage.verify(round.count).await?;
                round
            }
            Load::Consume => {
                let consumer = stage.new_consumer(CONSUMER).await?;
                let round = consume(&channel, messages, Manner::Each).await?;
                stage.verify_consumed(consumer, messages).await?;
                round
            }
        };
        round.cpu = envoy.program.cpu()?.saturating_sub(before);
        Ok(round)
    })
    .await?;

    let to_direct = rounds
        .iter()
        .map(|[direct, envoy]| envoy.rate() / direct.rate());
    let to_direct = Spread::of(to_direct);
    Ok(vec![
        Cell::ratio(to_direct),
        Cell::at_least(to_direct, 0.9, 0.9),
        Cell::count(Spread::of(rounds.iter().map(|[_, envoy]| envoy.rate()))),
        Cell::median(Spread::of(rounds.iter().map(|[direct, _]| direct.rate()))),
        Cell::cpu(rounds.iter().map(|[_, envoy]| envoy)),
        Cell::resident(&envoy.program)?,
    ])
}
