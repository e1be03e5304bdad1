//! Messages that are taken over, settled, and said again.

use tokio::sync::oneshot;

use super::*;
use crate::v1::acknowledgement::Target;
use crate::v1::{AckKind, Acknowledgement};

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

/// What a test knows of a message beside the book.
struct Known {
    key: Key,
    /// How many tokens it has had.
    tokens: usize,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Held,
    /// It was settled, and that is not answered.
    Settled,
    /// That is answered, or the message is another's now.
    Over,
}

/// Whatever happens, what was settled is said until it is answered, and more time is asked for only while a message is held,
/// by its latest token.
#[test]
fn the_book_agrees_with_a_list_of_all_messages() {
    for seed in 0..300 {
        Events::new(seed).agree();
    }
}

struct Events {
    random: fastrand::Rng,
    book: Book,
    all: Vec<Known>,
    session: u64,
    /// The first message that the session has delivered.
    first: usize,
    /// Frames that are not answered, and which messages each is about.
    frames: Vec<(SettleFrame, Vec<usize>)>,
}

impl Events {
    fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            book: Book::default(),
            all: Vec::new(),
            session: 1,
            first: 0,
            frames: Vec::new(),
        }
    }

    fn agree(&mut self) {
        for _ in 0..200 {
            match self.random.u32(0..10) {
                0..3 => self.deliver(),
                3..6 if !self.all.is_empty() => self.say(),
                6 => self.frame(self.session),
                7 | 8 if !self.frames.is_empty() => self.answer(),
                9 => self.next_session(),
                _ => {}
            }
            let held = self.all.iter().filter(|it| it.fate == Fate::Held);
            assert_eq!(self.book.held(), held.count());
        }
        self.frames.clear();
        self.book.moved();
        self.book.let_go();
        while self.book.unsaid() > 0 {
            self.frame(NO_SESSION);
        }
        let mut said: Vec<_> = self.frames.iter().flat_map(|it| it.1.clone()).collect();
        said.sort_unstable();
        let settled = |it: &&Known| it.fate == Fate::Settled;
        let all = self.all.iter().enumerate();
        let owed: Vec<_> = all.filter(|(_, it)| settled(it)).map(|it| it.0).collect();
        assert_eq!(said, owed);
    }

    fn deliver(&mut self) {
        let number = (self.all.len() - self.first) as u64 + 1;
        let token = token(self.all.len(), 0);
        let key = self.book.deliver(self.session, number, token.into());
        self.all.push(Known {
            key,
            tokens: 0,
            fate: Fate::Held,
        });
    }

    fn say(&mut self) {
        let at = self.random.usize(0..self.all.len());
        let known = &mut self.all[at];
        let (is_last, word) = match self.random.u32(0..5) {
            0 => (true, Word::Ack),
            1 => (true, Word::Confirmed(oneshot::channel().0)),
            2 => (true, nak()),
            _ => (false, Word::InProgress),
        };
        let was_held = known.fate == Fate::Held;
        assert_eq!(self.book.say(known.key, word), was_held);
        if was_held && is_last {
            known.fate = Fate::Settled;
        }
    }

    fn frame(&mut self, session: u64) {
        let Some(frame) = self.book.frame(session) else {
            assert_eq!(self.book.unsaid(), 0);
            return;
        };
        let mut about = Vec::new();
        for item in &frame.acknowledgements {
            let numbers = match item.target.clone().unwrap() {
                Target::Range(range) => {
                    assert_eq!(session, self.session);
                    let last = range.last.max(range.first);
                    let first = self.first + range.first as usize - 1;
                    first..=first + (last - range.first) as usize
                }
                Target::AckToken(text) => {
                    let (at, tokens) = text.split_once('.').unwrap();
                    let at = at.parse().unwrap();
                    if item.kind() == AckKind::InProgress {
                        let known: &Known = &self.all[at];
                        assert_eq!(known.fate, Fate::Held);
                        assert_eq!(tokens, known.tokens.to_string());
                        continue;
                    }
                    at..=at
                }
            };
            for at in numbers {
                assert_eq!(self.all[at].fate, Fate::Settled);
                about.push(at);
            }
        }
        self.frames.push((frame, about));
    }

    fn answer(&mut self) {
        let at = self.random.usize(0..self.frames.len());
        let (frame, about) = self.frames.swap_remove(at);
        for at in about {
            self.all[at].fate = Fate::Over;
        }
        let items = frame.acknowledgements.iter();
        let results = items.map(|item| {
            let mut status = crate::v1::ItemStatus::default();
            if let (AckKind::InProgress, Some(Target::AckToken(text))) = (item.kind(), &item.target)
            {
                let at: usize = text.split_once('.').unwrap().0.parse().unwrap();
                let known = &mut self.all[at];
                if known.fate == Fate::Held {
                    known.tokens += 1;
                }
                let fresh = token(at, known.tokens);
                status.metadata.insert("ack_token".into(), fresh);
            }
            status
        });
        let results = results.collect();
        self.book.answered(SettleResult {
            settle_id: frame.settle_id,
            results,
        });
    }

    /// The session is lost, or hands over to the next; which holds a part of what it is asked to.
    fn next_session(&mut self) {
        if self.random.bool() {
            self.book.moved();
        }
        let offered = self.book.offer(1_000);
        for _ in 0..self.random.u32(0..3) {
            if !self.all.is_empty() {
                self.say();
            }
        }
        let mut opened = SessionOpened::default();
        for old in offered {
            let at: usize = old.split_once('.').unwrap().0.parse().unwrap();
            let known = &mut self.all[at];
            if self.random.u32(0..4) == 0 {
                opened.not_held.push(old);
                if known.fate == Fate::Held {
                    known.fate = Fate::Over;
                }
            } else {
                known.tokens += 1;
                opened.held.push(token(at, known.tokens));
            }
        }
        self.frames.clear();
        self.session += 1;
        self.first = self.all.len();
        self.book.moved();
        self.book.adopted(&opened, self.session);
    }
}

fn token(message: usize, tokens: usize) -> String {
    format!("{message}.{tokens}")
}

fn nak() -> Word {
    let (delay, reason) = (Duration::ZERO, String::new());
    Word::Nak { delay, reason }
}
