//! What gateways use, which must be free again behind a run: sessions, connections, files, tasks, memory,
//! consumers.

use std::time::Duration;

use crate::Result;
use crate::fleet::Gateway;
use crate::history::Event;
use crate::recorder::Recorder;
use crate::run::ROLES;
use crate::stage::Stage;
use crate::waiting::until;

/// How long what callers used may take to be free again.
const FREEING: Duration = Duration::from_secs(60);

/// By how many open files and tasks, and by how much memory, a gateway may have grown, in one run or in all since
/// its process was started; and how many tasks a connection has.
const FILES: u64 = 8;
const TASKS: u64 = 8;
const MEMORY: u64 = 64 << 20;
const TASKS_OF_CONNECTION: u64 = 4;

/// What is none without callers.
const NONE: [&str; 5] = [
    "jetgate_sessions",
    "jetgate_outstanding_messages",
    "jetgate_publish_streams",
    "jetgate_publish_in_flight_messages",
    "jetgate_buffered_bytes",
];

/// What a gateway uses at a time.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    connections: u64,
    files: u64,
    tasks: u64,
    memory: u64,
    none: [u64; NONE.len()],
}

/// What a gateway used without callers.
pub(crate) struct Baseline {
    /// Before the first run of a process, which is the one with this number.
    first: (u32, Usage),
    /// Before this run.
    before: Usage,
}

/// What each gateway uses without callers.
pub(crate) async fn of_idle(stage: &mut Stage) -> Result<Vec<Baseline>> {
    let kept = stage.setup.kept_connections();
    let mut all = Vec::new();
    for gateway in &mut stage.gateways {
        let is_idle = async || {
            let usage = Usage::of(gateway).await.ok()?;
            (usage.connections <= kept && usage.has_none()).then_some(usage)
        };
        let before = until("a gateway without callers", FREEING, is_idle).await?;
        let process = gateway.program.id().ok_or("a gateway does not run")?;
        let first = match gateway.first_usage {
            Some(first) if first.0 == process => first,
            _ => *gateway.first_usage.insert((process, before)),
        };
        all.push(Baseline { first, before });
    }
    Ok(all)
}

/// Waits until nothing of the callers is left, and takes down what is.
pub(crate) async fn release(
    stage: &Stage,
    stream: &str,
    baselines: &[Baseline],
    recorder: &Recorder,
) -> Result<()> {
    stage.until_well().await?;
    let kept = stage.setup.kept_connections();
    for (number, (gateway, baseline)) in stage.gateways.iter().zip(baselines).enumerate() {
        release_gateway(number, gateway, baseline, kept, recorder).await?;
    }
    let expected = ROLES.len() as u64;
    let consumers = async || {
        let info = stage.jetstream.stream(stream).await.ok()?;
        info["state"]["consumer_count"].as_u64()
    };
    let are_gone = async || consumers().await.filter(|count| *count <= expected);
    let _ = until("no other consumers", FREEING, are_gone).await;
    let left = consumers().await.ok_or("no consumer count")?;
    record(recorder, "consumers".to_owned(), expected, left, expected);
    Ok(())
}

/// A process that the fault has replaced has no first run to be compared with, yet.
async fn release_gateway(
    number: usize,
    gateway: &Gateway,
    baseline: &Baseline,
    kept: u64,
    recorder: &Recorder,
) -> Result<()> {
    let (process, first) = baseline.first;
    let is_same = gateway.program.id() == Some(process);
    let first = is_same.then_some((" since it was started", first));
    let baselines = [Some(("", baseline.before)), first];
    let baselines = baselines.into_iter().flatten();
    let baselines = baselines.map(|(since, before)| (since, before, before.grown(kept)));
    let baselines: Vec<(&str, Usage, Usage)> = baselines.collect();
    let mut after = Usage::of(gateway).await?;
    let is_free = async || {
        after = Usage::of(gateway).await.ok()?;
        let mut all = baselines.iter();
        all.all(|(_, _, most)| after.is_within(most)).then_some(())
    };
    // What is still used then is a leak.
    let _ = until("free resources", FREEING, is_free).await;
    for (name, left) in NONE.iter().zip(after.none) {
        record(recorder, format!("{name} of gateway {number}"), 0, left, 0);
    }
    for (since, before, most) in baselines {
        let rows = before.rows().into_iter().zip(after.rows()).zip(most.rows());
        for (((what, before), (_, after)), (_, most)) in rows {
            let what = format!("{what} of gateway {number}{since}");
            record(recorder, what, before, after, most);
        }
    }
    let panics = gateway.program.panics();
    let what = format!("panics of gateway {number}");
    record(recorder, what, 0, panics, 0);
    Ok(())
}

fn record(recorder: &Recorder, what: String, before: u64, after: u64, most: u64) {
    recorder.record(Event::Resource {
        what,
        before,
        after,
        most,
    });
}

impl Usage {
    async fn of(gateway: &Gateway) -> Result<Self> {
        let metrics = gateway.metrics().await?;
        let (files, memory) = gateway.program.descriptors_and_memory()?;
        let mut none = [0; NONE.len()];
        for (place, name) in NONE.iter().enumerate() {
            none[place] = metrics.sum(name)?;
        }
        Ok(Self {
            connections: metrics.sum("jetgate_connections")?,
            tasks: metrics.sum("jetgate_runtime_tasks")?,
            files,
            memory,
            none,
        })
    }

    fn rows(&self) -> [(&'static str, u64); 4] {
        [
            ("connections", self.connections),
            ("open files", self.files),
            ("tasks", self.tasks),
            ("memory", self.memory),
        ]
    }

    /// The most that may be used behind a run, with so many connections that are kept.
    fn grown(&self, kept: u64) -> Self {
        Self {
            connections: kept,
            files: self.files + FILES + kept,
            tasks: self.tasks + TASKS + TASKS_OF_CONNECTION * kept,
            memory: self.memory + MEMORY,
            none: [0; NONE.len()],
        }
    }

    fn has_none(&self) -> bool {
        self.none.iter().all(|count| *count == 0)
    }

    fn is_within(&self, most: &Self) -> bool {
        let mut rows = self.rows().into_iter().zip(most.rows());
        self.has_none() && rows.all(|((_, used), (_, most))| used <= most)
    }
}
