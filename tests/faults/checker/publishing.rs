//! What was published against what is stored.

use std::collections::{BTreeMap, HashMap};

use super::{Figures, Rule, Verdict, Violation};
use crate::history::{Content, Entry, Event, Key};

/// What is known of all messages.
#[derive(Default)]
pub(super) struct Published {
    writers: BTreeMap<u32, Writer>,
    /// What the stream holds: sequence and content, in order.
    pub(super) stored: Vec<(u64, Content)>,
    /// Everything up to this sequence was removed on purpose, and when that was known.
    pub(super) purged: Option<(u64, u64)>,
    duplicate_window: u64,
}

#[derive(Default)]
struct Writer {
    strict: bool,
    ids: bool,
    messages: Vec<Message>,
}

/// One message, over all attempts.
#[derive(Clone, Default)]
struct Message {
    hash: Option<u32>,
    /// When it was published first, and last.
    invoked: (u64, u64),
    attempts: u32,
    /// When it was answered OK first.
    ok_at: Option<u64>,
    sequence: Option<u64>,
    refused: u32,
    atomic: Option<u64>,
    /// Where it was found.
    found: Option<u64>,
}

impl Message {
    /// Whether it was tried again when the stream could have forgotten its id: then it may be stored twice.
    fn outlasts(&self, window: u64) -> bool {
        self.invoked.1 - self.invoked.0 > window
    }

    /// Whether every attempt was refused.
    fn is_refused(&self) -> bool {
        self.attempts == self.refused
    }
}

impl Published {
    /// Fails where nobody published this, or not like this.
    pub(super) fn check_content(&self, content: Content, at: &str) -> Option<Violation> {
        let Some(message) = content.key.and_then(|key| self.message(key)) else {
            let detail = format!("{at}: {:?}", content.key);
            return Some(Violation::new(Rule::NeverAttempted, detail));
        };
        if message.hash == Some(content.hash) {
            return None;
        }
        let detail = format!("{at}: {:?} has another hash", content.key);
        Some(Violation::new(Rule::Corrupted, detail))
    }

    /// When a message was published first.
    pub(super) fn invoked_at(&self, content: Content) -> Option<u64> {
        Some(self.message(content.key?)?.invoked.0)
    }

    fn message(&self, key: Key) -> Option<&Message> {
        let message = self
            .writers
            .get(&key.writer)?
            .messages
            .get(usize::try_from(key.counter).ok()?)?;
        message.hash.is_some().then_some(message)
    }

    fn message_mut(&mut self, key: Key) -> &mut Message {
        let messages = &mut self.writers.entry(key.writer).or_default().messages;
        let place = usize::try_from(key.counter).unwrap_or(usize::MAX);
        if messages.len() <= place {
            messages.resize(place + 1, Message::default());
        }
        &mut messages[place]
    }

    /// What was told of sequences up to this one says nothing any more: what is sent again is stored again.
    fn forget_sequences(&mut self, through: u64) {
        let writers = self.writers.values_mut();
        for message in writers.flat_map(|writer| &mut writer.messages) {
            message.sequence = message.sequence.filter(|told| *told > through);
        }
    }

    /// Whether this message may be missing since somebody purged the stream.
    fn may_be_purged(&self, message: &Message) -> bool {
        self.purged
            .is_some_and(|(through, at)| match message.sequence {
                Some(sequence) => sequence <= through,
                None => message.invoked.0 <= at,
            })
    }
}

/// Checks what is stored; what is known of all messages is needed by the other checks.
pub(super) fn check(history: &[Entry], verdict: &mut Verdict) -> Published {
    let mut published = gather(history, verdict);
    place(&mut published, &mut verdict.violations);
    verdict.figures.stored = published.stored.len() as u64;
    for (number, writer) in &published.writers {
        check_writer(*number, writer, &published, &mut verdict.violations);
    }
    check_batches(&published, &mut verdict.violations);
    check_replicas(history, &published, &mut verdict.violations);
    published
}

/// Takes up attempts, their outcomes and what the first server holds.
fn gather(history: &[Entry], verdict: &mut Verdict) -> Published {
    let mut published = Published::default();
    let mut ops: HashMap<u64, Key> = HashMap::new();
    let mut deleted = None;
    let first_server = servers(history).next();
    for Entry { at, event } in history {
        match event {
            Event::Stream {
                duplicate_window, ..
            } => {
                published.duplicate_window = *duplicate_window;
            }
            Event::Writer {
                writer,
                strict,
                ids,
                ..
            } => {
                let entry = published.writers.entry(*writer).or_default();
                (entry.strict, entry.ids) = (*strict, *ids);
            }
            Event::Invoke {
                op,
                key,
                hash,
                atomic,
                ..
            } => {
                ops.insert(*op, *key);
                let message = published.message_mut(*key);
                message.invoked = match message.hash {
                    Some(_) => (message.invoked.0, *at),
                    None => (*at, *at),
                };
                message.hash = Some(*hash);
                message.attempts += 1;
                message.atomic = *atomic;
                verdict.figures.attempts += 1;
            }
            Event::Ok { op, .. } | Event::Refused { op, .. } | Event::Unknown { op, .. } => {
                let Some(key) = ops.get(op) else { continue };
                let window = published.duplicate_window;
                let message = published.message_mut(*key);
                outcome(*at, event, message, &mut verdict.figures);
                if let Event::Ok {
                    sequence: Some(sequence),
                    ..
                } = event
                    && deleted.is_none_or(|through| *sequence > through)
                {
                    let known = *message.sequence.get_or_insert(*sequence);
                    if known != *sequence && !message.outlasts(window) {
                        let detail = format!("{key:?} was told {known}, then {sequence}");
                        let violation = Violation::new(Rule::WrongSequence, detail);
                        verdict.violations.push(violation);
                    }
                }
            }
            Event::Purged { through } => published.purged = Some((*through, *at)),
            Event::Deleted { through } => {
                published.purged = Some((*through, *at));
                deleted = Some(*through);
                published.forget_sequences(*through);
            }
            Event::Stored {
                server,
                sequence,
                content,
            } if Some(*server) == first_server => {
                published.stored.push((*sequence, *content));
            }
            _ => {}
        }
    }
    published
}

