use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::answers::Style;
use super::*;

const WINDOW: Amount = Amount {
    messages: 4,
    bytes: 100,
};

const INDEPENDENT: Rules = Rules {
    one_at_a_time: false,
    halts_on_failure: false,
    halts_on_doubt: false,
};

const STRICT: Rules = Rules {
    one_at_a_time: true,
    halts_on_failure: true,
    halts_on_doubt: true,
};

const STRICT_IN_BATCHES: Rules = Rules {
    one_at_a_time: false,
    ..STRICT
};

fn ledger(rules: Rules) -> Ledger {
    let style = Style::PerMessage(Some("S".to_owned()));
    Ledger::new(WINDOW, rules, Answers::new(style))
}

fn ack(seq: u64) -> Result<PubAck> {
    Ok(PubAck {
        stream: "S".to_owned(),
        seq,
        duplicate: false,
        domain: String::new(),
        val: None,
    })
}

fn failure(reason: Reason) -> Result<PubAck> {
    Err(Error::new(reason, "no"))
}

#[test]
fn numbers_only_rise() {
    let mut ledger = ledger(INDEPENDENT);
    ledger.arrived(5, 3).unwrap();
    for (first, count) in [(7, 1), (5, 1), (0, 1), (u64::MAX, 2)] {
        assert!(ledger.arrived(first, count).is_err(), "{first}");
    }
    ledger.arrived(8, 1).unwrap();
    ledger.arrived(u64::MAX, 1).unwrap();
}

#[test]
fn a_run_of_stored_messages_is_one_range() {
    let mut ledger = ledger(INDEPENDENT);
    ledger.arrived(1, 4).unwrap();
    for number in 1..=4 {
        assert_eq!(ledger.take(number, 1), Verdict::Send);
    }
    for (number, sequence) in [(1, 11), (2, 12), (4, 20), (3, 13)] {
        ledger.settle(number, ack(sequence));
    }

    let acks = ledger.next_acks().unwrap();
    let ranges = acks.stored.iter();
    let ranges: Vec<_> = ranges
        .map(|it| (it.first_number, it.last_number, it.first_sequence))
        .collect();
    assert_eq!(ranges, [(1, 2, 11), (4, 4, 20), (3, 3, 13)]);
    assert_eq!(acks.settled_through, 4);
    assert!(acks.stored.iter().all(|range| range.stream.is_empty()));
    assert!(ledger.next_acks().is_none());
}

#[test]
fn what_is_answered_and_not_sent_takes_room() {
    let mut ledger = ledger(INDEPENDENT);
    ledger.arrived(1, 4).unwrap();
    for number in 1..=4 {
        ledger.take(number, 1);
        ledger.settle(number, ack(number));
    }
    assert!(!ledger.has_room(1));

    ledger.next_acks().unwrap();

    assert!(ledger.has_room(1));
}

#[test]
fn a_message_larger_than_the_window_goes_alone() {
    let mut ledger = ledger(INDEPENDENT);
    ledger.arrived(1, 2).unwrap();
    assert!(ledger.has_room(1_000));
    ledger.take(1, 1_000);
    assert!(!ledger.has_room(1));
    ledger.settle(1, ack(1));
    assert!(ledger.has_room(1));
}

#[test]
fn a_failure_halts_until_the_caller_resumes() {
    let mut ledger = ledger(STRICT);
    ledger.arrived(1, 3).unwrap();
    ledger.take(1, 1);
    assert!(!ledger.has_room(1), "one at a time");
    ledger.settle(1, failure(Reason::StreamFull));
    assert!(ledger.is_halted());
    assert_eq!(ledger.take(2, 1), Verdict::Aborted);
    assert_eq!(ledger.take(3, 1), Verdict::Aborted);

    let acks = ledger.next_acks().unwrap();
    let failed: Vec<_> = acks
        .failed
        .iter()
        .map(|it| (it.first_number, it.last_number))
        .collect();
    assert_eq!(failed, [(1, 1), (2, 3)]);
    let aborted = acks.failed[1].status.as_ref().unwrap();
    assert_eq!(aborted.reason, Reason::PrecedingFailed as i32);
    assert_eq!(aborted.metadata["failed_item"], "1");

    assert!(ledger.resume(4).is_err(), "numbers that have not come");
    assert!(ledger.resume(0).is_err());
    ledger.resume(1).unwrap();
    ledger.arrived(4, 1).unwrap();
    assert_eq!(ledger.take(4, 1), Verdict::Send);
}

