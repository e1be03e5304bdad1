//! The book against a model, and the rules that it keeps.

use super::*;
use proptest::prelude::*;

const WINDOW: Amount = Amount {
    messages: 8,
    bytes: 1_000,
};

fn key(sequence: u64) -> Key {
    Key {
        stream_sequence: sequence,
        consumer_sequence: sequence,
    }
}

fn entry(id: u64, bytes: u64, deadline: Instant) -> Entry {
    Entry {
        id,
        bytes,
        attempt: 1,
        delivered: None,
        deadline,
        extension: None,
    }
}

#[test]
fn the_first_word_of_a_delivery_tells_when_it_was_made() {
    let now = Instant::now();
    let mut book = InFlight::new(Amount {
        messages: 2,
        bytes: 10,
    });
    let delivered = Some(now);
    book.deliver(
        key(1),
        Entry {
            delivered,
            ..entry(1, 1, now)
        },
    );
    assert_eq!(book.unsettled_since(key(1)), delivered);
    assert_eq!(book.begin_settling(key(1)), delivered);
    assert_eq!(book.begin_settling(key(1)), None);
    assert_eq!(book.unsettled_since(key(1)), None);
    assert_eq!(book.begin_settling(key(2)), None);
}

#[derive(Clone, Debug)]
enum Step {
    Deliver { key: u64, bytes: u64, deadline: u64 },
    Adopt { key: u64, deadline: u64 },
    Keep { key: u64, until: u64 },
    BeginSettling(u64),
    Settle(u64),
    SettleMessage(u64),
    SettleRange(u64, u64),
    SettleThrough(u64),
    SettleBelow(u64),
    Extend(u64, u64),
    Expire(u64),
    AskForMore(u64),
    Resize(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (keys, times) = (0..20_u64, 0..50_u64);
    let step = prop_oneof![
        6 => (keys.clone(), 0..300_u64, times.clone())
            .prop_map(|(key, bytes, deadline)| Step::Deliver { key, bytes, deadline }),
        1 => (keys.clone(), times.clone()).prop_map(|(key, deadline)| Step::Adopt { key, deadline }),
        2 => (keys.clone(), times.clone()).prop_map(|(key, until)| Step::Keep { key, until }),
        2 => keys.clone().prop_map(Step::BeginSettling),
        3 => keys.clone().prop_map(Step::Settle),
        1 => keys.clone().prop_map(Step::SettleMessage),
        2 => (0..40_u64, 0..10_u64).prop_map(|(first, more)| Step::SettleRange(first, first + more)),
        1 => keys.clone().prop_map(Step::SettleThrough),
        1 => keys.clone().prop_map(Step::SettleBelow),
        2 => (keys, times.clone()).prop_map(|(key, deadline)| Step::Extend(key, deadline)),
        2 => times.clone().prop_map(Step::Expire),
        2 => times.prop_map(Step::AskForMore),
        1 => (0..12_u32).prop_map(Step::Resize),
    ];
    proptest::collection::vec(step, 0..60)
}

/// What the book should be: plain lists, every question answered by looking at all of them.
#[derive(Default)]
struct Model {
    out: Vec<Row>,
    unanswered: Vec<(u64, u64)>,
    expired: Vec<u64>,
    delivered: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    id: u64,
    key: u64,
    bytes: u64,
    deadline: u64,
    is_settling: bool,
    /// When the next extension is due, and when they stop.
    extension: Option<(u64, u64)>,
}

const EVERY: u64 = 5;

/// Whether a book that looks at `place` is in time for what happens at `next`.
fn is_no_later(place: Option<Instant>, next: Option<Instant>) -> bool {
    next.is_none_or(|next| place.is_some_and(|place| place <= next))
}

impl Model {
    fn deliver(&mut self, row: Row) {
        self.out.retain(|other| other.key != row.key);
        self.out.push(row);
    }

    fn drop_where(&mut self, which: impl Fn(&Row) -> bool) {
        self.out.retain(|row| !which(row));
    }

    fn expire(&mut self, now: u64, memory: usize) {
        let mut expired: Vec<Row> = self
            .out
            .iter()
            .copied()
            .filter(|row| row.deadline <= now)
            .collect();
        expired.sort_by_key(|row| (row.deadline, row.key));
        self.out.retain(|row| row.deadline > now);
        for row in expired {
            if !row.is_settling {
                self.unanswered.retain(|(key, _)| *key != row.key);
                self.unanswered.push((row.key, row.bytes));
            }
            if row.id > 0 {
                self.expired.push(row.id);
                self.expired.sort_unstable();
                let surplus = self.expired.len().saturating_sub(memory);
                self.expired.drain(..surplus);
            }
        }
    }

