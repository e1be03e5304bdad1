//! The verbs of publishing.

use std::time::Duration;

use jetgate_client::{Ack, Client, Error, Message};
use tokio::time::timeout;

use crate::expected;
use crate::step::Step;

pub(super) async fn publish_many(
    step: &Step,
    client: &Client,
    within: Duration,
) -> Result<(), Error> {
    let mut messages: Vec<Message> = step
        .list("messages")
        .iter()
        .map(expected::message)
        .collect();
    let (subject, prefix) = (
        step.text("subject").unwrap_or_default().to_owned(),
        step.text("prefix"),
    );
    let first = step.number("first").unwrap_or(1);
    for number in first..first + step.number("count").unwrap_or_default() {
        messages.push(Message::new(
            subject.clone(),
            format!("{}{number}", prefix.unwrap()),
        ));
    }
    let settings = step.part("publisher");
    let mut publisher = client.publisher();
    if let Some(stream) = settings.text("stream") {
        publisher = publisher.stream(stream);
    }
    if settings.flag("cumulative") {
        publisher = publisher.cumulative();
    }
    if let Some(most) = settings.number("max_in_flight") {
        publisher = publisher.max_in_flight(most as usize);
    }
    settings.all_read();
    let publisher = publisher.start();
    let (per_second, begun) = (step.number("per_second"), tokio::time::Instant::now());
    let mut acks: Vec<Ack> = Vec::new();
    for message in messages {
        if let Some(per_second) = per_second.filter(|_| acks.len().is_multiple_of(100)) {
            let due = begun + Duration::from_secs_f64(acks.len() as f64 / per_second as f64);
            tokio::time::sleep_until(due).await;
        }
        acks.push(publisher.publish(message).await?);
    }
    publisher.flush().await?;
    publisher.close().await?;
    let results = step.list("results");
    for (place, ack) in acks.into_iter().enumerate() {
        let outcome = timeout(within, ack).await.expect("it is answered in time");
        match results.get(place) {
            Some(expected) => expected::outcome(&outcome, expected),
            None => {
                outcome?;
            }
        }
    }
    Ok(())
}

pub(super) async fn publish_batch(step: &Step, client: &Client) -> Result<(), Error> {
    let messages: Vec<_> = step
        .list("messages")
        .iter()
        .map(expected::message)
        .collect();
    let count = messages.len();
    let outcomes = match step.text("mode").unwrap() {
        "independent" => client.publish_batch(messages).await?,
        "ordered" => client.publish_ordered(messages).await?,
        "atomic" => client
            .publish_atomic(messages)
            .await?
            .into_iter()
            .map(Ok)
            .collect(),
        other => panic!("unknown mode {other}"),
    };
    assert_eq!(outcomes.len(), count);
    for (outcome, expected) in outcomes.iter().zip(step.list("results")) {
        expected::outcome(outcome, &expected);
    }
    Ok(())
}
