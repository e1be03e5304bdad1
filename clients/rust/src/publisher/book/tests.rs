//! Messages that are sent, answered, and sent again or not.

use std::time::Duration;

use futures_util::FutureExt as _;
use tonic::Code;

use super::*;
use crate::publish::Origin;
use crate::v1::ErrorReason;

const LIMITS: Limits = Limits {
    messages: 4,
    bytes: 1 << 20,
};
const ALL: Limits = Limits {
    messages: 100,
    bytes: 1 << 20,
};

fn stored(sequence: u64) -> Stored {
    let origin = Arc::new(Origin::default());
    Stored {
        origin,
        sequence,
        duplicate: false,
        counter: None,
    }
}

fn book(count: usize) -> (Book, Vec<Ack>) {
    let mut book = Book::new();
    book.numbered_by("p");
    let acks = (0..count).map(|n| book.add(Message::new("a", n.to_string()), LIMITS));
    let acks = acks.collect();
    (book, acks)
}

fn sent(book: &mut Book) -> Vec<(u64, usize)> {
    let runs = std::iter::from_fn(|| book.take(ALL, Instant::now()));
    runs.map(|run| (run.first, run.count)).collect()
}

#[tokio::test]
async fn batches_are_full_and_answers_find_their_futures() {
    let (mut book, acks) = book(10);
    assert_eq!(sent(&mut book), [(1, 4), (5, 4), (9, 2)]);
    assert_eq!((book.in_flight(), book.waiting()), (10, 0));
    book.stored(1..=9, &stored(101));
    book.failed(10..=10, &Error::unavailable("no"));
    book.stored(3..=99, &stored(7));
    for (number, ack) in acks.into_iter().enumerate() {
        let outcome = ack.await.map(|published| published.sequence());
        assert_eq!(outcome.ok(), (number < 9).then_some(101 + number as u64));
    }
    assert_eq!(
        (book.messages(), book.bytes(), book.in_flight_bytes()),
        (0, 0, 0)
    );
}

#[test]
fn what_is_not_answered_is_sent_again_in_runs() {
    let (mut book, _acks) = book(10);
    sent(&mut book);
    book.stored(1..=2, &stored(1));
    book.stored(4..=6, &stored(4));
    book.rewind(&Error::unavailable("lost"));
    assert_eq!((book.in_flight(), book.waiting()), (0, 5));
    assert_eq!(sent(&mut book), [(3, 1), (7, 2), (9, 2)]);
    assert_eq!((book.in_flight(), book.waiting()), (5, 0));
    book.settled_through(10, &stored(0));
    assert_eq!((book.messages(), book.bytes(), book.in_flight()), (0, 0, 0));
}

#[tokio::test]
async fn a_refusal_does_not_take_back_that_an_earlier_attempt_may_have_stored_a_message() {
    let (mut book, mut acks) = book(6);
    assert_eq!(book.take(LIMITS, Instant::now()).unwrap().count, 4);
    book.rewind(&Error::outcome_unknown(""));
    sent(&mut book);
    let full = Error::with_reason(ErrorReason::StreamFull, Code::ResourceExhausted, "");
    book.failed(4..=5, &full);
    let once = acks.remove(4).await.unwrap_err();
    assert_eq!(once.reason(), ErrorReason::StreamFull);
    let again = acks.remove(3).await.unwrap_err();
    assert!(again.is_outcome_unknown());
    assert_eq!(again.metadata()["message_id"], "p:4");
    let cause = std::error::Error::source(&again).unwrap();
    assert_eq!(cause.to_string(), full.to_string());
}

#[test]
fn a_window_cuts_batches() {
    let (mut book, _acks) = book(3);
    let room = Limits {
        messages: 2,
        bytes: 1 << 20,
    };
    let run = book.take(room, Instant::now()).unwrap();
    assert_eq!((run.first, run.count), (1, 2));
    // What is taken meanwhile goes into another batch.
    let _ack = book.add(Message::new("a", "more"), LIMITS);
    assert_eq!(sent(&mut book), [(3, 1), (4, 1)]);
}

