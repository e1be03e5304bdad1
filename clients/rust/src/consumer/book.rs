//! What a consumer holds, and what it has yet to say of it. No I/O and no waiting.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use slab::Slab;
use tokio::time::Instant;

use super::wording::{Address, Said, Word, acknowledge};
use crate::error::Error;
use crate::v1::{SessionOpened, SettleFrame, SettleResult};
use crate::wire::text;

/// The most items that a frame may have.
const MOST_ITEMS: usize = 10_000;

/// A message that was handed out, or waits to be. Places are used again, and serials are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    place: usize,
    serial: u64,
}

#[derive(Debug)]
struct Held {
    serial: u64,
    address: Address,
}

/// A frame that is not answered.
#[derive(Debug, Default)]
struct Unanswered {
    acks: Vec<Address>,
    words: Vec<Said>,
    /// How many items of the frame come before those of `words`.
    before: usize,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    held: Slab<Held>,
    serial: u64,
    /// Plain acknowledgements, most of all that is said.
    acks: Vec<Address>,
    words: Vec<Said>,
    unsaid_since: Option<Instant>,
    unanswered: HashMap<u64, Unanswered>,
    settle_id: u64,
    /// What the session that is being opened was asked to take over, by its tokens.
    offered: Vec<(Key, Bytes)>,
}

impl Book {
    /// Enters a delivery.
    pub(super) fn deliver(&mut self, session: u64, number: u64, token: Bytes) -> Key {
        self.serial += 1;
        let address = Address {
            session,
            number,
            token,
        };
        let place = self.held.insert(Held {
            serial: self.serial,
            address,
        });
        Key {
            place,
            serial: self.serial,
        }
    }

    /// Takes a word; false where the message is not held any more: it was settled, or is another's now.
    pub(super) fn say(&mut self, key: Key, word: Word) -> bool {
        if !self.holds(key) {
            return false;
        }
        let address = match word {
            Word::InProgress => self.held[key.place].address.clone(),
            _ => self.held.remove(key.place).address,
        };
        if self.unsaid() == 0 {
            self.unsaid_since = Some(Instant::now());
        }
        match word {
            Word::Ack => self.acks.push(address),
            word => self.words.push(Said { key, address, word }),
        }
        true
    }

    /// Lets others have a message at once that nobody here has seen.
    pub(super) fn give_back(&mut self, key: Key) {
        let (delay, reason) = (Duration::ZERO, String::new());
        self.say(key, Word::Nak { delay, reason });
    }

    pub(super) fn holds(&self, key: Key) -> bool {
        self.held
            .get(key.place)
            .is_some_and(|held| held.serial == key.serial)
    }

