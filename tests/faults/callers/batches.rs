//! Publishes batches: in order until one fails, or all or none.

use tokio::time::sleep;

use super::{Caller, DEADLINE, Outcome, PAUSE, patient, reason};
use crate::history::Key;
use crate::payload::{content, payload};
use crate::proto::publish_request::Payload;
use crate::proto::{PublishBatchMode, PublishBatchRequest, PublishRequest, PublishResult};

const SIZE: u64 = 5;

/// How often a batch is tried of which something is unknown.
const ATTEMPTS: u32 = 30;

/// Publishes until it is enough.
pub(super) async fn run(mut caller: Caller, atomic: bool) {
    let path = if atomic {
        "atomic batch"
    } else {
        "ordered batch"
    };
    let writer = caller.scene.writer(caller.identity, path, false, true);
    let mut counter = 0;
    while caller.paced(SIZE as usize).await {
        let keys: Vec<Key> = (counter..counter + SIZE)
            .map(|counter| Key { writer, counter })
            .collect();
        publish(&mut caller, &keys, atomic).await;
        counter += SIZE;
    }
}

async fn publish(caller: &mut Caller, keys: &[Key], atomic: bool) {
    let messages: Vec<PublishRequest> = keys.iter().map(|key| message(caller, *key)).collect();
    let mode = match atomic {
        true => PublishBatchMode::Atomic,
        false => PublishBatchMode::OrderedStopOnError,
    };
    let request = PublishBatchRequest {
        messages,
        mode: mode.into(),
        mint_message_ids: false,
    };
    let batch = atomic.then(|| keys.first().map_or(0, |key| key.counter));
    let mut is_open = false;
    for _ in 0..ATTEMPTS {
        let ops = request.messages.iter().zip(keys).map(|(message, key)| {
            let hash = match &message.payload {
                Some(Payload::Data(data)) => content(data).hash,
                _ => 0,
            };
            caller.scene.invoke(*key, hash, Some(DEADLINE), batch)
        });
        let ops: Vec<u64> = ops.collect();
        let mut publisher = caller.publisher();
        let call = publisher.publish_batch(caller.within(request.clone(), DEADLINE));
        let outcomes = match patient(DEADLINE, call).await {
            Ok(answer) => answer.into_inner().results.iter().map(outcome).collect(),
            // Only what was unknown before can be known by its id.
            Err(status)
                if reason(&status).as_deref() == Some("DUPLICATE_MESSAGE_ID") && is_open =>
            {
                vec![
                    Outcome::Stored {
                        sequence: None,
                        duplicate: true
                    };
                    ops.len()
                ]
            }
            Err(status) => {
                caller.denied(&status);
                vec![Outcome::of(&status); ops.len()]
            }
        };
        for (op, outcome) in ops.iter().zip(&outcomes) {
            caller.scene.outcome(*op, outcome);
        }
        let is_done = |outcome: &Outcome| matches!(outcome, Outcome::Stored { .. });
        is_open |= outcomes
            .iter()
            .any(|outcome| matches!(outcome, Outcome::Unknown(_)));
        if outcomes.iter().all(is_done) {
            return;
        }
        caller.move_on();
        if !is_open || caller.gives_up() {
            return;
        }
        sleep(PAUSE).await;
    }
}

fn message(caller: &mut Caller, key: Key) -> PublishRequest {
    PublishRequest {
        subject: format!("{}.{}.{}", caller.scene.stream, key.writer, key.counter % 4),
        payload: Some(Payload::Data(payload(key, &mut caller.rng))),
        message_id: format!("{}-{}-{}", caller.scene.stream, key.writer, key.counter),
        ..PublishRequest::default()
    }
}

fn outcome(result: &PublishResult) -> Outcome {
    if let Some(published) = &result.published {
        // An atomic batch tells the sequence of each as well.
        return Outcome::Stored {
            sequence: Some(published.sequence).filter(|sequence| *sequence > 0),
            duplicate: published.duplicate,
        };
    }
    let reason = result.status.as_ref().map(|status| status.reason());
    let reason = reason.map_or("", |reason| reason.as_str_name());
    match reason.trim_start_matches("ERROR_REASON_") {
        "PUBLISH_OUTCOME_UNKNOWN" => Outcome::Unknown(reason.to_owned()),
        reason => Outcome::Refused(reason.to_owned()),
    }
}