#[tokio::test]
async fn only_what_left_may_be_stored() {
    let (mut book, acks) = book(6);
    let room = Limits {
        messages: 3,
        ..LIMITS
    };
    // A window cuts the first batch.
    let _ = book.take(room, Instant::now());
    book.rewind(&Error::unavailable("lost"));
    book.give_up(None, &Error::outcome_unknown("gone"), &Error::closed("it"));
    assert_eq!(unknown(acks).await, [1, 2, 3]);
    assert_eq!(book.messages(), 0);
}

#[tokio::test]
async fn without_ids_nothing_is_repeated() {
    let mut book = Book::new();
    let mut acks: Vec<_> = (0..2)
        .map(|_| book.add(Message::new("a", "without"), LIMITS))
        .collect();
    acks.push(book.add(Message::new("a", "x").message_id("mine"), LIMITS));
    sent(&mut book);
    acks.push(book.add(Message::new("a", "later"), LIMITS));
    book.rewind(&Error::outcome_unknown("lost"));
    assert_eq!(sent(&mut book), [(3, 1), (4, 1)]);
    book.stored(3..=4, &stored(1));
    assert_eq!(unknown(acks).await, [1, 2]);
}

#[tokio::test]
async fn what_its_stream_may_have_forgotten_is_not_repeated() {
    let (mut book, acks) = book(9);
    let room = Limits {
        messages: 2,
        ..LIMITS
    };
    let begun = Instant::now();
    // Of the second batch only a part has left, and later.
    for after in [0, 0, 10] {
        let _ = book.take(room, begun + Duration::from_secs(after));
    }
    let why = Error::outcome_unknown("forgotten");
    let forget = |book: &mut Book, at| book.forget(begun + Duration::from_secs(at), &why);
    forget(&mut book, 100);
    assert_eq!(book.messages(), 9, "what is on its way is not repeated");
    book.rewind(&why);
    forget(&mut book, 5);
    // The next stream ends before anything is sent again in it. What has left is remembered all the same.
    book.rewind(&why);
    forget(&mut book, 11);
    assert_eq!(sent(&mut book), [(7, 2), (9, 1)]);
    book.stored(7..=9, &stored(1));
    assert_eq!(unknown(acks).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!((book.messages(), book.bytes(), book.in_flight()), (0, 0, 0));
}

#[tokio::test]
async fn an_unknown_outcome_says_by_which_id_it_is_made_known() {
    let (mut book, mut acks) = book(1);
    acks.push(book.add(Message::new("a", "x").message_id("mine"), LIMITS));
    sent(&mut book);
    acks.push(book.add(Message::new("a", "later"), LIMITS));
    book.give_up(None, &Error::outcome_unknown("gone"), &Error::closed("it"));
    let mut ids = Vec::new();
    for ack in acks {
        let error = ack.await.unwrap_err();
        ids.push(error.metadata().get("message_id").cloned());
    }
    assert_eq!(ids, [Some("p:1".into()), Some("mine".into()), None]);
}

#[test]
fn what_was_taken_before_is_told_from_what_comes_later() {
    let (mut book, _acks) = book(6);
    let before = book.next();
    let _later = book.add(Message::new("a", "later"), LIMITS);
    assert!(!book.is_sent_before(before));
    sent(&mut book);
    assert!(book.is_sent_before(before));
    book.stored(2..=6, &stored(2));
    assert!(!book.is_answered_before(before));
    book.stored(1..=1, &stored(1));
    assert!(book.is_answered_before(before));
    assert!(!book.is_answered_before(before + 1));
}

/// What a test knows of a message beside the book.
struct Known {
    ack: Ack,
    has_id: bool,
    size: usize,
    sent_at: Option<Instant>,
    is_on_its_way: bool,
    /// It was lost once on its way.
    is_doubted: bool,
    /// What it must be told.
    outcome: Option<&'static str>,
}

/// Any sequence of events keeps the counts right, tells every message once what became of it, and repeats nothing that is
/// not safe to repeat.
#[test]
fn the_book_agrees_with_a_list_of_all_messages() {
    for seed in 0..300 {
        agrees(&mut fastrand::Rng::with_seed(seed));
    }
}

fn agrees(random: &mut fastrand::Rng) {
    let mut book = Book::new();
    let numbers_are_ids = random.bool();
    if numbers_are_ids {
        book.numbered_by("p");
    }
    let mut all: Vec<Known> = Vec::new();
    let mut now = Instant::now();
    for _ in 0..200 {
        now += Duration::from_millis(random.u64(0..10));
        match random.u32(0..12) {
            0..4 => {
                let has_id = random.bool();
                let mut message = Message::new("a", vec![0; random.usize(0..300)]);
                if has_id {
                    message = message.message_id("mine");
                }
                let before = book.bytes();
                let ack = book.add(message, LIMITS);
                let size = book.bytes() - before;
                all.push(Known {
                    ack,
                    has_id,
                    size,
                    sent_at: None,
                    is_on_its_way: false,
                    is_doubted: false,
                    outcome: None,
                });
            }
            4..8 => {
                let room = Limits {
                    messages: random.usize(1..6),
                    bytes: random.usize(1..600),
                };
                let Some(run) = book.take(room, now) else {
                    assert!(
                        all.iter()
                            .all(|it| it.outcome.is_some() || it.is_on_its_way)
                    );
                    continue;
                };
                let first = run.first as usize - 1;
                assert!(run.count == 1 || run.body.len() <= room.bytes);
                for known in &mut all[first..first + run.count] {
                    assert!(known.outcome.is_none() && !known.is_on_its_way);
                    let is_safe = numbers_are_ids || known.has_id;
                    assert!(is_safe || known.sent_at.is_none(), "it may be stored");
                    known.is_on_its_way = true;
                    known.sent_at.get_or_insert(now);
                }
            }
            8..10 if !all.is_empty() => {
                let first = random.usize(0..all.len());
                let last = random.usize(first..all.len());
                let numbers = first as u64 + 1..=last as u64 + 1;
                let is_stored = random.bool();
                // A gateway answers what is on its way.
                if !all[first..=last].iter().all(|it| it.is_on_its_way) {
                    continue;
                }
                match is_stored {
                    true => book.stored(numbers, &stored(7)),
                    false => book.failed(numbers, &Error::unavailable("refused")),
                }
                for known in &mut all[first..=last] {
                    known
                        .outcome
                        .get_or_insert(match (is_stored, known.is_doubted) {
                            (true, _) => "stored",
                            (false, true) => "unknown",
                            (false, false) => "refused",
                        });
                }
            }
            10 => {
                book.rewind(&Error::outcome_unknown("lost"));
                for known in &mut all {
                    known.is_doubted |= known.is_on_its_way;
                    known.is_on_its_way = false;
                    let is_safe = numbers_are_ids || known.has_id;
                    if known.sent_at.is_some() && !is_safe {
                        known.outcome.get_or_insert("unknown");
                    }
                }
            }
            _ => {
                let before = now - Duration::from_millis(random.u64(0..100));
                book.forget(before, &Error::outcome_unknown("forgotten"));
                for known in all.iter_mut().filter(|it| it.outcome.is_none()) {
                    let is_old = known.sent_at.is_some_and(|sent| sent < before);
                    if is_old && !known.is_on_its_way {
                        known.outcome = Some("unknown");
                    }
                }
            }
        }
        let open = || all.iter().filter(|it| it.outcome.is_none());
        assert_eq!(book.bytes(), open().map(|it| it.size).sum::<usize>());
        assert_eq!(book.messages(), open().count());
        let on_its_way = open().filter(|it| it.is_on_its_way);
        assert_eq!(book.in_flight(), on_its_way.count());
    }
    book.give_up(None, &Error::outcome_unknown("gone"), &Error::closed("it"));
    for known in all {
        let told = match known.ack.now_or_never().expect("it is answered") {
            Ok(_) => "stored",
            Err(error) if error.is_outcome_unknown() => "unknown",
            Err(error) if error.is_closed() => "never sent",
            Err(_) => "refused",
        };
        let at_last = known.sent_at.map_or("never sent", |_| "unknown");
        assert_eq!(told, known.outcome.unwrap_or(at_last));
    }
}

/// Which of these have an unknown outcome, counted from 1.
async fn unknown(acks: Vec<Ack>) -> Vec<usize> {
    let mut unknown = Vec::new();
    for (number, ack) in (1..).zip(acks) {
        if ack.await.is_err_and(|error| error.is_outcome_unknown()) {
            unknown.push(number);
        }
    }
    unknown
}
