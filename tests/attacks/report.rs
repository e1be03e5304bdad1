//! What each attack cost: a table, and whether that is too much.

use std::io::Write as _;
use std::time::Duration;

use super::bystander::Bystander;
use super::press::{attack, attack_nobody};
use super::{House, MOST_MEMORY, Target};

/// How many times as long as in the control run calls may take.
const MOST: f64 = 5.0;

/// How many times as long they should take at most.
const AIM: f64 = 2.0;

/// Below this the scheduler decides, not the gateway.
const FLOOR: Duration = Duration::from_millis(20);

/// A machine that does something else meanwhile gets as many chances.
const ATTEMPTS: usize = 3;

/// Where it is set, times are judged, too. They depend on what else the machine does, so that they judge no change.
const JUDGES_TIMES: &str = "JETGATE_TEST_JUDGE_TIMES";

fn judges_times() -> bool {
    std::env::var_os(JUDGES_TIMES).is_some()
}

/// The attacks, how long calls took beside them, and how much more memory the gateway had at most than before.
#[derive(Default)]
pub(super) struct Report(Vec<(&'static str, Times, usize)>);

/// What 99 of 100 calls did not exceed.
#[derive(Clone, Copy)]
struct Times {
    control: Duration,
    attacked: Duration,
}

impl Times {
    fn ratio(self) -> f64 {
        self.attacked.max(FLOOR).as_secs_f64() / self.control.max(FLOOR).as_secs_f64()
    }

    /// Those that the machine disturbed less.
    fn or(self, other: Self) -> Self {
        if other.ratio() < self.ratio() {
            other
        } else {
            self
        }
    }
}

/// Beside an attack on nobody, and beside the same on the gateway.
async fn compared(
    house: &House,
    other: &Bystander,
    attacker: impl AsyncFn(&Target) + Copy + Send + 'static,
) -> Times {
    other.begin();
    attack_nobody(attacker, house.target.clone()).await;
    let control = other.p99().await;
    other.begin();
    attack(attacker, house.target.clone()).await;
    let attacked = other.p99().await;
    Times { control, attacked }
}

impl Report {
    /// Makes an attack, beside a caller that means no harm.
    pub(super) async fn add(
        &mut self,
        name: &'static str,
        attacker: impl AsyncFn(&Target) + Copy + Send + 'static,
    ) {
        self.add_at(House::start().await, name, attacker).await;
    }

    /// The same at this gateway.
    pub(super) async fn add_at(
        &mut self,
        mut house: House,
        name: &'static str,
        attacker: impl AsyncFn(&Target) + Copy + Send + 'static,
    ) {
        let other = Bystander::start(&house);
        // The first calls make connections and learn.
        other.p99().await;
        let before = house.peak_memory();
        let mut times = compared(&house, &other, attacker).await;
        for _ in 1..ATTEMPTS {
            if judges_times() && times.ratio() > MOST {
                times = times.or(compared(&house, &other, attacker).await);
            }
        }
        assert!(house.process.is_running(), "{name}");
        assert!(!house.process.output().contains("panicked"), "{name}");
        let memory = house.peak_memory() - before;
        self.0.push((name, times, memory));
    }

    /// Shows all, and fails where something was too much.
    pub(super) fn judge(&self) {
        let mut text = format!(
            "{:<22} {:>12} {:>13} {:>6} {:>11}\n",
            "attack", "control p99", "attacked p99", "ratio", "memory"
        );
        for (attack, times, memory) in &self.0 {
            let [control, attacked] =
                [times.control, times.attacked].map(|time| time.as_secs_f64() * 1e3);
            let ratio = times.ratio();
            let memory = *memory as f64 / f64::from(1 << 20);
            let note = if ratio > AIM {
                " more than aimed at"
            } else {
                ""
            };
            text += &format!(
                "{attack:<22} {control:>9.1} ms {attacked:>10.1} ms {ratio:>6.1} {memory:>7.1} MiB{note}\n"
            );
        }
        text += &format!(
            "at most {} MiB are allowed, and {MOST} times\n",
            MOST_MEMORY >> 20
        );
        // Not by a macro: what a test prints is shown only when it fails.
        let _ = std::io::stderr().write_all(text.as_bytes());
        for (attack, times, memory) in &self.0 {
            assert!(*memory <= MOST_MEMORY, "{attack}: {memory} bytes");
            let is_soon = times.ratio() <= MOST;
            assert!(is_soon || !judges_times(), "{attack}: others wait too long");
        }
    }
}
