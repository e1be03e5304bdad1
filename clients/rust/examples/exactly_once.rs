//! Processes each payment once, whatever crashes: its publisher names the event, and its consumer records the effect together
//! with the message's id before it acknowledges.
//!
//! `JETGATE_URL` is the gateway, "127.0.0.1:50051" by default.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::HashMap;
use std::env;
use std::time::Duration;

use jetgate_client::{Client, Message, duration, v1};

/// What would be a database: the effect and the id are written in one transaction.
#[derive(Default)]
struct Ledger {
    seen: HashMap<String, u64>,
}

impl Ledger {
    /// Books an amount under an id; what was booked before changes nothing.
    fn book(&mut self, id: &str, amount: u64) {
        self.seen.entry(id.to_owned()).or_insert(amount);
    }

    fn balance(&self) -> u64 {
        self.seen.values().sum()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = env::var("JETGATE_URL").unwrap_or_else(|_| "127.0.0.1:50051".into());
    let client = Client::connect(&address)?;
    let stream = v1::StreamConfig {
        name: "PAYMENTS".into(),
        subjects: vec!["payments.*".into()],
        duplicate_window: Some(duration(Duration::from_secs(600))),
        ..Default::default()
    };
    client.apply_stream(stream).await?;
    let ledger = v1::ConsumerConfig {
        durable_name: "ledger".into(),
        ..Default::default()
    };
    client.apply_consumer("PAYMENTS", ledger).await?;

    // Twice, as a program would that has crashed in between: the order's id makes one message of it.
    for order in ["order-1", "order-1", "order-2"] {
        let message = Message::new("payments.received", "100").message_id(order);
        client.publish(message).await?;
    }

    let mut ledger = Ledger::default();
    let mut consumer = client.consumer("PAYMENTS", "ledger").open().await?;
    while let Ok(Some(message)) =
        tokio::time::timeout(Duration::from_secs(2), consumer.next()).await
    {
        let message = message?;
        ledger.book(message.message_id(), message.text().parse()?);
        // Returns once JetStream has it. Before that the message may come again, and is booked under its id again.
        message.ack_confirmed().await?;
    }
    println!("the balance is {}", ledger.balance());
    consumer.close().await?;
    Ok(())
}
