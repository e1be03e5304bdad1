//! What idle `Consume` sessions cost.

use std::time::Duration;

use crate::proto::SettleFrame;
use crate::proto::consume_response::Frame as Event;
use crate::proto::subscriber_service_client::SubscriberServiceClient;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::consume::{Manner, acknowledgements};
use crate::Result;
use crate::consuming::Session;
use crate::measure::Amount;
use crate::native::pipelined;
use crate::options::Options;
use crate::report::{Cell, Table};
use crate::stage::{Stage, Storage};

/// Sessions on one connection: a gateway takes 1,000 calls on each.
const PER_CONNECTION: usize = 1000;

/// Messages that the sessions share in the end, to show that they are alive.
const MESSAGES: u64 = 100;

/// How long opening the sessions, and delivering those messages, may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sessions settle into idleness before that is measured.
const SETTLING: Duration = Duration::from_secs(3);

pub(super) const TABLE: Table = Table {
    title: "Idle Consume sessions",
    how: "\
Bytes are the growth of the gateway's resident memory for each session, its share of the connections (1,000 sessions on
each) included; a first session was opened and closed before. CPU is that of the gateway in per cent of one core while
the sessions idle, with heartbeats every 15 s and the callers' pings. Afterwards 100 messages are published to each
consumer, and the sessions must get all of them.",
    columns: &["sessions", "consumers", "bytes/session", "idle CPU %", "RSS MB"],
};

/// A row.
pub(super) async fn row(options: &Options, sessions: usize, consumers: usize) -> Result<Vec<Cell>> {
    let stage = Stage::start(options, &[]).await?;
    stage.empty_stream(Storage::Memory, json!({})).await?;
    let names: Vec<String> = (0..consumers)
        .map(|number| format!("IDLE{number}"))
        .collect();
    for name in &names {
        stage.new_consumer(name).await?;
    }
    open_and_close(&stage, &names[0]).await?;

    let before = stage.gateway.resident()?;
    let (delivered, mut deliveries) = mpsc::channel(1024);
    let mut open = JoinSet::new();
    let mut channel = stage.channel().await?;
    for number in 0..sessions {
        if number > 0 && number % PER_CONNECTION == 0 {
            channel = stage.channel().await?;
        }
        let client = SubscriberServiceClient::new(channel.clone());
        let mut session = Session::open(client, &names[number % consumers], 256).await?;
        expect_opened(&mut session).await?;
        open.spawn(hold(session, delivered.clone()));
    }
    drop(delivered);
    sleep(SETTLING).await;

    let (started, cpu) = (Instant::now(), stage.gateway.cpu()?);
    sleep(options.time * options.rounds).await;
    let cpu = stage.gateway.cpu()?.saturating_sub(cpu);
    let busy = cpu.as_secs_f64() / started.elapsed().as_secs_f64() * 100.0;
    let resident = stage.gateway.resident()?;

    let native = stage.native(1024).await?;
    pipelined(&native, false, Amount::Messages(MESSAGES)).await?;
    let expected = MESSAGES * consumers as u64;
    let receiving = async {
        for _ in 0..expected {
            deliveries.recv().await.ok_or("all sessions have ended")?;
        }
        Ok::<_, crate::Error>(())
    };
    timeout(PATIENCE, receiving)
        .await
        .map_err(|_| format!("the sessions did not get {expected} messages"))??;
    if open.try_join_next().is_some() {
        return Err("a session has ended".into());
    }
    let bytes = resident.saturating_sub(before) as f64 / sessions as f64;
    Ok(vec![
        Cell::whole(sessions as f64),
        Cell::whole(consumers as f64),
        Cell::whole(bytes),
        Cell::number(busy, 1),
        Cell::resident(&stage.gateway)?,
    ])
}

/// What the first session of a gateway makes once is not counted.
async fn open_and_close(stage: &Stage, consumer: &str) -> Result<()> {
    let client = SubscriberServiceClient::new(stage.channel().await?);
    let mut session = Session::open(client, consumer, 256).await?;
    expect_opened(&mut session).await
}

async fn expect_opened(session: &mut Session) -> Result<()> {
    match timeout(PATIENCE, session.next()).await?? {
        Some(Event::Opened(_)) => Ok(()),
        other => Err(format!("the session did not open: {other:?}").into()),
    }
}

/// Keeps a session open, settles what it gets, and tells how much that is.
async fn hold(mut session: Session, delivered: mpsc::Sender<()>) -> Result<()> {
    while let Some(event) = session.next().await? {
        let Event::Messages(batch) = event else {
            continue;
        };
        session
            .settle(SettleFrame {
                acknowledgements: acknowledgements(&batch.messages, Manner::Ranges),
                ..SettleFrame::default()
            })
            .await?;
        for _ in &batch.messages {
            delivered.send(()).await?;
        }
    }
    Ok(())
}
