//! Messages that are sent, answered, and sent again or not.

use std::time::Duration;

use super::*;
use crate::publish::Origin;

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
