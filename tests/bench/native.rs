//! Publishing without waiting, as async-nats does it.

use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::measure::{Amount, Round};
use crate::stage::{PAYLOAD, SUBJECT, message_id};
use crate::{Error, Result};

/// A message as both sides send it.
pub(crate) fn message(number: u64, ids: bool) -> PublishMessage {
    let message = PublishMessage::build().payload(PAYLOAD);
    match ids {
        true => message.message_id(message_id(number)),
        false => message,
    }
}

/// Publishes this much, with as many unanswered as the context allows, and waits for every answer.
pub(crate) async fn pipelined(context: &Context, ids: bool, amount: Amount) -> Result<Round> {
    // The context's own window is what holds the publisher.
    let (sent, unanswered) = mpsc::channel(1 << 16);
    let answers = tokio::spawn(answers(unanswered));
    let started = Instant::now();
    let mut number = 0;
    while amount.goes_on(number, started) {
        let answer = context.send_publish(SUBJECT, message(number, ids)).await?;
        // It fails when the other task did, which says why.
        if sent.send(answer).await.is_err() {
            break;
        }
        number += 1;
    }
    drop(sent);
    let count = answers.await??;
    Ok(Round::of(count, started))
}

async fn answers(mut unanswered: mpsc::Receiver<PublishAckFuture>) -> Result<u64> {
    let mut count = 0;
    while let Some(answer) = unanswered.recv().await {
        let answer = answer.await?;
        if answer.duplicate {
            return Err(Error::from("a new message was taken for a duplicate"));
        }
        count += 1;
    }
    Ok(count)
}
