//! What callers say of deliveries outside of a `Consume`, and what was confirmed.

use tokio::time::sleep;

use super::{ACK_WAIT, Caller, DEADLINE, PAUSE, patient};
use crate::history::{Event, micros};
use crate::payload::content;
use crate::proto::acknowledgement::Target;
use crate::proto::received_message::Payload;
use crate::proto::{AckKind, AcknowledgeRequest, Acknowledgement, ReceivedMessage};

/// How often an acknowledgement is tried that was not confirmed.
const ATTEMPTS: u32 = 3;

/// One in so many deliveries is given back.
const GIVEN_BACK: u32 = 20;

/// Takes down what was delivered.
pub(super) fn delivered(caller: &Caller, session: u64, messages: &[ReceivedMessage]) {
    let scene = &caller.scene;
    for message in messages {
        let payload = match &message.payload {
            Some(Payload::Data(data)) => data.as_ref(),
            Some(Payload::Text(text)) => text.as_bytes(),
            None => &[],
        };
        scene.recorder.record(Event::Delivered {
            consumer: message.consumer.clone(),
            session,
            sequence: message.stream_sequence,
            consumer_sequence: message.consumer_sequence,
            attempt: message.delivery_attempt,
            subject: message.subject.clone(),
            content: content(payload),
        });
    }
    let count = messages.len() as u64;
    scene
        .delivered
        .fetch_add(count, std::sync::atomic::Ordering::Relaxed);
}

/// Takes down that JetStream has confirmed an acknowledgement.
pub(super) fn acked(caller: &Caller, consumer: &str, sequence: u64) {
    let consumer = consumer.to_owned();
    caller
        .scene
        .recorder
        .record(Event::Acked { consumer, sequence });
}

/// Acknowledges these deliveries by their tokens, but for a few that it gives back.
pub(super) async fn settle(caller: &mut Caller, messages: &[ReceivedMessage]) {
    let mut left: Vec<(AckKind, &ReceivedMessage)> = messages
        .iter()
        .map(|message| match caller.rng.u32(..GIVEN_BACK) {
            0 => (AckKind::Nak, message),
            _ => (AckKind::Ack, message),
        })
        .collect();
    for _ in 0..ATTEMPTS {
        if left.is_empty() {
            return;
        }
        let results = acknowledge(caller, &left).await;
        let mut results = results.into_iter();
        left.retain(|(kind, message)| match results.next() {
            Some(0) if *kind == AckKind::Ack => {
                acked(caller, &message.consumer, message.stream_sequence);
                false
            }
            // What was given back may be somebody else's by now.
            _ => *kind == AckKind::Ack,
        });
        if !left.is_empty() {
            caller.move_on();
            sleep(PAUSE).await;
        }
    }
}

/// The codes of all items; none where the call failed.
async fn acknowledge(caller: &Caller, items: &[(AckKind, &ReceivedMessage)]) -> Vec<i32> {
    let acknowledgements = items.iter().map(|(kind, message)| Acknowledgement {
        target: Some(Target::AckToken(message.ack_token.clone())),
        kind: (*kind).into(),
        delay: match kind {
            AckKind::Nak => (ACK_WAIT / 20).try_into().ok(),
            _ => None,
        },
        ..Acknowledgement::default()
    });
    let request = AcknowledgeRequest {
        acknowledgements: acknowledgements.collect(),
        confirm: None,
    };
    let op = called(caller, "Acknowledge");
    let mut subscriber = caller.subscriber();
    let call = subscriber.acknowledge(caller.within(request, DEADLINE));
    let answer = patient(DEADLINE, call).await;
    caller.scene.recorder.record(Event::Returned { op });
    if let Err(status) = &answer {
        caller.denied(status);
    }
    let results = answer.map(|answer| answer.into_inner().results);
    results
        .unwrap_or_default()
        .iter()
        .map(|item| item.code)
        .collect()
}

/// A call begins that has a deadline.
pub(super) fn called(caller: &Caller, method: &str) -> u64 {
    let op = caller.scene.op();
    let method = method.to_owned();
    let deadline = micros(DEADLINE);
    caller.scene.recorder.record(Event::Called {
        op,
        method,
        deadline,
    });
    op
}
