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

/// No session has this number: where it is spoken to, everything goes by tokens.
pub(super) const NO_SESSION: u64 = 0;

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
    /// More time is asked for, and that is not said yet: once is enough.
    wants_time: bool,
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
    /// The rest. More time is asked for only while a message is held.
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
            wants_time: false,
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
        if self.unsaid() == 0 {
            self.unsaid_since = Some(Instant::now());
        }
        match word {
            Word::InProgress => self.ask_for_time(key),
            Word::Ack => {
                let address = self.release(key);
                self.acks.push(address);
            }
            word => {
                let address = self.release(key);
                self.words.push(Said { key, address, word });
            }
        }
        true
    }

    fn ask_for_time(&mut self, key: Key) {
        let held = &mut self.held[key.place];
        if !std::mem::replace(&mut held.wants_time, true) {
            let (address, word) = (held.address.clone(), Word::InProgress);
            self.words.push(Said { key, address, word });
        }
    }

    /// The message is not held any more.
    fn release(&mut self, key: Key) -> Address {
        let held = self.held.remove(key.place);
        if held.wants_time {
            self.words.retain(|said| said.key != key);
        }
        held.address
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

    /// Whether everything that was said has been answered.
    pub(super) fn has_said_all(&self) -> bool {
        self.unsaid() == 0 && self.unanswered.is_empty()
    }

    /// Whether a message that is done, or hopeless, would come again for all that is known.
    pub(super) fn owes(&self) -> bool {
        let is_last = |words: &[Said]| words.iter().any(|said| said.word.is_last());
        let is_owed = |it: &Unanswered| !it.acks.is_empty() || is_last(&it.words);
        !self.acks.is_empty() || is_last(&self.words) || self.unanswered.values().any(is_owed)
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
        for said in &mut kept.words {
            if let Word::InProgress = said.word {
                // By the token that is good now, whenever it was said.
                let held = &mut self.held[said.key.place];
                held.wants_time = false;
                said.address.clone_from(&held.address);
            }
        }
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
        for key in self.keys() {
            self.say(key, Word::InProgress);
        }
    }

    /// Asks for no more time: what is not settled shall come again.
    pub(super) fn let_go(&mut self) {
        self.words
            .retain(|said| !matches!(said.word, Word::InProgress));
    }

    /// The messages that are held.
    fn keys(&self) -> Vec<Key> {
        let held = self.held.iter();
        let key = |(place, held): (usize, &Held)| Key {
            place,
            serial: held.serial,
        };
        held.map(key).collect()
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
            for said in frame.words {
                match said.word {
                    Word::InProgress if self.holds(said.key) => self.ask_for_time(said.key),
                    Word::InProgress => {}
                    _ => self.words.push(said),
                }
            }
        }
        self.unsaid_since = Some(Instant::now());
    }

    /// The tokens that the next session is asked to take over.
    pub(super) fn offer(&mut self, most: usize) -> Vec<String> {
        let held = self.keys().into_iter().take(most);
        self.offered = held
            .map(|key| (key, self.held[key.place].address.token.clone()))
            .collect();
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
                    self.release(key);
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
mod tests;
