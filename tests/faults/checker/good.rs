//! Histories without a fault in them, made from a seed: what the checker must find nothing in.

use fastrand::Rng;

use crate::history::{Content, Entry, Event, Key, Victim};

/// Between two steps.
const STEP: u64 = 10_000;
const STEPS: u64 = 800;
const DEADLINE: u64 = 1_000_000;

pub(super) const GROUP: &str = "callers";
pub(super) const PLAIN: u32 = 1;
pub(super) const STRICT: u32 = 2;
pub(super) const ATOMIC: u32 = 3;

/// What is made up, and the world that it is made up of.
struct World {
    rng: Rng,
    at: u64,
    ops: u64,
    entries: Vec<Entry>,
    /// The next counter of each writer.
    counters: [u64; 4],
    stored: Vec<(u64, Content)>,
    batches: u64,
    consumers: Vec<Consumer>,
    /// How many messages the reader has read.
    read: usize,
}

#[derive(Default)]
struct Consumer {
    name: &'static str,
    delivered: usize,
    deliveries: u64,
    /// Not acknowledged: sequence and attempt.
    held: Vec<(u64, u32)>,
}

/// A good history.
pub(super) fn history(seed: u64) -> Vec<Entry> {
    let consumer = |name| Consumer {
        name,
        ..Consumer::default()
    };
    let mut world = World {
        rng: Rng::with_seed(seed),
        at: 0,
        ops: 0,
        entries: Vec::new(),
        counters: [0; 4],
        stored: Vec::new(),
        batches: 0,
        consumers: vec![consumer("c1"), consumer("c2")],
        read: 0,
    };
    world.declare();
    for step in 0..STEPS {
        world.at += STEP;
        match step {
            100 => world.add(Event::Loaded),
            300 => world.add(Event::Storm {
                victim: Victim::Callers,
            }),
            400 => {
                world.add(Event::Calm {
                    victim: Victim::Callers,
                });
                world.add(Event::Healed);
            }
            _ => {}
        }
        world.publish();
        world.consume();
    }
    world.finish();
    world.entries
}

impl World {
    fn add(&mut self, event: Event) {
        self.at += 1;
        self.entries.push(Entry { at: self.at, event });
    }

    fn declare(&mut self) {
        let stream = "S".to_owned();
        self.add(Event::Stream {
            stream,
            duplicate_window: u64::MAX,
        });
        for writer in [PLAIN, STRICT, ATOMIC] {
            let path = "any".to_owned();
            self.add(Event::Writer {
                writer,
                group: GROUP.to_owned(),
                path,
                strict: writer == STRICT,
                ids: true,
            });
        }
        for name in ["c1", "c2"] {
            self.add(Event::Consumer {
                consumer: name.to_owned(),
            });
        }
        self.add(Event::Reader {
            reader: "r".to_owned(),
        });
    }

    fn publish(&mut self) {
        match self.rng.u32(0..4) {
            0 | 1 => self.publish_one(PLAIN, true),
            2 => self.publish_one(STRICT, false),
            _ => self.publish_batch(),
        }
    }

    fn next(&mut self, writer: u32) -> Content {
        let counter = &mut self.counters[writer as usize];
        let key = Some(Key {
            writer,
            counter: *counter,
        });
        *counter += 1;
        Content {
            key,
            hash: self.rng.u32(..),
        }
    }

    /// Publishes until the outcome is known, or for good when it may fail.
    fn publish_one(&mut self, writer: u32, may_fail: bool) {
        let content = self.next(writer);
        let mut sequence = None;
        loop {
            let op = self.invoke(content, None);
            match self.rng.u32(0..10) {
                0 if may_fail && sequence.is_none() => {
                    let reason = "STREAM_FULL".to_owned();
                    return self.add(Event::Refused { op, reason });
                }
                1 => {
                    if self.rng.bool() {
                        sequence.get_or_insert_with(|| store(&mut self.stored, content));
                    }
                    let reason = "PUBLISH_OUTCOME_UNKNOWN".to_owned();
                    self.add(Event::Unknown { op, reason });
                }
                _ => {
                    let duplicate = sequence.is_some();
                    let stored = *sequence.get_or_insert_with(|| store(&mut self.stored, content));
                    return self.add(Event::Ok {
                        op,
                        sequence: Some(stored),
                        duplicate,
                    });
                }
            }
        }
    }