    /// How many messages are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn unsaid(&self) -> usize {
        self.acks.len() + self.words.len()
    }

    /// Since when something is to be said.
    pub(super) fn unsaid_since(&self) -> Option<Instant> {
        self.unsaid_since.filter(|_| self.unsaid() > 0)
    }

    /// Whether something is to be said that does not wait for company.
    pub(super) fn is_urgent(&self) -> bool {
        !self.words.is_empty()
    }

    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// The next frame that says what is to be said; none where there is nothing.
    pub(super) fn frame(&mut self, session: u64) -> Option<SettleFrame> {
        if self.unsaid() == 0 {
            return None;
        }
        let confirm = self.acks.is_empty() && matches!(self.words[0].word, Word::Confirmed(_));
        let mut frame = SettleFrame {
            confirm,
            ..Default::default()
        };
        let mut kept = Unanswered::default();
        if !confirm {
            let most = self.acks.len().min(MOST_ITEMS);
            kept.acks.extend(self.acks.drain(..most));
            frame.acknowledgements = acknowledge(&mut kept.acks, session);
            kept.before = frame.acknowledgements.len();
        }
        let room = MOST_ITEMS - kept.before;
        let belongs = |said: &mut Said| matches!(said.word, Word::Confirmed(_)) == confirm;
        kept.words
            .extend(self.words.extract_if(.., belongs).take(room));
        frame
            .acknowledgements
            .extend(kept.words.iter().map(|said| said.item(session)));
        self.settle_id += 1;
        frame.settle_id = self.settle_id;
        self.unanswered.insert(self.settle_id, kept);
        Some(frame)
    }

    /// Asks for fresh tokens of all that is held, so that the next session can take it over.
    pub(super) fn renew(&mut self) {
        let held: Vec<_> = self
            .held
            .iter()
            .map(|(place, held)| Key {
                place,
                serial: held.serial,
            })
            .collect();
        for key in held {
            self.say(key, Word::InProgress);
        }
    }

    /// Takes an answer: fresh tokens, and what became of confirmed acknowledgements.
    pub(super) fn answered(&mut self, result: SettleResult) {
        let Some(frame) = self.unanswered.remove(&result.settle_id) else {
            return;
        };
        let mut results = result.results.into_iter().skip(frame.before);
        for said in frame.words {
            let mut status = results.next().unwrap_or_default();
            let renewed = status.metadata.remove("ack_token");
            if let Some(token) = renewed.filter(|_| self.holds(said.key)) {
                self.held[said.key.place].address.token = Bytes::from(token);
            }
            if let Word::Confirmed(confirm) = said.word {
                // Nobody may wait for it any more.
                let _ = confirm.send(Error::of_item(status).map_or(Ok(()), Err));
            }
        }
    }

    /// The session is over: what was said and not answered is said again.
    pub(super) fn moved(&mut self) {
        for (_, frame) in std::mem::take(&mut self.unanswered) {
            self.acks.extend(frame.acks);
            let said = frame.words.into_iter();
            self.words
                .extend(said.filter(|said| !matches!(said.word, Word::InProgress)));
        }
        self.words
            .retain(|said| !matches!(said.word, Word::InProgress));
        self.unsaid_since = Some(Instant::now());
    }

    /// The tokens that the next session is asked to take over.
    pub(super) fn offer(&mut self, most: usize) -> Vec<String> {
        let held = self.held.iter().map(|(place, held)| {
            let key = Key {
                place,
                serial: held.serial,
            };
            (key, held.address.token.clone())
        });
        self.offered = held.take(most).collect();
        self.offered
            .iter()
            .map(|(_, token)| text(token).to_owned())
            .collect()
    }

    /// Takes the answer to an offer: new tokens; what the session does not hold comes again, and is not ours any more.
    pub(super) fn adopted(&mut self, opened: &SessionOpened, session: u64) {
        let mut fresh = opened.held.iter();
        let mut lost = opened.not_held.iter().peekable();
        let mut settled = HashMap::new();
        for (key, old) in std::mem::take(&mut self.offered) {
            let is_lost = lost.next_if(|lost| lost.as_bytes() == old).is_some();
            if is_lost {
                if self.holds(key) {
                    self.held.remove(key.place);
                }
                continue;
            }
            let token = fresh
                .next()
                .map_or_else(|| old.clone(), |token| Bytes::from(token.clone()));
            if self.holds(key) {
                self.held[key.place].address = Address {
                    session,
                    number: 0,
                    token,
                };
            } else {
                settled.insert(old, token);
            }
        }
        // Said meanwhile, and not sent: the new token tells the new session.
        let words = self.words.iter_mut().map(|said| &mut said.address);
        for address in self.acks.iter_mut().chain(words) {
            if let Some(token) = settled.remove(&address.token) {
                *address = Address {
                    session,
                    number: 0,
                    token,
                };
            }
        }
    }

    /// Nothing will be said any more.
    pub(super) fn abandon(&mut self, why: &Error) {
        let unanswered = std::mem::take(&mut self.unanswered);
        let said = unanswered.into_values().flat_map(|frame| frame.words);
        for said in said.chain(std::mem::take(&mut self.words)) {
            if let Word::Confirmed(confirm) = said.word {
                let _ = confirm.send(Err(why.clone()));
            }
        }
        self.acks.clear();
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!((book.held(), book.unsaid(), book.unanswered()), (2, 0, 1));
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
    fn fresh_tokens_are_kept_and_confirmations_told() {
        let (mut book, keys) = book(2);
        let (sender, mut confirmed) = oneshot::channel();
        book.renew();
        book.say(keys[1], Word::Confirmed(sender));
        let renewals = book.frame(1).unwrap();
        let confirmation = book.frame(1).unwrap();
        assert!(!renewals.confirm && confirmation.confirm);
        let fresh = |token: &str| crate::v1::ItemStatus {
            metadata: HashMap::from([("ack_token".to_owned(), token.to_owned())]),
            ..Default::default()
        };
        book.answered(SettleResult {
            settle_id: renewals.settle_id,
            results: vec![fresh("f1"), fresh("f2")],
        });
        book.answered(SettleResult {
            settle_id: confirmation.settle_id,
            results: vec![Default::default()],
        });
        assert!(confirmed.try_recv().unwrap().is_ok());
        assert_eq!(book.offer(10), ["f1"]);
        assert_eq!(book.unanswered(), 0);
    }
}