fn outcome(at: u64, event: &Event, message: &mut Message, figures: &mut Figures) {
    match event {
        Event::Ok { .. } => {
            message.ok_at.get_or_insert(at);
        }
        Event::Refused { .. } => {
            message.refused += 1;
            figures.refused += 1;
        }
        _ => figures.unknown += 1,
    }
}

/// Finds the message of everything that is stored.
fn place(published: &mut Published, violations: &mut Vec<Violation>) {
    let window = published.duplicate_window;
    for (sequence, content) in published.stored.clone() {
        let wrong = published.check_content(content, &format!("stored at {sequence}"));
        violations.extend(wrong);
        let Some(key) = content.key.filter(|key| published.message(*key).is_some()) else {
            continue;
        };
        let message = published.message_mut(key);
        let first = message.found.replace(sequence);
        if let Some(first) = first
            && !message.outlasts(window)
        {
            let detail = format!("{key:?} is stored at {first} and at {sequence}");
            violations.push(Violation::new(Rule::StoredTwice, detail));
        }
    }
}

fn check_writer(
    number: u32,
    writer: &Writer,
    published: &Published,
    violations: &mut Vec<Violation>,
) {
    let is_found = |message: &Message| message.found.is_some();
    let first = writer.messages.iter().position(is_found);
    let last = writer.messages.iter().rposition(is_found);
    let mut highest = 0;
    for (place, message) in writer.messages.iter().enumerate() {
        let name = format!("message {place} of writer {number}");
        match message.found {
            None if message.ok_at.is_some() && !published.may_be_purged(message) => {
                let rule = match (first, last) {
                    (_, Some(last)) if place > last => Rule::LostTail,
                    (Some(first), _) if place < first => Rule::LostPrefix,
                    (None, None) => Rule::LostTail,
                    _ => Rule::LostMiddle,
                };
                violations.push(Violation::new(rule, name));
            }
            None => {}
            Some(found) => {
                if message.is_refused() {
                    violations.push(Violation::new(Rule::StoredThoughRefused, &name));
                }
                let is_elsewhere = message.sequence.is_some_and(|told| told != found);
                if is_elsewhere && !message.outlasts(published.duplicate_window) {
                    let detail = format!("{name}: told {:?}, is at {found}", message.sequence);
                    violations.push(Violation::new(Rule::WrongSequence, detail));
                }
                if writer.strict {
                    if found < highest {
                        violations.push(Violation::new(Rule::StrictOrder, &name));
                    }
                    let before = place.checked_sub(1).map(|place| &writer.messages[place]);
                    let is_hole = |before: &Message| {
                        before.found.is_none() && !published.may_be_purged(before)
                    };
                    if writer.ids && before.is_some_and(is_hole) {
                        violations.push(Violation::new(Rule::StrictHole, &name));
                    }
                }
                highest = highest.max(found);
            }
        }
    }
}

/// An atomic batch is all there, or nothing of it.
fn check_batches(published: &Published, violations: &mut Vec<Violation>) {
    let mut batches: BTreeMap<(u32, u64), (u64, u64)> = BTreeMap::new();
    for (number, writer) in &published.writers {
        for message in &writer.messages {
            let Some(atomic) = message.atomic else {
                continue;
            };
            let (all, found) = batches.entry((*number, atomic)).or_default();
            *all += 1;
            *found += u64::from(message.found.is_some());
        }
    }
    for ((writer, batch), (all, found)) in batches {
        if found != 0 && found != all && published.purged.is_none() {
            let detail =
                format!("{found} of the {all} messages of batch {batch} of writer {writer}");
            violations.push(Violation::new(Rule::TornBatch, detail));
        }
    }
}

/// Every server holds what the first does.
fn check_replicas(history: &[Entry], published: &Published, violations: &mut Vec<Violation>) {
    for server in servers(history).skip(1) {
        let held = history.iter().filter_map(|entry| match &entry.event {
            Event::Stored {
                server: holder,
                sequence,
                content,
            } if *holder == server => Some((*sequence, *content)),
            _ => None,
        });
        let held: Vec<(u64, Content)> = held.collect();
        let differs = held.iter().zip(&published.stored).position(|(a, b)| a != b);
        if differs.is_some() || held.len() != published.stored.len() {
            let place = differs.unwrap_or_else(|| held.len().min(published.stored.len()));
            let detail = format!("server {server} differs from the {place}th message on");
            violations.push(Violation::new(Rule::ReplicasDiffer, detail));
        }
    }
}

/// The servers that were read, in that order.
fn servers(history: &[Entry]) -> impl Iterator<Item = u32> {
    history.iter().filter_map(|entry| match entry.event {
        Event::Server { server } => Some(server),
        _ => None,
    })
}