    fn publish_batch(&mut self) {
        self.batches += 1;
        let batch: Vec<Content> = (0..3).map(|_| self.next(ATOMIC)).collect();
        let ops = batch
            .iter()
            .map(|content| self.invoke(*content, Some(self.batches)));
        let ops: Vec<u64> = ops.collect();
        let is_refused = self.rng.u32(0..5) == 0;
        for (op, content) in ops.into_iter().zip(batch) {
            if is_refused {
                let reason = "STREAM_FULL".to_owned();
                self.add(Event::Refused { op, reason });
            } else {
                let sequence = Some(store(&mut self.stored, content));
                self.add(Event::Ok {
                    op,
                    sequence,
                    duplicate: false,
                });
            }
        }
    }

    fn invoke(&mut self, content: Content, atomic: Option<u64>) -> u64 {
        self.ops += 1;
        let op = self.ops;
        let key = content.key.unwrap();
        let deadline = Some(DEADLINE);
        self.add(Event::Invoke {
            op,
            key,
            hash: content.hash,
            deadline,
            atomic,
        });
        op
    }

    /// Delivers what is new, and again what is held; acknowledges; reads.
    fn consume(&mut self) {
        for number in 0..self.consumers.len() {
            while self.consumers[number].delivered < self.stored.len() {
                let (sequence, _) = self.stored[self.consumers[number].delivered];
                self.consumers[number].delivered += 1;
                self.deliver(number, sequence, 1);
            }
            let held = std::mem::take(&mut self.consumers[number].held);
            for (sequence, attempt) in held {
                match self.rng.u32(0..10) {
                    0 => self.deliver(number, sequence, attempt + 1),
                    1..4 => self.ack(number, sequence),
                    _ => self.consumers[number].held.push((sequence, attempt)),
                }
            }
        }
        while self.read < self.stored.len() {
            let (sequence, content) = self.stored[self.read];
            self.read += 1;
            let reader = "r".to_owned();
            self.add(Event::Read {
                reader,
                sequence,
                content,
            });
        }
    }

    fn deliver(&mut self, number: usize, sequence: u64, attempt: u32) {
        let consumer = &mut self.consumers[number];
        consumer.deliveries += 1;
        consumer.held.push((sequence, attempt));
        let place = self
            .stored
            .iter()
            .rposition(|(stored, _)| *stored == sequence);
        let event = Event::Delivered {
            consumer: consumer.name.to_owned(),
            session: 1 + u64::from(attempt > 1),
            sequence,
            consumer_sequence: consumer.deliveries,
            attempt,
            subject: "s".to_owned(),
            content: self.stored[place.unwrap()].1,
        };
        self.add(event);
    }

    fn ack(&mut self, number: usize, sequence: u64) {
        self.ops += 1;
        let op = self.ops;
        let method = "Acknowledge".to_owned();
        self.add(Event::Called {
            op,
            method,
            deadline: DEADLINE,
        });
        self.add(Event::Returned { op });
        let consumer = self.consumers[number].name.to_owned();
        self.add(Event::Acked { consumer, sequence });
    }

    fn finish(&mut self) {
        self.add(Event::Drained);
        for server in 0..3 {
            self.add(Event::Server { server });
            for (sequence, content) in self.stored.clone() {
                self.add(Event::Stored {
                    server,
                    sequence,
                    content,
                });
            }
        }
        let what = "a certificate".to_owned();
        self.add(Event::InForce {
            what,
            took: 1,
            most: 1,
        });
        let what = "sessions".to_owned();
        self.add(Event::Resource {
            what,
            before: 0,
            after: 0,
            most: 0,
        });
    }
}

/// Stores a message; sequences may have holes.
fn store(stored: &mut Vec<(u64, Content)>, content: Content) -> u64 {
    let last = stored.last().map_or(0, |(sequence, _)| *sequence);
    let sequence = last + 1 + u64::from(last % 7 == 3);
    stored.push((sequence, content));
    sequence
}