#[test]
fn only_later_failures_halt_again() {
    let rules = Rules {
        halts_on_failure: true,
        ..INDEPENDENT
    };
    let mut ledger = ledger(rules);
    ledger.arrived(1, 3).unwrap();
    for number in 1..=3 {
        ledger.take(number, 1);
    }
    ledger.settle(2, failure(Reason::StreamFull));
    ledger.resume(2).unwrap();

    ledger.settle(1, failure(Reason::StreamFull));
    assert!(!ledger.is_halted());
    ledger.settle(3, failure(Reason::StreamFull));
    assert!(ledger.is_halted());
}

#[test]
fn doubt_halts_a_strict_stream_that_goes_on_after_failures() {
    let rules = Rules {
        halts_on_failure: false,
        ..STRICT
    };
    let mut ledger = ledger(rules);
    ledger.arrived(1, 2).unwrap();
    ledger.take(1, 1);
    ledger.settle(1, failure(Reason::StreamFull));
    assert!(!ledger.is_halted());
    ledger.take(2, 1);
    ledger.settle(2, failure(Reason::PublishOutcomeUnknown));
    assert!(ledger.is_halted());
}

#[test]
fn what_failed_is_said_before_it_is_settled() {
    let style = Style::Cumulative(None);
    let window = Amount {
        messages: 5_000,
        bytes: 100,
    };
    let mut ledger = Ledger::new(window, INDEPENDENT, Answers::new(style));
    ledger.arrived(1, 2_500).unwrap();
    for number in 1..=2_500 {
        ledger.take(number, 0);
        ledger.settle(number, failure(Reason::StreamFull));
    }
    let mut said = 0;
    while let Some(acks) = ledger.next_acks() {
        said += acks.failed.len() as u64;
        assert_eq!(acks.settled_through, said);
    }
    assert_eq!(said, 2_500);
}

#[test]
fn what_is_settled_as_a_whole_is_answered_with_its_failures() {
    let style = Style::Cumulative(Some("S".to_owned()));
    let mut ledger = Ledger::new(WINDOW, STRICT_IN_BATCHES, Answers::new(style));
    ledger.arrived(1, 4).unwrap();
    (1..=4).for_each(|number| assert_eq!(ledger.take(number, 10), Verdict::Send));

    ledger.settle_through(Progress {
        through: 4,
        failed: vec![(2, Error::new(Reason::StreamFull, "full"))],
        withheld: vec![3, 4],
        stored: 1,
        last_sequence: 7,
        ..Progress::default()
    });

    let acks = ledger.next_acks().unwrap();
    assert_eq!((acks.settled_through, acks.last_sequence), (4, 7));
    let failed: Vec<_> = acks
        .failed
        .iter()
        .map(|it| (it.first_number, it.last_number))
        .collect();
    assert_eq!(failed, [(2, 2), (3, 4)]);
    let withheld = acks.failed[1].status.as_ref().unwrap();
    assert_eq!(withheld.metadata["failed_item"], "2");
    assert_eq!(ledger.in_flight(), Amount::default());
    assert!(ledger.is_halted());
}

#[derive(Clone, Debug)]
enum Step {
    Arrive {
        skip: u64,
        count: usize,
    },
    Take {
        bytes: u64,
    },
    Settle {
        which: prop::sample::Index,
        outcome: u8,
    },
    Resume {
        which: prop::sample::Index,
    },
    Send,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (1..4u64, 1..6usize).prop_map(|(skip, count)| Step::Arrive { skip, count }),
        3 => (0..60u64).prop_map(|bytes| Step::Take { bytes }),
        3 => (any::<prop::sample::Index>(), 0..6u8)
            .prop_map(|(which, outcome)| Step::Settle { which, outcome }),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::Resume { which }),
        2 => Just(Step::Send),
    ];
    prop::collection::vec(step, 0..200)
}

