//! Messages that are taken over, settled, and said again.

use tokio::sync::oneshot;

use super::*;
use crate::v1::Acknowledgement;
use crate::v1::acknowledgement::Target;

fn book(count: u64) -> (Book, Vec<Key>) {
    let mut book = Book::default();
    let keys = (1..=count)
        .map(|n| book.deliver(1, n, Bytes::from(format!("t{n}"))))
        .collect();
    (book, keys)
}

fn targets(frame: &SettleFrame) -> Vec<String> {
    let items = frame.acknowledgements.iter();
    let text = |item: &Acknowledgement| match item.target.clone() {
        Some(Target::Range(range)) => format!("{}-{}", range.first, range.last),
        Some(Target::AckToken(token)) => token,
        None => String::new(),
    };
    items.map(text).collect()
}

#[test]
fn acknowledgements_go_by_ranges() {
    let (mut book, keys) = book(6);
    for at in [4, 0, 1, 2] {
        assert!(book.say(keys[at], Word::Ack));
        assert!(!book.say(keys[at], Word::Ack), "it is settled");
    }
    assert_eq!(targets(&book.frame(1).unwrap()), ["1-3", "5-5"]);
    assert_eq!((book.held(), book.unsaid()), (2, 0));
    assert!(!book.has_said_all());
}

#[test]
fn what_was_not_answered_is_said_again_by_tokens() {
    let (mut book, keys) = book(3);
    book.say(keys[0], Word::Ack);
    book.say(
        keys[1],
        Word::Term {
            reason: "no".into(),
        },
    );
    assert_eq!(targets(&book.frame(1).unwrap()), ["1-1", "2-0"]);
    book.moved();
    assert_eq!(targets(&book.frame(2).unwrap()), ["t1", "t2"]);
}

#[test]
fn the_next_session_takes_over_what_is_held() {
    let (mut book, keys) = book(3);
    assert_eq!(book.offer(10), ["t1", "t2", "t3"]);
    let opened = SessionOpened {
        held: vec!["n1".into(), "n3".into()],
        not_held: vec!["t2".into()],
        ..Default::default()
    };
    book.say(keys[0], Word::Ack);
    book.adopted(&opened, 2);
    // The place is another's now.
    let new = book.deliver(2, 1, Bytes::from("other"));
    assert!(!book.say(keys[1], Word::Ack));
    for key in [keys[2], new] {
        assert!(book.say(key, Word::Ack));
    }
    assert_eq!(targets(&book.frame(2).unwrap()), ["n1", "n3", "1-1"]);
}

#[test]
fn more_time_is_asked_for_by_the_token_of_the_session_that_is_open() {
    let (mut book, keys) = book(3);
    book.say(keys[0], Word::InProgress);
    book.frame(1).unwrap();
    // That is not answered, and what follows is said between two sessions.
    book.moved();
    for _ in 0..1_000 {
        assert!(book.say(keys[0], Word::InProgress));
        assert!(book.say(keys[1], Word::InProgress));
        assert!(book.say(keys[2], Word::InProgress));
    }
    book.say(keys[1], Word::Ack);
    book.offer(10);
    let opened = SessionOpened {
        held: vec!["n1".into()],
        not_held: vec!["t3".into()],
        ..Default::default()
    };
    book.moved();
    book.adopted(&opened, 2);
    assert_eq!(targets(&book.frame(2).unwrap()), ["t2", "n1"]);
    assert_eq!((book.held(), book.unsaid()), (1, 0));
    book.say(keys[0], Word::InProgress);
    assert_eq!(targets(&book.frame(2).unwrap()), ["n1"]);
}

#[test]
fn fresh_tokens_are_kept_and_confirmations_told() {
    let (mut book, keys) = book(2);
    let (sender, mut confirmed) = oneshot::channel();
    book.renew();
    book.say(keys[1], Word::Confirmed(sender));
    let renewals = book.frame(1).unwrap();
    let confirmation = book.frame(1).unwrap();
    assert!(!renewals.confirm && confirmation.confirm);
    // The answer to a range would bring no fresh token.
    assert_eq!(targets(&renewals), ["t1"]);
    let fresh = |token: &str| crate::v1::ItemStatus {
        metadata: HashMap::from([("ack_token".to_owned(), token.to_owned())]),
        ..Default::default()
    };
    book.answered(SettleResult {
        settle_id: renewals.settle_id,
        results: vec![fresh("f1")],
    });
    book.answered(SettleResult {
        settle_id: confirmation.settle_id,
        results: vec![Default::default()],
    });
    assert!(confirmed.try_recv().unwrap().is_ok());
    assert_eq!(book.offer(10), ["f1"]);
    assert!(book.has_said_all());
}
