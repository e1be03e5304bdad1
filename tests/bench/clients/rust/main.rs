//! Measures the Rust client beside async-nats, in turns, on the same servers: messages a second, published and consumed with
//! acknowledgements. `make bench-clients` calls it; JETGATE_BIN names the gateway, a release build.

#![allow(
    clippy::print_stdout,
    reason = "the figures are for people, on standard output"
)]

mod sides;
mod world;

use std::time::Duration;

use clap::Parser;
use jetgate_client::{Client, v1};
use tokio::time::Instant;

use sides::Side;
use world::World;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T> = std::result::Result<T, Error>;

const STREAM: &str = "BENCH";
const SUBJECT: &str = "bench.rust";
const WORKER: &str = "worker";
const PAYLOAD: [u8; 256] = [b'x'; 256];

/// What may be unanswered while publishing, and unsettled while consuming, on both sides.
const IN_FLIGHT: usize = 4_096;
const OUTSTANDING: usize = 1_024;

#[derive(Debug, Parser)]
#[command(about = "Measures the Rust client beside async-nats")]
struct Options {
    /// Rounds, each of both sides.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Messages in a round.
    #[arg(long, default_value_t = 200_000)]
    messages: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let world = World::start().await?;
    let client = Client::connect(&world.gateway)?;
    let connection = async_nats::connect(&world.nats).await?;
    let context = async_nats::jetstream::ContextBuilder::new()
        .max_ack_inflight(IN_FLIGHT)
        .build(connection);
    let sides = [Side::Gateway(client.clone()), Side::Native(context)];
    let mut rounds = Vec::new();
    // The first warms up.
    for round in 0..=options.rounds {
        let mut rates = [(0.0, 0.0); 2];
        for turn in 0..sides.len() {
            let at = (round + turn) % sides.len();
            rates[at] = measure(&client, &sides[at], options.messages).await?;
        }
        if round > 0 {
            rounds.push(rates);
        }
    }
    let pick = |of: fn(&(f64, f64)) -> f64| -> Vec<_> {
        rounds
            .iter()
            .map(|[ours, theirs]| (of(ours), of(theirs)))
            .collect()
    };
    report("publish", &pick(|rate| rate.0));
    report("consume", &pick(|rate| rate.1));
    Ok(())
}

/// Publishes and consumes so many messages over a stream of its own; messages a second of each.
async fn measure(client: &Client, side: &Side, count: u64) -> Result<(f64, f64)> {
    let stream = v1::StreamConfig {
        name: STREAM.into(),
        subjects: vec![SUBJECT.into()],
        storage: v1::StorageType::Memory as i32,
        ..Default::default()
    };
    client.create_stream(stream).await?;
    let worker = v1::ConsumerConfig {
        durable_name: WORKER.into(),
        max_ack_pending: Some(20_000),
        ..Default::default()
    };
    client.create_consumer(STREAM, worker).await?;
    let begun = Instant::now();
    side.publish(count).await?;
    let published = begun.elapsed();
    let state = client.stream(STREAM).await?.state.unwrap_or_default();
    if state.messages != count {
        return Err(format!("the stream has {} messages", state.messages).into());
    }
    let begun = Instant::now();
    side.consume(count).await?;
    settled(client).await?;
    let consumed = begun.elapsed();
    client.delete_stream(STREAM).await?;
    let rate = |took: Duration| count as f64 / took.as_secs_f64();
    Ok((rate(published), rate(consumed)))
}

/// Waits until JetStream has every acknowledgement.
async fn settled(client: &Client) -> Result<()> {
    loop {
        let state = client
            .consumer_info(STREAM, WORKER)
            .await?
            .state
            .unwrap_or_default();
        if state.num_ack_pending == 0 && state.num_pending == 0 {
            return Ok(());
        }
    }
}

fn report(what: &str, rates: &[(f64, f64)]) {
    let ratios = sorted(rates.iter().map(|(ours, theirs)| ours / theirs));
    let ours = sorted(rates.iter().map(|rate| rate.0));
    let theirs = sorted(rates.iter().map(|rate| rate.1));
    let (Some(least), Some(most)) = (ratios.first(), ratios.last()) else {
        return;
    };
    let [ratio, ours, theirs] = [&ratios, &ours, &theirs].map(|values| values[values.len() / 2]);
    println!(
        "rust {what} with acks: {ratio:.2} of async-nats ({least:.2} to {most:.2}): {ours:.0} to {theirs:.0} messages a second"
    );
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}