/// What a caller that watches every frame knows.
#[derive(Default)]
struct Caller {
    stored: BTreeSet<u64>,
    failed: BTreeSet<u64>,
    through: u64,
}

impl Caller {
    fn hear(&mut self, acks: &PublishAcks) -> Result<(), TestCaseError> {
        for range in &acks.stored {
            for number in range.first_number..=range.last_number {
                prop_assert!(self.stored.insert(number), "{number} answered twice");
            }
        }
        for range in &acks.failed {
            for number in range.first_number..=range.last_number {
                prop_assert!(self.failed.insert(number), "{number} answered twice");
            }
        }
        prop_assert!(self.stored.is_disjoint(&self.failed));
        prop_assert!(acks.settled_through >= self.through);
        self.through = acks.settled_through;
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_number_is_answered_once_and_the_window_holds(
        steps in steps(),
        one_at_a_time: bool,
        halts_on_failure: bool,
    ) {
        let rules = Rules { one_at_a_time, halts_on_failure, halts_on_doubt: one_at_a_time };
        let mut ledger = ledger(rules);
        let mut caller = Caller::default();
        // The model: what came, what is on its way, what became of it.
        let (mut last, mut backlog) = (0, std::collections::VecDeque::new());
        let mut open: BTreeMap<u64, u64> = BTreeMap::new();
        let mut answered = BTreeMap::new();

        for step in steps {
            match step {
                Step::Arrive { skip, count } => {
                    ledger.arrived(last + skip, count).unwrap();
                    backlog.extend((last + skip)..(last + skip + count as u64));
                    last = last + skip + count as u64 - 1;
                }
                Step::Take { bytes } => {
                    if backlog.is_empty() || !ledger.has_room(bytes) {
                        continue;
                    }
                    let number = backlog.pop_front().unwrap();
                    match ledger.take(number, bytes) {
                        Verdict::Send => drop(open.insert(number, bytes)),
                        Verdict::Aborted => {
                            prop_assert!(ledger.is_halted());
                            answered.insert(number, false);
                        }
                    }
                }
                Step::Settle { which, outcome } => {
                    if open.is_empty() {
                        continue;
                    }
                    let number = *open.keys().nth(which.index(open.len())).unwrap();
                    open.remove(&number);
                    let (outcome, is_stored) = match outcome {
                        0 => (failure(Reason::StreamFull), false),
                        1 => (failure(Reason::PublishOutcomeUnknown), false),
                        _ => (ack(number), true),
                    };
                    ledger.settle(number, outcome);
                    // A second answer to the same number changes nothing.
                    ledger.settle(number, ack(number));
                    answered.insert(number, is_stored);
                }
                Step::Resume { which } => {
                    if last > 0 {
                        ledger.resume(which.index(last as usize) as u64 + 1).unwrap();
                    }
                }
                Step::Send => {
                    if let Some(acks) = ledger.next_acks() {
                        caller.hear(&acks)?;
                    }
                }
            }
            let on_its_way = ledger.in_flight();
            let bytes: u64 = open.values().sum();
            prop_assert_eq!((on_its_way.messages as usize, on_its_way.bytes), (open.len(), bytes));
            prop_assert!(open.len() <= WINDOW.messages as usize);
            prop_assert!(bytes <= WINDOW.bytes || open.len() == 1);
            prop_assert!(!one_at_a_time || open.len() <= 1);
            let unsaid = answered.len() - caller.stored.len() - caller.failed.len();
            prop_assert!(open.len() + unsaid <= WINDOW.messages as usize);
        }
        while let Some(acks) = ledger.next_acks() {
            caller.hear(&acks)?;
        }
        let (stored, failed): (Vec<_>, Vec<_>) = answered.iter().partition(|(_, stored)| **stored);
        prop_assert_eq!(caller.stored, stored.into_iter().map(|(number, _)| *number).collect());
        prop_assert_eq!(caller.failed, failed.into_iter().map(|(number, _)| *number).collect());
        if let Some(first) = open.keys().next() {
            prop_assert!(caller.through < *first);
        }
    }
}
