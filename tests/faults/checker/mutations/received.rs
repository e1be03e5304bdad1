//! Ways to spoil what was delivered and read, and when things happened.

#![allow(clippy::ptr_arg, reason = "all mutations have one type")]

use fastrand::Rng;

use super::super::Rule;
use super::{any_place, end, places};
use crate::history::{Entry, Event, Victim};

pub(super) fn drop_deliveries(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(event, Event::Delivered { .. })
    });
    let Event::Delivered {
        consumer, sequence, ..
    } = history[place].event.clone()
    else {
        panic!("it is one")
    };
    history.retain(|entry| {
        !matches!(&entry.event, Event::Delivered { consumer: whose, sequence: which, .. }
            if *whose == consumer && *which == sequence)
    });
    Rule::NeverDelivered
}

pub(super) fn allow_fewer(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(event, Event::Delivered { attempt: 2.., .. })
    });
    if let Event::Delivered {
        consumer, attempt, ..
    } = &history[place].event
    {
        let event = Event::Limited {
            consumer: consumer.clone(),
            max_deliver: attempt - 1,
        };
        history.insert(0, Entry { at: 0, event });
    }
    Rule::DeliveredTooOften
}

pub(super) fn swap_deliveries(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let places = places(
        history,
        |event| matches!(event, Event::Delivered { consumer, attempt: 1, .. } if consumer == "c1"),
    );
    // A message that has come again before the other came is out of every order.
    let comes_again = |a: usize, b: usize| {
        let sequence = delivered(&history[a].event);
        let between = history[a + 1..b].iter();
        between
            .map(|entry| delivered(&entry.event))
            .any(|it| it == sequence)
    };
    let pairs: Vec<_> = places
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .filter(|(a, b)| !comes_again(*a, *b))
        .collect();
    let (a, b) = pairs[rng.usize(0..pairs.len())];
    let (first, second) = (history[a].event.clone(), history[b].event.clone());
    (history[a].event, history[b].event) = (second, first);
    Rule::DeliveryOrder
}

/// The message that c1 delivered.
fn delivered(event: &Event) -> Option<u64> {
    match event {
        Event::Delivered {
            consumer, sequence, ..
        } if consumer == "c1" => Some(*sequence),
        _ => None,
    }
}

pub(super) fn come_back(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    // Something else must be published and delivered behind the acknowledgement.
    let (_, now) = end(history);
    let acked = places(
        history,
        |event| matches!(event, Event::Acked { consumer, .. } if consumer == "c1"),
    );
    let acked = acked[rng.usize(0..acked.len() / 2)];
    let Event::Acked { sequence: gone, .. } = history[acked].event else {
        panic!("it is one")
    };
    let delivered = places(history, |event| {
        matches!(event, Event::Delivered { consumer, sequence, .. }
            if consumer == "c1" && *sequence == gone)
    });
    let mut again = history[*delivered.last().unwrap()].event.clone();
    if let Event::Delivered {
        consumer_sequence,
        attempt,
        ..
    } = &mut again
    {
        *consumer_sequence = u64::MAX;
        *attempt += 1;
    }
    history.push(Entry {
        at: now,
        event: again,
    });
    Rule::CameBack
}

pub(super) fn unmark_attempt_number(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(event, Event::Delivered { attempt: 2.., .. })
    });
    if let Event::Delivered { attempt, .. } = &mut history[place].event {
        *attempt -= 1;
    }
    Rule::WrongAttempt
}

/// One delivery more than came, where nothing was done that would excuse it.
pub(super) fn deliver_in_vain(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(event, Event::Delivered { attempt: 1, .. })
    });
    if let Event::Delivered { attempt, .. } = &mut history[place].event {
        *attempt += 1;
    }
    for entry in history {
        if let Event::Storm { victim } = &mut entry.event {
            *victim = Victim::Peace;
        }
    }
    Rule::WrongAttempt
}

pub(super) fn drop_read(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Read { .. }));
    history.remove(place);
    Rule::ReadHole
}

pub(super) fn repeat_read(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Read { .. }));
    history.insert(place, history[place].clone());
    Rule::ReadOrder
}

pub(super) fn invent_gap(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Read { .. }));
    let Event::Read { sequence, .. } = history[place].event else {
        panic!("it is one")
    };
    let event = Event::Gap {
        reader: "r".to_owned(),
        first_available: sequence + 1,
    };
    history[place].event = event;
    Rule::ReadHole
}

pub(super) fn outlive_deadline(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    // Outside of the time in which callers were cut off.
    let healed = history[places(history, |event| matches!(event, Event::Healed))[0]].at;
    let returned = places(history, |event| matches!(event, Event::Returned { .. }));
    let after: Vec<usize> = returned
        .into_iter()
        .filter(|place| history[*place].at > healed)
        .collect();
    let place = *rng.choice(&after).unwrap();
    let late = history.remove(place).event;
    let (_, now) = end(history);
    history.push(Entry {
        at: now + 60_000_000,
        event: late,
    });
    Rule::DeadlineMissed
}

pub(super) fn stay_away(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    let healed = places(history, |event| matches!(event, Event::Healed))[0];
    let mut place = 0;
    history.retain(|entry| {
        place += 1;
        place < healed || !matches!(entry.event, Event::Ok { .. })
    });
    Rule::NotRecovered
}

pub(super) fn leak(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    for entry in history {
        if let Event::Resource { after, .. } = &mut entry.event {
            *after += 1;
        }
    }
    Rule::Leak
}
