//! Dead letters: messages that JetStream gave up, kept with where they came from, and brought back.
//!
//! A stream captures JetStream's advisories; every gateway takes advisories from it by one shared
//! durable consumer, and writes a letter for each into a second stream. A letter's key is part of its
//! subject, and JetStream is asked to refuse a second message of that key: so a letter that was stored
//! before its advisory was acknowledged, or of which JetStream tells twice, stays one letter, whenever
//! the second attempt comes.

mod collecting;
pub mod config;
mod filter;
mod key;
mod letter;
mod listing;
mod reading;
mod removing;
mod replaying;
mod streams;
mod writing;

use std::sync::Arc;

use tokio::sync::watch;

pub use collecting::{Collector, State};
pub use filter::Filter;
pub use key::{Incarnation, Key, ReplayId, Subjects};
pub use letter::{Cause, Letter};
pub use listing::{Order, Page, Position};
pub use reading::Noted;
pub use removing::Purged;
pub use replaying::{Published, Repeat, Replay};

use crate::error::{Error, Reason, Result};
use crate::names::StreamName;
use crate::nats::Nats;

/// The dead letters of this gateway's account. Clones are handles to the same.
#[derive(Clone)]
pub struct DeadLetters(Arc<Inner>);

struct Inner {
    nats: Nats,
    letters: StreamName,
    advisories: StreamName,
    subjects: Subjects,
    config: config::Config,
    state: watch::Sender<State>,
}

impl DeadLetters {
    /// `None` where they are not configured, or not validly so.
    pub fn new(nats: Nats, config: &config::Config) -> Option<Self> {
        let name = |name: &Option<String>| StreamName::parse("name", name.as_deref()?).ok();
        let (state, _) = watch::channel(State::Starting);
        Some(Self(Arc::new(Inner {
            nats,
            letters: name(&config.letters)?,
            advisories: name(&config.advisories)?,
            subjects: Subjects::new(&config.subject)?,
            config: config.clone(),
            state,
        })))
    }

    /// The stream that keeps the letters.
    pub fn letters(&self) -> &StreamName {
        &self.0.letters
    }

    /// The stream that keeps the advisories.
    pub fn advisories(&self) -> &StreamName {
        &self.0.advisories
    }

    /// Whether letters are written.
    pub fn state(&self) -> State {
        self.0.state.borrow().clone()
    }
}

/// The error of every call where dead letters are not configured.
pub fn not_configured() -> Error {
    let text = "dead letters are not configured: dead_letters.letters and dead_letters.advisories name their streams";
    Error::new(Reason::DeadLettersNotConfigured, text)
}

fn not_found(key: &Key) -> Error {
    Error::new(
        Reason::DeadLetterNotFound,
        format!("there is no dead letter {key}"),
    )
}

/// What a missing message means to whoever may do without it.
fn if_found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.reason() == Reason::MessageNotFound => Ok(None),
        Err(error) => Err(error),
    }
}
