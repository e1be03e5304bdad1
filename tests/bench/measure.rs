//! Rounds, in which the sides of a comparison take turns, and what is told of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Result;
use crate::options::Options;

/// The part of a round's time that each side runs for before anything counts.
const WARM_UP: u32 = 4;

/// What one side did in one round.
#[derive(Default)]
pub(crate) struct Round {
    /// Messages or calls that were answered.
    pub(crate) count: u64,
    /// From the first that was sent to the last that was answered.
    pub(crate) elapsed: Duration,
    /// How long each took, where that is measured, in ascending order.
    pub(crate) latencies: Vec<Duration>,
    /// The processor time that the gateway used meanwhile.
    pub(crate) cpu: Duration,
}

/// How much a side does in a round.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    /// What it can in this time.
    Time(Duration),
    /// This many messages.
    Messages(u64),
}

impl Amount {
    /// Whether there is more to do, after `done` messages since `started`.
    pub(crate) fn goes_on(self, done: u64, started: Instant) -> bool {
        match self {
            Self::Time(time) => started.elapsed() < time,
            Self::Messages(messages) => done < messages,
        }
    }
}

impl Round {
    /// This many messages since `started`.
    pub(crate) fn of(count: u64, started: Instant) -> Self {
        Self {
            count,
            elapsed: started.elapsed(),
            ..Self::default()
        }
    }

    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this part of all stays within, in seconds.
    pub(crate) fn latency(&self, part: f64) -> f64 {
        let place = (self.latencies.len() as f64 * part) as usize;
        let last = self.latencies.len().saturating_sub(1);
        let latency = self.latencies.get(place.min(last));
        latency.map_or(f64::NAN, Duration::as_secs_f64)
    }
}

/// The middle of what the rounds gave, and how far they lie apart.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        let (half, last) = (values.len() / 2, values.len().saturating_sub(1));
        let median = match values.len() % 2 {
            0 => (at(half.saturating_sub(1)) + at(half)) / 2.0,
            _ => at(half),
        };
        Self {
            median,
            least: at(0),
            most: at(last),
        }
    }
}

/// Lets the sides take turns, a different one first each time, once shortly to warm up and then for
/// every round.
pub(crate) async fn alternate<S: Copy, const N: usize>(
    options: &Options,
    sides: [S; N],
    mut run: impl AsyncFnMut(S, Duration) -> Result<Round>,
) -> Result<Vec<[Round; N]>> {
    for side in sides {
        run(side, options.time / WARM_UP).await?;
    }
    let mut rounds = Vec::new();
    for first in 0..options.rounds as usize {
        let mut round: [Round; N] = std::array::from_fn(|_| Round::default());
        for turn in 0..N {
            let place = (first + turn) % N;
            round[place] = run(sides[place], options.time).await?;
        }
        rounds.push(round);
    }
    Ok(rounds)
}

/// Calls again and again from `callers` tasks until the time is over. Each call gets a number of its
/// own.
pub(crate) async fn repeat<F>(
    callers: usize,
    time: Duration,
    call: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Result<Round>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let numbers = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (call, numbers) = (call.clone(), numbers.clone());
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < time {
                let sent = Instant::now();
                call(numbers.fetch_add(1, Ordering::Relaxed)).await?;
                latencies.push(sent.elapsed());
            }
            Ok::<_, crate::Error>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies.append(&mut task??);
    }
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    Ok(Round {
        count: latencies.len() as u64,
        elapsed,
        latencies,
        cpu: Duration::ZERO,
    })
}
