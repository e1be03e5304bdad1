//! Reads the stream in order over many sessions, each where the last one ended.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{Caller, Ended, PAUSE, SILENCE, reason, showing};
use crate::history::Event as Happening;
use crate::payload::content;
use crate::proto::received_message::Payload;
use crate::proto::subscribe_request::Source;
use crate::proto::subscribe_response::Event;
use crate::proto::{OrderedConsumer, ReceivedMessage, SubscribeRequest};

/// How long a session lasts, in milliseconds: then the caller just leaves.
const LASTS: std::ops::Range<u64> = 1_000..6_000;

/// Reads until it is over.
pub(super) async fn run(mut caller: Caller, reader: &str) {
    let mut token = String::new();
    while !caller.scene.over.is_cancelled() {
        // However it ended: the next session goes on.
        let ended = session(&mut caller, reader, &mut token).await;
        caller.ended(&ended);
        if let Err(error) = &ended
            && let Some(status) = error.downcast_ref()
            && reason(status).is_some_and(|reason| reason.starts_with("RESUME_TOKEN"))
        {
            // Of a stream that is gone: what follows is read from its beginning.
            token.clear();
        }
        caller.move_on();
        sleep(PAUSE).await;
    }
}

async fn session(caller: &mut Caller, reader: &str, token: &mut String) -> Ended {
    let request = SubscribeRequest {
        stream: caller.scene.stream.clone(),
        source: Some(Source::Ordered(OrderedConsumer::default())),
        heartbeat_interval: Duration::from_secs(1).try_into().ok(),
        resume_token: token.clone(),
        ..SubscribeRequest::default()
    };
    let bearer = caller.bearer();
    let leaves = Instant::now() + Duration::from_millis(caller.rng.u64(LASTS));
    let mut subscriber = caller.subscriber();
    let call = subscriber.subscribe(showing(&bearer, request));
    let mut events = timeout(SILENCE, call).await??.into_inner();
    let over = caller.scene.over.clone();
    loop {
        caller.scene.awake().await;
        let event = tokio::select! {
            biased;
            () = over.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(leaves) => return Ok(()),
            event = timeout(SILENCE, events.message()) => event??,
        };
        match event.and_then(|event| event.event) {
            Some(Event::Opened(opened)) => *token = opened.resume_token,
            Some(Event::Messages(batch)) => {
                read(caller, reader, &batch.messages);
                *token = batch.resume_token;
            }
            Some(Event::Heartbeat(heartbeat)) => *token = heartbeat.resume_token,
            Some(Event::Draining(draining)) => {
                *token = draining.resume_token;
                return Ok(());
            }
            Some(Event::Gap(gap)) => {
                let (reader, first_available) = (reader.to_owned(), gap.first_available_sequence);
                let gap = Happening::Gap {
                    reader,
                    first_available,
                };
                caller.scene.recorder.record(gap);
            }
            None => return Ok(()),
        }
    }
}

fn read(caller: &Caller, reader: &str, messages: &[ReceivedMessage]) {
    for message in messages {
        let payload = match &message.payload {
            Some(Payload::Data(data)) => data.as_ref(),
            _ => &[],
        };
        caller.scene.recorder.record(Happening::Read {
            reader: reader.to_owned(),
            sequence: message.stream_sequence,
            content: content(payload),
        });
    }
    if let Some(last) = messages.last() {
        let mut read = caller
            .scene
            .read
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        read.insert(reader.to_owned(), last.stream_sequence);
    }
}
