//! Control runs: what JetStream itself does not keep is lost, and the checker sees it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use crate::Result;
use crate::callers::Publisher;
use crate::history::{Event, Victim, micros};
use crate::jetstream::NewStream;
use crate::options::Options;
use crate::recorder::Recorder;
use crate::run::{Outcome, conclude, join};
use crate::stage::Stage;
use crate::waiting::until;

/// How many messages are stored before something happens.
const STORED: u64 = 200;

/// How long the stream remembers ids: longer than the run.
const WINDOW: Duration = Duration::from_secs(600);

const STORING: Duration = Duration::from_secs(60);

/// How long the server is away, and how long callers go on afterwards.
const AWAY: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(3);

/// What is lost, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// One replica in memory, and its server is killed.
    Memory,
    /// One replica on a disk, and the power of its server is cut.
    PowerCut,
}

impl Control {
    pub(crate) const ALL: [Self; 2] = [Self::Memory, Self::PowerCut];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "control-memory",
            Self::PowerCut => "control-power-cut",
        }
    }

    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Memory => {
                "a stream in the memory of one server, which is killed: a loss is expected"
            }
            Self::PowerCut => {
                "a stream on the disk of one server, which loses what it has not synced (simulated: half of its \
                 last block): a loss is expected"
            }
        }
    }
}

/// Publishes, lets JetStream lose, and judges as any other run.
pub(crate) async fn run(
    options: &Options,
    stage: &mut Stage,
    control: Control,
    stream: String,
    seed: u64,
) -> Result<Outcome> {
    stage.until_well().await?;
    let recorder = Recorder::begin();
    let storage = match control {
        Control::Memory => "memory",
        Control::PowerCut => "file",
    };
    let new = NewStream {
        name: &stream,
        storage,
        replicas: 1,
        window: WINDOW,
        first: 1,
    };
    stage.jetstream.create_stream(&new).await?;
    recorder.record(Event::Stream {
        stream: stream.clone(),
        duplicate_window: micros(WINDOW),
    });
    let scene = stage.scene(stream.clone(), recorder.clone());
    let scene = Arc::new(scene);
    let publishers = scene.start_publishers(seed, &Publisher::ALL);
    let stored = async || (scene.stored.load(Ordering::Relaxed) >= STORED).then_some(());
    until("messages to lose", STORING, stored).await?;

    recorder.record(Event::Storm {
        victim: Victim::JetStream,
    });
    let server = stage.jetstream.leader(&stream).await?;
    let node = &mut stage.cluster.nodes[server];
    node.program.kill().await?;
    if control == Control::PowerCut {
        halve(&last_block(&node.store, &stream)?)?;
    }
    sleep(AWAY).await;
    node.program.start()?;
    stage.until_well().await?;
    recorder.record(Event::Calm {
        victim: Victim::JetStream,
    });
    sleep(AFTER).await;
    recorder.record(Event::Drained);
    scene.enough.cancel();
    join(publishers).await?;

    recorder.record(Event::Server { server: 0 });
    for (sequence, content) in stage.jetstream.messages(&stream).await? {
        recorder.record(Event::Stored {
            server: 0,
            sequence,
            content,
        });
    }
    stage.jetstream.delete_stream(&stream).await?;
    conclude(options, control.name(), seed, &recorder)
}

/// The file with the last messages of a stream.
fn last_block(store: &Path, stream: &str) -> Result<PathBuf> {
    let folder = store.join("jetstream/$G/streams").join(stream).join("msgs");
    let files = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path()));
    let files = files.collect::<std::io::Result<Vec<PathBuf>>>()?;
    let blocks = files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|it| it == "blk"));
    let last = blocks.max_by_key(|block| block.metadata().map(|it| it.len()).unwrap_or_default());
    Ok(last.ok_or_else(|| format!("no block in {}", folder.display()))?)
}

/// A disk that loses its power has what was synced and no more: JetStream syncs every two minutes.
fn halve(block: &Path) -> Result<()> {
    let file = File::options().write(true).open(block)?;
    Ok(file.set_len(file.metadata()?.len() / 2)?)
}
