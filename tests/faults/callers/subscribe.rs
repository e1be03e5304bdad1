//! Subscribes, and acknowledges by calls of their own.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::settling::{delivered, settle};
use super::{Caller, Ended, PAUSE, SILENCE, showing};
use crate::proto::subscribe_request::Source;
use crate::proto::subscribe_response::Event;
use crate::proto::{FlowLimits, SubscribeRequest};

/// How many deliveries may be out.
const WINDOW: u32 = 64;

/// Consumes until it is over.
pub(super) async fn run(mut caller: Caller, role: &str) {
    while !caller.scene.over.is_cancelled() {
        // However it ended: the next session goes on.
        let ended = session(&mut caller, role).await;
        caller.ended(&ended);
        caller.move_on();
        sleep(PAUSE).await;
    }
}

async fn session(caller: &mut Caller, role: &str) -> Ended {
    let request = SubscribeRequest {
        stream: caller.scene.stream.clone(),
        source: Some(Source::Consumer(caller.scene.consumer(role))),
        flow: Some(FlowLimits {
            max_outstanding_messages: Some(WINDOW),
            max_outstanding_bytes: None,
        }),
        heartbeat_interval: Duration::from_secs(1).try_into().ok(),
        ..SubscribeRequest::default()
    };
    let number = caller.scene.session();
    let bearer = caller.bearer();
    let mut subscriber = caller.subscriber();
    let call = subscriber.subscribe(showing(&bearer, request));
    let mut events = timeout(SILENCE, call).await??.into_inner();
    let over = caller.scene.over.clone();
    loop {
        caller.scene.awake().await;
        if caller.is_stale(&bearer) {
            return Ok(());
        }
        let event = tokio::select! {
            biased;
            () = over.cancelled() => return Ok(()),
            event = timeout(SILENCE, events.message()) => event??,
        };
        let Some(event) = event else { return Ok(()) };
        if let Some(Event::Messages(batch)) = event.event {
            delivered(caller, number, &batch.messages);
            // The acknowledgements may end up on another gateway.
            settle(caller, &batch.messages).await;
        }
    }
}
