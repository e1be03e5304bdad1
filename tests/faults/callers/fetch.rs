//! Fetches and acknowledges.

use std::time::Duration;

use tokio::time::sleep;

use super::settling::{called, delivered, settle};
use super::{Caller, DEADLINE, PAUSE, patient};
use crate::history::Event;
use crate::proto::FetchRequest;

/// Consumes until it is over.
pub(super) async fn run(mut caller: Caller, role: &str) {
    while !caller.scene.over.is_cancelled() {
        caller.scene.awake().await;
        let request = FetchRequest {
            stream: caller.scene.stream.clone(),
            consumer: caller.scene.consumer(role),
            batch: 50,
            max_wait: Duration::from_secs(1).try_into().ok(),
            ..FetchRequest::default()
        };
        let session = caller.scene.session();
        let op = called(&caller, "Fetch");
        let mut subscriber = caller.subscriber();
        let answer = patient(DEADLINE, subscriber.fetch(caller.within(request, DEADLINE))).await;
        caller.scene.recorder.record(Event::Returned { op });
        match answer {
            Ok(answer) => {
                let messages = answer.into_inner().messages;
                delivered(&caller, session, &messages);
                settle(&mut caller, &messages).await;
            }
            Err(status) => {
                caller.denied(&status);
                caller.move_on();
                sleep(PAUSE).await;
            }
        }
    }
}