    fn ask_for_more(&mut self, now: u64) -> Vec<u64> {
        let mut due = Vec::new();
        for row in &mut self.out {
            let Some((next, until)) = row.extension.filter(|(next, _)| *next <= now) else {
                continue;
            };
            due.push((next, row.key));
            let next = now + EVERY;
            row.extension = (next < until).then_some((next, until));
        }
        due.sort_unstable();
        due.into_iter().map(|(_, key)| key).collect()
    }
}

proptest! {
    #[test]
    fn agrees_with_a_model(steps in steps()) {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut book = InFlight::new(WINDOW);
        let mut window = WINDOW;
        let mut model = Model::default();

        for step in steps {
            match step {
                Step::Deliver { key: k, bytes, deadline } => {
                    model.delivered += 1;
                    let id = model.delivered;
                    book.deliver(key(k), entry(id, bytes, at(deadline)));
                    model.deliver(Row { id, key: k, bytes, deadline, is_settling: false, extension: None });
                }
                Step::Adopt { key: k, deadline } => {
                    book.deliver(key(k), entry(0, 0, at(deadline)));
                    model.deliver(Row { id: 0, key: k, bytes: 0, deadline, is_settling: false, extension: None });
                }
                Step::Keep { key: k, until } => {
                    model.delivered += 1;
                    let id = model.delivered;
                    let extension = Extension {
                        next: at(EVERY),
                        every: Duration::from_secs(EVERY),
                        until: at(until),
                    };
                    let kept = Entry { extension: Some(extension), ..entry(id, 1, at(30)) };
                    book.deliver(key(k), kept);
                    let extension = Some((EVERY, until));
                    model.deliver(Row { id, key: k, bytes: 1, deadline: 30, is_settling: false, extension });
                }
                Step::BeginSettling(k) => {
                    book.begin_settling(key(k));
                    model.out.iter_mut().filter(|row| row.key == k).for_each(|row| row.is_settling = true);
                    model.unanswered.clear();
                }
                Step::Settle(k) => {
                    book.settle(key(k));
                    model.drop_where(|row| row.key == k);
                    model.unanswered.clear();
                }
                Step::SettleMessage(k) => {
                    book.settle_message(k);
                    model.drop_where(|row| row.key == k);
                    model.unanswered.clear();
                }
                Step::SettleRange(first, last) => {
                    let range = first..=last;
                    let found = book.find_range(first, last);
                    let out: Vec<u64> = found.iter().filter(|it| it.deadline.is_some()).map(|it| it.id).collect();
                    let late: Vec<u64> = found.iter().filter(|it| it.deadline.is_none()).map(|it| it.id).collect();
                    let mut expected: Vec<u64> =
                        model.out.iter().map(|row| row.id).filter(|id| *id > 0 && range.contains(id)).collect();
                    expected.sort_unstable();
                    prop_assert_eq!(out, expected);
                    let expected: Vec<u64> = model.expired.iter().copied().filter(|id| range.contains(id)).collect();
                    prop_assert_eq!(late, expected);

                    book.answered();
                    for found in found {
                        match found.deadline {
                            Some(_) => book.settle_for_good(found),
                            None => book.settle_late(found.id),
                        }
                    }
                    model.drop_where(|row| row.id > 0 && range.contains(&row.id));
                    model.expired.retain(|id| !range.contains(id));
                    model.unanswered.clear();
                }
                Step::SettleThrough(k) => {
                    book.settle_through(key(k));
                    model.drop_where(|row| row.key <= k);
                    model.unanswered.clear();
                }
                Step::SettleBelow(floor) => {
                    book.settle_below(floor);
                    model.drop_where(|row| row.key <= floor);
                    model.unanswered.retain(|(key, _)| *key > floor);
                }
                Step::Extend(k, deadline) => {
                    book.extend(key(k), at(deadline));
                    for row in model.out.iter_mut().filter(|row| row.key == k) {
                        row.deadline = deadline;
                    }
                    model.unanswered.clear();
                }
                Step::Expire(now) => {
                    book.expire(at(now));
                    model.expire(now, window.messages as usize);
                }
                Step::AskForMore(now) => {
                    let due = book.due_extensions(at(now));
                    let due: Vec<u64> = due.iter().map(|found| found.key.stream_sequence).collect();
                    prop_assert_eq!(due, model.ask_for_more(now));
                }
                Step::Resize(messages) => {
                    window.messages = messages;
                    book.set_window(window);
                }
            }
            let messages = model.out.len() as u32;
            let bytes: u64 = model.out.iter().map(|row| row.bytes).sum();
            let kept: u64 = model.unanswered.iter().map(|(_, bytes)| bytes).sum();
            prop_assert_eq!(book.outstanding(), Amount { messages, bytes });
            prop_assert_eq!(book.is_empty(), model.out.is_empty());
            let next = model.out.iter().map(|row| at(row.deadline)).min();
            prop_assert!(is_no_later(book.next_expiry(), next));
            let next = model.out.iter().filter_map(|row| row.extension).map(|(next, _)| at(next)).min();
            prop_assert!(is_no_later(book.next_extension(), next));
            prop_assert_eq!(book.room(Amount::default()), Amount {
                messages: window.messages.saturating_sub(messages + model.unanswered.len() as u32),
                bytes: window.bytes.saturating_sub(bytes + kept),
            });
        }
        let mut left: Vec<u64> = model.out.iter().map(|row| row.key).collect();
        left.sort_unstable();
        let taken: Vec<u64> = book.take_all().iter().map(|(key, _)| key.stream_sequence).collect();
        prop_assert_eq!(taken, left);
        prop_assert_eq!(book.outstanding(), Amount::default());
        prop_assert_eq!(book.find_range(0, u64::MAX), []);
    }
}

#[test]
fn an_expired_delivery_keeps_its_room_until_the_caller_settles_something() {
    let now = Instant::now();
    let mut book = InFlight::new(Amount {
        messages: 1,
        bytes: 100,
    });
    book.deliver(key(1), entry(1, 10, now));

    book.expire(now);
    assert_eq!(book.room(Amount::default()).messages, 0);
    assert!(book.is_unanswered());

    book.settle(key(1));
    assert_eq!(
        book.room(Amount::default()),
        Amount {
            messages: 1,
            bytes: 100
        }
    );
}

#[test]
fn a_caller_that_settles_nothing_gets_room_for_one_message_now_and_then() {
    let (now, every) = (Instant::now(), Duration::from_secs(10));
    let mut book = InFlight::new(WINDOW);
    for id in 1..=8 {
        book.deliver(key(id), entry(id, 10, now));
    }
    let room_at = |book: &mut InFlight, second: u64| {
        let now = now + Duration::from_secs(second);
        book.expire(now);
        book.forgive(now, every);
        book.room(Amount::default()).messages
    };
    assert_eq!(room_at(&mut book, 0), 0);
    assert_eq!(room_at(&mut book, 9), 0);
    assert_eq!(room_at(&mut book, 10), 1);
    assert_eq!(room_at(&mut book, 19), 1);
    assert_eq!(room_at(&mut book, 20), 2);

    book.answered();
    assert_eq!(room_at(&mut book, 21), 8);
    assert_eq!(book.next_forgiveness(), None);
}

#[test]
fn one_that_the_caller_settled_expires_without_keeping_its_room() {
    let now = Instant::now();
    let mut book = InFlight::new(WINDOW);
    for id in 1..=8 {
        book.deliver(key(id), entry(id, 10, now));
    }
    for id in 1..=7 {
        book.begin_settling(key(id));
    }

    book.expire(now);

    assert_eq!(book.room(Amount::default()).messages, 7);
    book.begin_settling(key(8));
    assert_eq!(book.room(Amount::default()), WINDOW);
}

#[test]
fn a_settled_message_frees_every_delivery_of_it() {
    let mut book = InFlight::new(WINDOW);
    let later = Instant::now() + Duration::from_secs(60);
    for (id, stream_sequence, consumer_sequence) in [(1, 1, 1), (2, 2, 2), (3, 1, 3)] {
        book.deliver(
            Key {
                stream_sequence,
                consumer_sequence,
            },
            entry(id, 10, later),
        );
    }

    book.settle_message(1);

    assert_eq!(book.take_all()[0].0, key(2));
    assert!(book.is_empty());
}

#[test]
fn a_delivery_that_is_settled_for_good_takes_the_others_of_its_message_along() {
    let mut book = InFlight::new(WINDOW);
    let later = Instant::now() + Duration::from_secs(60);
    let again = Key {
        stream_sequence: 1,
        consumer_sequence: 3,
    };
    let second = Entry {
        attempt: 2,
        ..entry(3, 10, later)
    };
    book.deliver(key(1), entry(1, 10, later));
    book.deliver(key(2), entry(2, 10, later));
    book.deliver(again, second);

    book.settle_for_good(book.find(key(1)).unwrap());

    assert_eq!(book.outstanding().messages, 1);
    book.settle_for_good(book.find(key(2)).unwrap());
    assert!(book.is_empty());
    assert_eq!(book.next_expiry(), None);
}

#[test]
fn no_more_expired_deliveries_are_remembered_than_the_window_has_messages() {
    let now = Instant::now();
    let mut book = InFlight::new(WINDOW);
    for id in 1..=20 {
        book.deliver(key(id), entry(id, 1, now));
    }

    book.expire(now);

    let remembered: Vec<u64> = book
        .find_range(1, 20)
        .iter()
        .map(|found| found.id)
        .collect();
    assert_eq!(remembered, (13..=20).collect::<Vec<_>>());
}
