//! One run: callers at work, a fault in the middle, the end of all of it, and the judgement.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::callers::{ACK_WAIT, Consumer, Publisher, Scene};
use crate::checker::{Verdict, judge};
use crate::faults::{Fault, Injection};
use crate::history::{self, Event};
use crate::jetstream::{JetStream, NewStream};
use crate::options::Options;
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::usage;
use crate::waiting::until;

/// How long callers work before the fault, and at least after it.
const BEFORE: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_secs(3);

/// How long callers may take to begin, to be served again, to end, and to consume all there is.
const BEGINNING: Duration = Duration::from_secs(60);
const RECOVERING: Duration = Duration::from_secs(31);
const ENDING: Duration = Duration::from_secs(120);
const DRAINING: Duration = Duration::from_secs(60);

/// The roles of consumers; each begins with a consumer of its name.
pub(crate) const ROLES: [&str; 3] = ["consume", "subscribe", "fetch"];

/// What became of a run.
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// Where its history is.
    pub(crate) history: Option<PathBuf>,
}

/// Runs one fault on a stream of its own.
pub(crate) async fn run(
    options: &Options,
    stage: &mut Stage,
    fault: Fault,
    stream: String,
    seed: u64,
) -> Result<Outcome> {
    let recorder = Recorder::begin();
    let performed = perform(stage, fault, &stream, seed, &recorder).await;
    let outcome = conclude(options, &fault.name(), seed, &recorder)?;
    performed.map_err(|error| match &outcome.history {
        Some(history) => format!(
            "{error}; what there is of the history: {}",
            history.display()
        )
        .into(),
        None => error,
    })?;
    Ok(outcome)
}

async fn perform(
    stage: &mut Stage,
    fault: Fault,
    stream: &str,
    seed: u64,
    recorder: &Recorder,
) -> Result<()> {
    stage.until_well().await?;
    declare(stage, recorder, stream, fault).await?;
    let before = usage::of_idle(stage).await?;
    let scene = stage.scene(stream.to_owned(), recorder.clone());
    scene
        .consumers
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(ROLES.map(|role| (role.to_owned(), role.to_owned())));
    let scene = Arc::new(scene);
    let mut publishers = scene.start_publishers(seed, &Publisher::ALL);
    let mut consumers = scene.start_consumers(seed, &Consumer::ALL);
    if fault.has_guests() {
        scene.start_guests(seed, &mut publishers, &mut consumers);
    }

    work(&scene).await?;
    let mut injection = Injection {
        stage,
        scene: &scene,
        rng: Rng::with_seed(seed ^ 1),
    };
    injection.inject(fault).await?;
    recover(recorder).await;

    recorder.record(Event::Drained);
    scene.enough.cancel();
    join(publishers).await?;
    drain(stage, &scene).await?;
    scene.over.cancel();
    join(consumers).await?;
    usage::release(stage, stream, &before, recorder).await?;
    read_all(stage, stream, recorder).await?;
    stage.jetstream.delete_stream(stream).await
}

/// Makes the stream and its consumers.
async fn declare(stage: &Stage, recorder: &Recorder, stream: &str, fault: Fault) -> Result<()> {
    let new = NewStream {
        name: stream,
        storage: "file",
        replicas: fault.replicas(),
        window: fault.window(),
        first: 1,
    };
    stage.jetstream.create_stream(&new).await?;
    recorder.record(Event::Stream {
        stream: stream.to_owned(),
        duplicate_window: history::micros(fault.window()),
    });
    for role in ROLES {
        stage
            .jetstream
            .create_consumer(stream, role, ACK_WAIT)
            .await?;
        recorder.record(Event::Consumer {
            consumer: role.to_owned(),
        });
    }
    recorder.record(Event::Reader {
        reader: "ordered".to_owned(),
    });
    Ok(())
}

/// Lets the callers come to their rate, and stay there for a while.
async fn work(scene: &Scene) -> Result<()> {
    let counts = || {
        let ordering = std::sync::atomic::Ordering::Relaxed;
        (scene.stored.load(ordering), scene.delivered.load(ordering))
    };
    let began = async || (counts() >= (100, 300)).then_some(());
    until("callers at work", BEGINNING, began).await?;
    scene.recorder.record(Event::Loaded);
    sleep(BEFORE).await;
    Ok(())
}

/// Goes on until callers are served as before the fault, but not for ever.
async fn recover(recorder: &Recorder) {
    let began = Instant::now();
    sleep(AFTER).await;
    while began.elapsed() < RECOVERING {
        if judge(&recorder.entries()).figures.recovery.is_some() {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

pub(crate) async fn join(mut callers: JoinSet<()>) -> Result<()> {
    let joined = timeout(ENDING, async {
        while let Some(ended) = callers.join_next().await {
            ended?;
        }
        Ok::<(), tokio::task::JoinError>(())
    });
    Ok(joined.await.map_err(|_| "callers do not end")??)
}

/// Waits until consumers have had and acknowledged all there is. Where they have not in time, the checker
/// will see that.
async fn drain(stage: &Stage, scene: &Scene) -> Result<()> {
    let last = stage.jetstream.last_sequence(&scene.stream).await?;
    let is_drained = async || {
        let read = scene
            .read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let consumers = scene
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for consumer in consumers.values() {
            let info = stage
                .jetstream
                .consumer(&scene.stream, consumer)
                .await
                .ok()?;
            let has_none = |key: &str| info[key].as_u64() == Some(0);
            if !(has_none("num_pending") && has_none("num_ack_pending")) {
                return None;
            }
        }
        read.get("ordered").filter(|read| **read >= last).map(drop)
    };
    if let Err(error) = until("consumers that have all", DRAINING, is_drained).await {
        eprintln!("{error}: {}", standing(stage, scene, last).await?);
    }
    Ok(())
}

/// How far consumers are.
async fn standing(stage: &Stage, scene: &Scene, last: u64) -> Result<String> {
    let read = scene
        .read
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let consumers = scene
        .consumers
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let mut standing = format!("the last is {last}, read {read:?}");
    for consumer in consumers.values() {
        let info = stage.jetstream.consumer(&scene.stream, consumer).await?;
        standing += &format!(
            ", {consumer}: pending {}, unacknowledged {}, waiting pulls {}",
            info["num_pending"], info["num_ack_pending"], info["num_waiting"]
        );
    }
    Ok(standing)
}

/// Takes down what each server holds.
async fn read_all(stage: &Stage, stream: &str, recorder: &Recorder) -> Result<()> {
    stage.cluster.until_whole().await?;
    for (server, address) in (0..).zip(stage.cluster.addresses()) {
        let messages = JetStream::connect(&[address])
            .await?
            .messages(stream)
            .await?;
        recorder.record(Event::Server { server });
        for (sequence, content) in messages {
            recorder.record(Event::Stored {
                server,
                sequence,
                content,
            });
        }
    }
    Ok(())
}

/// Judges, and keeps the history where that is wanted or needed.
pub(crate) fn conclude(
    options: &Options,
    name: &str,
    seed: u64,
    recorder: &Recorder,
) -> Result<Outcome> {
    let entries = recorder.entries();
    let verdict = judge(&entries);
    let folder = match &options.histories {
        Some(folder) => Some(folder.clone()),
        None => (!verdict.violations.is_empty()).then(std::env::temp_dir),
    };
    let history = folder.map(|folder| {
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("jetgate-faults-{name}-{seed}.jsonl"));
        history::write(&path, &entries)?;
        Ok::<PathBuf, crate::Error>(path)
    });
    Ok(Outcome {
        verdict,
        history: history.transpose()?,
    })
}
