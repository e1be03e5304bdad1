//! What a message expects of those before it.

use super::agreement::Proposed;
use super::{Refusal, Stream};
use crate::names::subject_matches;
use crate::simulation::jetstream::spoil::Spoil;

impl Stream {
    /// Whether what a message expects is so. What is taken and not stored counts, too.
    pub(super) fn check_expectations(&self, message: &Proposed) -> Result<(), Refusal> {
        if self.spoil == Some(Spoil::IgnoresExpectations) {
            return Ok(());
        }
        let number = |name| message.stored.header(name)?.parse::<u64>().ok();
        if let Some(expected) = number("Nats-Expected-Last-Sequence") {
            let last = self.last + self.agreement.messages().count() as u64;
            if expected != last {
                return Err(wrong_last(last));
            }
        }
        let Some(expected) = number("Nats-Expected-Last-Subject-Sequence") else {
            return Ok(());
        };
        let named = "Nats-Expected-Last-Subject-Sequence-Subject";
        let subject = message.stored.header(named);
        let subject = subject.unwrap_or(&message.stored.subject);
        let mut waiting = self.agreement.messages();
        if waiting.any(|it| it.stored.subject == subject) {
            return Err(Refusal::new(400, 10164, "wrong last sequence"));
        }
        let mut held = self.messages.iter().rev();
        let found = held.find(|(_, stored)| subject_matches(subject, &stored.subject));
        let found = found.map_or(0, |(sequence, _)| *sequence);
        match found == expected {
            true => Ok(()),
            false => Err(wrong_last(found)),
        }
    }
}

fn wrong_last(found: u64) -> Refusal {
    Refusal::new(400, 10071, &format!("wrong last sequence: {found}"))
}
