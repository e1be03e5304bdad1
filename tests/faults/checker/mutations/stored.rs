//! Ways to spoil what is stored, or what was said of it.

#![allow(clippy::ptr_arg, reason = "all mutations have one type")]

use fastrand::Rng;

use super::super::Rule;
use super::super::good::{ATOMIC, PLAIN, STRICT};
use super::{any_place, end, places};
use crate::history::{Content, Entry, Event, Key};

/// Whether an event is about this message, wherever it is.
fn is_about(event: &Event, key: Key) -> bool {
    match event {
        Event::Stored { content, .. }
        | Event::Delivered { content, .. }
        | Event::Read { content, .. } => content.key == Some(key),
        _ => false,
    }
}

/// The messages of a writer that are stored, in their order.
fn stored(history: &[Entry], writer: u32) -> Vec<Key> {
    let keys = history.iter().filter_map(|entry| match entry.event {
        Event::Stored {
            server: 0,
            content: Content { key: Some(key), .. },
            ..
        } => Some(key),
        _ => None,
    });
    keys.filter(|key| key.writer == writer).collect()
}

/// Removes a message from the stream and from whatever followed from it.
fn lose(history: &mut Vec<Entry>, key: Key) {
    history.retain(|entry| !is_about(&entry.event, key));
}

/// The attempts of a message.
fn ops(history: &[Entry], wanted: Key) -> Vec<u64> {
    let ops = history.iter().filter_map(|entry| match entry.event {
        Event::Invoke { op, key, .. } if key == wanted => Some(op),
        _ => None,
    });
    ops.collect()
}

pub(super) fn drop_first(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    // The first of a writer that was refused before has no prefix to lose: it is found by the first stored.
    lose(history, stored(history, STRICT)[0]);
    Rule::LostPrefix
}

pub(super) fn drop_middle(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, PLAIN);
    lose(history, keys[rng.usize(1..keys.len() - 1)]);
    Rule::LostMiddle
}

pub(super) fn drop_last(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    lose(history, *stored(history, PLAIN).last().unwrap());
    Rule::LostTail
}

pub(super) fn drop_everything(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    history.retain(|entry| !matches!(entry.event, Event::Stored { .. }));
    Rule::LostTail
}

pub(super) fn drop_on_one_server(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(event, Event::Stored { server: 1.., .. })
    });
    history.remove(place);
    Rule::ReplicasDiffer
}

pub(super) fn drop_all_of_one_server(history: &mut Vec<Entry>, _: &mut Rng) -> Rule {
    history.retain(|entry| !matches!(entry.event, Event::Stored { server: 2, .. }));
    Rule::ReplicasDiffer
}

pub(super) fn duplicate_stored(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let (last, at) = end(history);
    let keys = stored(history, PLAIN);
    let key = *rng.choice(&keys).unwrap();
    let place = places(history, |event| is_about(event, key))[0];
    let (Event::Delivered { content, .. } | Event::Read { content, .. }) = history[place].event
    else {
        panic!("it is delivered before it is read by the servers")
    };
    let copies = (0..3).map(|server| Event::Stored {
        server,
        sequence: last + 1,
        content,
    });
    history.extend(copies.map(|event| Entry { at, event }));
    Rule::StoredTwice
}

pub(super) fn swap_strict(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, STRICT);
    let place = rng.usize(1..keys.len());
    for entry in history {
        if let Event::Stored { content, .. } = &mut entry.event {
            match content.key {
                Some(key) if key == keys[place] => content.key = Some(keys[place - 1]),
                Some(key) if key == keys[place - 1] => content.key = Some(keys[place]),
                _ => {}
            }
        }
    }
    Rule::StrictOrder
}

pub(super) fn strict_hole(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, STRICT);
    let key = keys[rng.usize(1..keys.len() - 1)];
    lose(history, key);
    let ops = ops(history, key);
    history.retain(|entry| !matches!(&entry.event, Event::Ok { op, .. } if ops.contains(op)));
    Rule::StrictHole
}

pub(super) fn corrupt(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(
            event,
            Event::Stored { .. } | Event::Delivered { .. } | Event::Read { .. }
        )
    });
    if let Event::Stored {
        content, server, ..
    } = &mut history[place].event
    {
        // The other servers are compared with the first: all of them.
        *server = 0;
        content.hash ^= 1 << rng.u32(0..32);
    } else if let Event::Delivered { content, .. } | Event::Read { content, .. } =
        &mut history[place].event
    {
        content.hash ^= 1 << rng.u32(0..32);
    }
    Rule::Corrupted
}

pub(super) fn corrupt_beyond_recognition(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| {
        matches!(event, Event::Delivered { .. })
    });
    if let Event::Delivered { content, .. } = &mut history[place].event {
        content.key = None;
    }
    Rule::NeverAttempted
}

pub(super) fn unmark_attempt(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, PLAIN);
    let key = *rng.choice(&keys).unwrap();
    history.retain(|entry| !matches!(&entry.event, Event::Invoke { key: it, .. } if *it == key));
    Rule::NeverAttempted
}

pub(super) fn unmark_ok(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, PLAIN);
    let ops = ops(history, *rng.choice(&keys).unwrap());
    for entry in history {
        if let Event::Ok { op, .. } | Event::Unknown { op, .. } = entry.event
            && ops.contains(&op)
        {
            let reason = "NATS_DISCONNECTED".to_owned();
            entry.event = Event::Refused { op, reason };
        }
    }
    Rule::StoredThoughRefused
}

pub(super) fn misplace(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let place = any_place(history, rng, |event| matches!(event, Event::Ok { .. }));
    if let Event::Ok {
        sequence: Some(sequence),
        ..
    } = &mut history[place].event
    {
        *sequence += 1;
    }
    Rule::WrongSequence
}

pub(super) fn tear_batch(history: &mut Vec<Entry>, rng: &mut Rng) -> Rule {
    let keys = stored(history, ATOMIC);
    lose(history, *rng.choice(&keys).unwrap());
    Rule::TornBatch
}
