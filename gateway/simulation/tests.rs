//! What simulations show: no seed breaks a guarantee, each is repeated exactly, and the checker finds what
//! would break one.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jetgate_faults::callers::{Consumer, Manner, Publisher};
use jetgate_faults::checker::{Rule, judge};
use jetgate_faults::history::{self, Entry, Event};

use super::jetstream::{Features, Spoil};
use super::plan::Plan;
use super::script::Blow;
use super::stage;

/// Names other seeds than those of every test run: one, or `first..last`.
const SEEDS: &str = "JETGATE_SIMULATE";

/// The seeds of every test run, and of those that are run twice.
const USUAL: RangeInclusive<u64> = 1..=160;
const REPEATED: RangeInclusive<u64> = 1..=12;

/// Among how many seeds one has to show a fault of JetStream.
const SPOILED: RangeInclusive<u64> = 1..=100;

/// By how much a call may outlive its deadline where nothing but the gateway takes time.
const EXCESS: Duration = Duration::from_millis(100);

/// A stream that takes no batches.
const NO_BATCHES: Features = Features {
    fast_ingest: false,
    atomic_batches: false,
    most_batches: 0,
};

/// What is broken, in a few words each.
fn broken(entries: &[Entry]) -> Vec<String> {
    let verdict = judge(entries);
    let mut broken: Vec<String> = verdict.violations.iter().map(ToString::to_string).collect();
    if verdict.figures.excess > EXCESS {
        broken.push(format!("DeadlineMissed: by {:?}", verdict.figures.excess));
    }
    // The gateway has no reason to be surprised by anything.
    let surprised = entries.iter().find(
        |entry| matches!(&entry.event, Event::Refused { reason, .. } if reason == "INTERNAL"),
    );
    broken.extend(surprised.map(|entry| format!("Internal: {entry:?}")));
    broken
}

/// Tells of a seed that broke something, and keeps its history.
fn report(seed: u64, plan: &Plan, entries: &[Entry], broken: &[String]) -> String {
    let path = std::env::temp_dir().join(format!("jetgate-simulation-{seed}.jsonl"));
    let kept = history::write(&path, entries).map(|()| path);
    let mut report = format!("seed {seed}: {plan:?}\n");
    for violation in broken.iter().take(10) {
        let _ = writeln!(report, "  VIOLATION {violation}");
    }
    let _ = writeln!(report, "  the history: {kept:?}");
    let _ = writeln!(report, "  again: make simulate ARGS={seed}");
    report
}

fn seeds() -> RangeInclusive<u64> {
    let Ok(wanted) = std::env::var(SEEDS) else {
        return USUAL;
    };
    let (first, last) = wanted.split_once("..").unwrap_or((&wanted, &wanted));
    let number = |text: &str| text.trim_start_matches('=').trim().parse().unwrap();
    number(first)..=number(last)
}

#[test]
fn no_seed_breaks_a_guarantee() {
    let (seeds, began) = (seeds(), Instant::now());
    let next = AtomicU64::new(*seeds.start());
    let work = || {
        let mut reports = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) {
                return reports;
            }
            let plan = Plan::of(seed);
            let entries = stage::run(seed, &plan, None);
            let broken = broken(&entries);
            if seeds.start() == seeds.end() {
                println!("{plan:?}\n{:?}", judge(&entries).figures);
            }
            if !broken.is_empty() {
                reports.push(report(seed, &plan, &entries, &broken));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let reports: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let reports = workers.into_iter().flat_map(|it| it.join().unwrap());
        reports.collect()
    });
    let count = seeds.end() - seeds.start() + 1;
    println!("{count} seeds in {:?}", began.elapsed());
    assert!(reports.is_empty(), "{}", reports.concat());
}

