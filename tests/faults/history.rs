//! What callers did and saw, and what was true in the end: one JSON line for each event.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Result;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Microseconds since the history began, by a clock that never goes back.
    pub at: u64,
    #[serde(flatten)]
    pub event: Event,
}

/// A message by who published it and its place among those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub writer: u32,
    /// From 0, without holes.
    pub counter: u64,
}

/// What a payload says it is, and the hash of what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// `None`: not a payload of any writer.
    pub key: Option<Key>,
    pub hash: u32,
}

/// What a fault takes away while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Victim {
    /// JetStream may change leaders, and forget what a consumer delivered last.
    JetStream,
    /// A gateway may be unable to answer its callers, whatever it does.
    Callers,
    /// Nothing that would excuse anything but outcomes that stay unknown.
    Nobody,
    /// No process and no connection suffers: an unknown outcome has no excuse, either.
    Nothing,
    /// Nothing is done at all: nor has a delivery that comes to nobody.
    Peace,
}

/// What a group of callers may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Admitted,
    /// That changes; either is right.
    Changing,
    Barred,
}

/// What happened. Times are in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The stream that all publish to, and how long it remembers ids.
    Stream {
        stream: String,
        duplicate_window: u64,
    },
    /// What a writer asks for.
    Writer {
        writer: u32,
        /// Who has the same rights.
        group: String,
        path: String,
        /// Its messages are stored in the order of their counters.
        strict: bool,
        /// Its messages have ids, so that it tries again what is unknown.
        ids: bool,
    },
    /// A consumer whose deliveries are acknowledged. By the end it has delivered all there is.
    Consumer { consumer: String },
    /// A consumer that somebody deleted.
    ConsumerGone { consumer: String },
    /// A consumer gives a message up that it has delivered so often.
    Limited { consumer: String, max_deliver: u32 },
    /// It has: nobody needs to have seen that message.
    GivenUp { consumer: String, sequence: u64 },
    /// An ordered read, over several sessions. By the end it has read all there is.
    Reader { reader: String },

    /// A message is published: the first attempt, or another.
    Invoke {
        op: u64,
        key: Key,
        hash: u32,
        /// How long the call may take.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<u64>,
        /// The messages of one number are stored all or none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        atomic: Option<u64>,
    },
    /// It is stored; an answer for many messages does not tell the sequence of each.
    Ok {
        op: u64,
        sequence: Option<u64>,
        duplicate: bool,
    },
    /// It is not stored, by this attempt.
    Refused { op: u64, reason: String },
    /// Nobody knows. So are attempts without any outcome.
    Unknown { op: u64, reason: String },

    /// Another call with a deadline.
    Called {
        op: u64,
        method: String,
        deadline: u64,
    },
    /// How it ended.
    Returned { op: u64 },

    /// A consumer delivered a message to a session.
    Delivered {
        consumer: String,
        session: u64,
        sequence: u64,
        consumer_sequence: u64,
        attempt: u32,
        subject: String,
        content: Content,
    },
    /// JetStream has confirmed its acknowledgement.
    Acked { consumer: String, sequence: u64 },
    /// An ordered read came to a message.
    Read {
        reader: String,
        sequence: u64,
        content: Content,
    },
    /// An ordered read was told that messages are missing.
    Gap {
        reader: String,
        first_available: u64,
    },

    /// A caller was denied what it asked for.
    Denied { group: String, reason: String },
    /// What a group may do from now on; before any such event it is admitted.
    Stands { group: String, standing: Standing },
    /// Something that was changed took so long until it was in force, in microseconds.
    InForce { what: String, took: u64, most: u64 },

    /// The caller load is complete.
    Loaded,
    /// A fault begins for somebody.
    Storm { victim: Victim },
    /// It is over.
    Calm { victim: Victim },
    /// All faults are over, and all processes run.
    Healed,
    /// The callers have been told to end.
    Drained,

    /// Somebody removed all messages up to this one.
    Purged { through: u64 },
    /// The stream was deleted with all that it held up to this sequence, and is made anew: it knows no ids of before.
    Deleted { through: u64 },
    /// The stream as this server holds it follows.
    Server { server: u32 },
    /// A message that the stream holds in the end, as one of its servers has it.
    Stored {
        server: u32,
        sequence: u64,
        content: Content,
    },
    /// Something that is used up, before the load and after it.
    Resource {
        what: String,
        before: u64,
        after: u64,
        most: u64,
    },
}

/// A time as entries have it.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Writes a history to a file.
pub fn write(path: &Path, entries: &[Entry]) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for entry in entries {
        serde_json::to_writer(&mut file, entry)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

/// Reads a history from a file.
pub fn read(path: &Path) -> Result<Vec<Entry>> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}
