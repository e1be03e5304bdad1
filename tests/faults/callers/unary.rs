//! Publishes one message after the other.

use tokio::time::sleep;

use super::{Caller, DEADLINE, Outcome, PAUSE, patient};
use crate::history::Key;
use crate::payload::{content, payload};
use crate::proto::PublishRequest;
use crate::proto::publish_request::Payload;

/// How often a message with an id is tried whose outcome is unknown.
const ATTEMPTS: u32 = 30;

/// Publishes until it is enough. With ids, what is unknown is tried again.
pub(super) async fn run(mut caller: Caller, ids: bool) {
    let path = if ids { "unary, ids" } else { "unary" };
    let writer = caller.scene.writer(caller.identity, path, false, ids);
    let mut counter = 0;
    while caller.paced(1).await {
        publish(&mut caller, Key { writer, counter }, ids).await;
        counter += 1;
    }
}

async fn publish(caller: &mut Caller, key: Key, ids: bool) {
    let data = payload(key, &mut caller.rng);
    let hash = content(&data).hash;
    let request = PublishRequest {
        subject: format!("{}.{}.{}", caller.scene.stream, key.writer, key.counter % 4),
        payload: Some(Payload::Data(data)),
        message_id: match ids {
            true => format!("{}-{}-{}", caller.scene.stream, key.writer, key.counter),
            false => String::new(),
        },
        ..PublishRequest::default()
    };
    let mut is_open = false;
    for _ in 0..ATTEMPTS {
        let op = caller.scene.invoke(key, hash, Some(DEADLINE), None);
        let mut publisher = caller.publisher();
        let call = publisher.publish(caller.within(request.clone(), DEADLINE));
        let outcome = match patient(DEADLINE, call).await {
            Ok(answer) => Outcome::Stored {
                sequence: Some(answer.get_ref().sequence),
                duplicate: answer.get_ref().duplicate,
            },
            Err(status) => {
                caller.denied(&status);
                Outcome::of(&status)
            }
        };
        caller.scene.outcome(op, &outcome);
        match outcome {
            Outcome::Stored { .. } => return,
            Outcome::Unknown(_) => is_open = true,
            Outcome::Refused(_) => {}
        }
        caller.move_on();
        // What was only refused is given up: it must not turn out stored.
        if !ids || !is_open || caller.gives_up() {
            return;
        }
        sleep(PAUSE).await;
    }
}
