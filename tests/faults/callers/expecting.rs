//! Publishes each message on the condition that the one before is the last of its subject. So what is
//! unknown is tried again without an id: where it is stored already, it stands in its own way.

use tokio::time::sleep;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{Caller, DEADLINE, Outcome, PAUSE, patient, reason};
use crate::history::Key;
use crate::payload::{content, payload};
use crate::proto::publish_request::Payload;
use crate::proto::{Expectation, PublishRequest};

/// What a message comes to.
enum Fate {
    /// The sequence of the last message of the subject.
    Last(u64),
    /// It stays unknown.
    Open,
}

/// Publishes until it is enough.
pub(super) async fn run(mut caller: Caller) {
    let writer = caller
        .scene
        .writer(caller.identity, "expecting", true, false);
    let (mut counter, mut last) = (0, 0);
    while caller.paced(1).await {
        // Behind one that stays unknown nobody could tell which of the two is found.
        match publish(&mut caller, Key { writer, counter }, last).await {
            Fate::Last(sequence) => last = sequence,
            Fate::Open => return,
        }
        counter += 1;
    }
}

async fn publish(caller: &mut Caller, key: Key, last: u64) -> Fate {
    let data = payload(key, &mut caller.rng);
    let hash = content(&data).hash;
    let request = PublishRequest {
        subject: format!("{}.{}.expecting", caller.scene.stream, key.writer),
        payload: Some(Payload::Data(data)),
        expect: Some(Expectation {
            last_subject_sequence: Some(last),
            ..Expectation::default()
        }),
        ..PublishRequest::default()
    };
    let mut is_open = false;
    loop {
        let op = caller.scene.invoke(key, hash, Some(DEADLINE), None);
        let mut publisher = caller.publisher();
        let call = publisher.publish(caller.within(request.clone(), DEADLINE));
        let answer = patient(DEADLINE, call).await;
        let found = answer.as_ref().err().and_then(found);
        let outcome = match (answer, found) {
            (Ok(answer), _) => Outcome::Stored {
                sequence: Some(answer.get_ref().sequence),
                duplicate: false,
            },
            (Err(_), Some(found)) if is_open && found > last => Outcome::Stored {
                sequence: Some(found),
                duplicate: true,
            },
            (Err(status), _) => {
                caller.denied(&status);
                Outcome::of(&status)
            }
        };
        caller.scene.outcome(op, &outcome);
        match outcome {
            Outcome::Stored { sequence, .. } => return Fate::Last(sequence.unwrap_or_default()),
            Outcome::Unknown(_) => is_open = true,
            // The subject has been purged, and what was open with it.
            Outcome::Refused(_) if !is_open || found.is_some_and(|found| found < last) => {
                return Fate::Last(found.unwrap_or(last));
            }
            Outcome::Refused(_) => {}
        }
        caller.move_on();
        if caller.gives_up() {
            return Fate::Open;
        }
        sleep(PAUSE).await;
    }
}

/// The sequence that was found in place of the expected one.
fn found(status: &Status) -> Option<u64> {
    reason(status).filter(|reason| reason == "WRONG_LAST_SEQUENCE")?;
    let details = status.get_details_error_info()?;
    details.metadata.get("actual_sequence")?.parse().ok()
}
