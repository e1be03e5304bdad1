//! JetStream's fast ingest (ADR-50) as a client without a gateway would use it: the sequence and the
//! operation stand in the reply subject, and one answer covers many messages.

use std::sync::Arc;

use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::Result;
use crate::measure::{Amount, Round};
use crate::stage::{PAYLOAD, SUBJECT, message_id};

/// Messages between two answers, as the server's own bound allows.
const FLOW: u16 = 500;

/// How many messages are taken out of the window at a time.
const STEP: u32 = 128;

/// The operations of a batch.
const START: u8 = 0;
const APPEND: u8 = 1;
const COMMIT_WITHOUT_MESSAGE: u8 = 3;

/// Publishes this much in one batch, with at most `window` messages unanswered.
pub(crate) async fn ingest(
    client: &Client,
    ids: bool,
    window: usize,
    amount: Amount,
) -> Result<Round> {
    let inbox = client.new_inbox();
    let answers = client.subscribe(format!("{inbox}.>")).await?;
    let room = Arc::new(Semaphore::new(window));
    let started = Instant::now();
    let settled = tokio::spawn(settle(answers, Arc::clone(&room)));

    let mut sent = 0;
    let reply =
        |number: u64, operation: u8| format!("{inbox}.{FLOW}.fail.{number}.{operation}.$FI");
    while amount.goes_on(sent, started) {
        let Ok(permits) = room.acquire_many(STEP).await else {
            break; // The batch has ended early, and says why.
        };
        permits.forget();
        for _ in 0..STEP {
            let operation = if sent == 0 { START } else { APPEND };
            let reply = reply(sent + 1, operation);
            if ids {
                let mut headers = async_nats::HeaderMap::new();
                headers.insert("Nats-Msg-Id", message_id(sent));
                client
                    .publish_with_reply_and_headers(SUBJECT, reply, headers, PAYLOAD)
                    .await?;
            } else {
                client.publish_with_reply(SUBJECT, reply, PAYLOAD).await?;
            }
            sent += 1;
        }
    }
    let commit = reply(sent + 1, COMMIT_WITHOUT_MESSAGE);
    client
        .publish_with_reply(SUBJECT, commit, Bytes::new())
        .await?;
    let count = settled.await??;
    Ok(Round::of(count, started))
}

/// Makes room as answers come, until the last, which tells how many messages the batch has stored.
async fn settle(mut answers: Subscriber, room: Arc<Semaphore>) -> Result<u64> {
    let mut settled = 0;
    while let Some(answer) = answers.next().await {
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        match (answer["type"].as_str(), answer["seq"].as_u64()) {
            (Some("ack"), Some(through)) => {
                let more = through.saturating_sub(settled);
                room.add_permits(usize::try_from(more)?);
                settled += more;
            }
            _ if answer["batch"].is_string() && answer["error"].is_null() => {
                let count = answer["count"].as_u64();
                return count.ok_or_else(|| "a batch without a count".into());
            }
            _ => {
                room.close();
                return Err(format!("the batch was refused: {answer}").into());
            }
        }
    }
    Err("the connection was lost".into())
}
