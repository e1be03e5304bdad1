//! Every setting comes back as it was sent: generated configurations, through the gateway into a real
//! server and back. Mistakes name their field.

mod consumers;
mod mistakes;
mod streams;

use std::collections::HashMap;
use std::env;
use std::fmt::Debug;

use fastrand::Rng;
use prost_types::{Duration, Timestamp};

/// How many configurations each property tries.
const CASES: u64 = 60;

/// Generators of the cases, each with the number that makes it again.
fn cases() -> impl Iterator<Item = (u64, Rng)> {
    // Other cases by other numbers: JETGATE_TEST_SEED=1000.
    let first = env::var("JETGATE_TEST_SEED").ok();
    let first: u64 = first.map_or(0, |text| text.parse().unwrap());
    (first..first + CASES).map(|seed| (seed, Rng::with_seed(seed)))
}

/// What is not as it should be, over all cases: one look at all of it says more than the first.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn equal<T: PartialEq + Debug>(&mut self, what: &str, seed: u64, found: &T, expected: &T) {
        if found != expected {
            let text = format!("case {seed}, {what}:\n found    {found:?}\n expected {expected:?}");
            self.0.push(text);
        }
    }

    fn assert_none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

/// A value half of the time.
fn maybe<T>(rng: &mut Rng, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    rng.bool().then(|| make(rng))
}

/// A limit: unset, none, or a number from `least` on.
fn limit<N: From<i32>>(rng: &mut Rng, least: i32) -> Option<N> {
    match rng.u8(..4) {
        0 => None,
        1 => Some(N::from(-1)),
        _ => Some(N::from(rng.i32(least..least + 1_000))),
    }
}

/// A time from `least` milliseconds on, with nanoseconds now and then.
fn time(rng: &mut Rng, least: i64) -> Duration {
    let (millis, nanos) = (least + rng.i64(0..100_000), rng.i64(0..1_000_000));
    let nanos = if rng.bool() { nanos } else { 0 };
    let nanos = millis * 1_000_000 + nanos;
    Duration {
        seconds: nanos / 1_000_000_000,
        nanos: (nanos % 1_000_000_000) as i32,
    }
}

fn past(rng: &mut Rng) -> Timestamp {
    Timestamp {
        seconds: rng.i64(1..1_700_000_000),
        nanos: rng.i32(0..1_000_000_000),
    }
}

fn text(rng: &mut Rng) -> String {
    let count = rng.usize(..20);
    (0..count).map(|_| rng.char('!'..='ü')).collect()
}

fn labels(rng: &mut Rng) -> HashMap<String, String> {
    (0..rng.usize(..3))
        .map(|number| (format!("k{number}"), text(rng)))
        .collect()
}

/// A number of an enum: 0 is unset, `last` the last.
fn choice(rng: &mut Rng, last: i32) -> i32 {
    rng.i32(0..=last)
}

/// What an unset enum means.
fn unless_set(number: i32, default: i32) -> i32 {
    if number == 0 { default } else { number }
}