#[test]
fn a_seed_makes_the_same_history_each_time() {
    for seed in REPEATED {
        let plan = Plan::of(seed);
        let run = || stage::run(seed, &plan, None);
        let (first, second) = (run(), run());
        let differs = first.iter().zip(&second).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}: {plan:?}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

/// Its pull was closed for up to two seconds when its time was up already.
#[test]
fn a_fetch_answers_in_time_where_the_network_is_slow() {
    let (soon, long) = (Duration::from_millis(100), Duration::from_secs(8));
    let silence = (Duration::from_secs(1), Duration::from_millis(2_300));
    let plan = Plan {
        gateways: 1,
        features: NO_BATCHES,
        publishers: vec![Publisher::Unary { ids: true }],
        consumers: vec![Consumer::Fetch, Consumer::Fetch],
        is_restless: false,
        max_deliver: None,
        script: vec![
            (soon, Blow::NetworkIsSlow, long),
            (silence.0, Blow::ApiFallsSilent, silence.1),
            (silence.0 * 5, Blow::ApiFallsSilent, silence.1),
        ],
    };
    for seed in REPEATED {
        let entries = stage::run(seed, &plan, None);
        assert_eq!(broken(&entries), Vec::<String>::new(), "seed {seed}");
    }
}

/// Who remembered a consumer's own connection kept it open for as long as the gateway ran.
#[test]
fn a_connection_of_its_own_ends_with_its_last_session() {
    let ms = Duration::from_millis;
    let breaks = (1..=6).map(|turn| (ms(500 * turn), Blow::LinksBreak, ms(50)));
    let full = (ms(50), Blow::StreamIsFull, ms(5_000));
    let plan = Plan {
        gateways: 1,
        features: NO_BATCHES,
        publishers: vec![Publisher::Unary { ids: true }],
        consumers: vec![Consumer::Ordered],
        is_restless: false,
        max_deliver: None,
        script: std::iter::once(full).chain(breaks).collect(),
    };
    for seed in REPEATED {
        let entries = stage::run(seed, &plan, None);
        assert_eq!(broken(&entries), Vec::<String>::new(), "seed {seed}");
    }
}

/// A plan with batches of all kinds, on a network that loses messages.
fn batches(seed: u64) -> Plan {
    let (soon, long) = (Duration::from_millis(500), Duration::from_secs(3));
    Plan {
        features: Features {
            fast_ingest: true,
            atomic_batches: true,
            most_batches: 50,
        },
        publishers: vec![
            Publisher::Stream(Manner::Cumulative),
            Publisher::Batches { atomic: true },
            Publisher::Expecting,
        ],
        script: vec![(soon, Blow::RoutesLoseMessages, long)],
        ..Plan::of(seed)
    }
}

#[test]
fn what_breaks_a_guarantee_is_found() {
    is_found(
        Plan::of,
        &[
            (
                Spoil::AnswersWithoutStoring,
                &[Rule::LostPrefix, Rule::LostMiddle, Rule::LostTail][..],
            ),
            (Spoil::StoresWhatItRefuses, &[Rule::StoredThoughRefused]),
            (Spoil::ForgetsIds, &[Rule::StoredTwice]),
            (Spoil::MisnamesSequences, &[Rule::WrongSequence]),
            (Spoil::StoresLate, &[Rule::StrictOrder]),
            (Spoil::Corrupts, &[Rule::Corrupted]),
            (Spoil::SkipsDeliveries, &[Rule::NeverDelivered]),
            (Spoil::SkipsDeliveries, &[Rule::ReadHole]),
            (Spoil::ForgetsAcknowledgements, &[Rule::CameBack]),
            (Spoil::MiscountsAttempts, &[Rule::WrongAttempt]),
            (Spoil::DeliversTooOften, &[Rule::DeliveredTooOften]),
            (Spoil::ShufflesDeliveries, &[Rule::DeliveryOrder]),
        ],
    );
}

#[test]
fn what_breaks_a_batch_is_found() {
    let lost = [Rule::LostPrefix, Rule::LostMiddle, Rule::LostTail];
    is_found(
        batches,
        &[
            (Spoil::CountsWithoutStoring, &lost),
            (Spoil::OverlooksGaps, &lost),
            (Spoil::TearsBatches, &[Rule::TornBatch]),
            (Spoil::IgnoresExpectations, &[Rule::StoredTwice]),
        ],
    );
}

/// Each of these is found by one of its rules, in one of the seeds.
fn is_found(plan: fn(u64) -> Plan, spoils: &[(Spoil, &[Rule])]) {
    for (spoil, rules) in spoils {
        let found = SPOILED.into_iter().any(|seed| {
            let violations = judge(&stage::run(seed, &plan(seed), Some(*spoil))).violations;
            let found: BTreeSet<Rule> = violations.iter().map(|it| it.rule).collect();
            rules.iter().any(|rule| found.contains(rule))
        });
        assert!(found, "{spoil:?} is not found as {rules:?}");
    }
}
