//! Books each payment once, whatever crashes and however often it is started.
//!
//! Its publisher names the business event: the payment's own id is the message id, not one of this attempt. Its consumer
//! writes the effect and that id in one step, before it acknowledges, and knows by the id what it has booked before. The
//! acknowledgement is confirmed: once it returns, JetStream has it. The program ends when nothing has come for five seconds.
//!
//! `JETGATE_URL` is the gateway, "http://127.0.0.1:50051" by default; `STREAM_NAME` and `CONSUMER_NAME` what it makes, PAYMENTS
//! and ledger by default; `LEDGER` the file, ledger.txt by default.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::HashSet;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use jetgate_client::{Client, Message, v1};
use tokio::time::timeout;

/// What would be a database: a line has the id and the effect, and is there as a whole or not at all.
struct Ledger {
    file: File,
    booked: HashSet<String>,
    balance: u64,
}

impl Ledger {
    fn open(path: &str) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let lines = || text.lines().filter_map(|line| line.split_once(' '));
        Ok(Self {
            booked: lines().map(|(id, _)| id.to_owned()).collect(),
            balance: lines().filter_map(|(_, it)| it.parse::<u64>().ok()).sum(),
            file,
        })
    }

    /// Books an amount under an id; false where that was booked before.
    fn book(&mut self, id: &str, amount: u64) -> io::Result<bool> {
        if self.booked.contains(id) {
            return Ok(false);
        }
        self.file.write_all(format!("{id} {amount}\n").as_bytes())?;
        self.file.sync_data()?;
        self.booked.insert(id.to_owned());
        self.balance += amount;
        Ok(true)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name, usual: &str| env::var(name).unwrap_or_else(|_| usual.to_owned());
    let client = Client::connect(&variable("JETGATE_URL", "http://127.0.0.1:50051"))?;
    let stream = variable("STREAM_NAME", "PAYMENTS");
    let consumer = variable("CONSUMER_NAME", "ledger");
    let config = v1::StreamConfig {
        name: stream.clone(),
        subjects: vec!["payments.*".into()],
        ..Default::default()
    };
    client.apply_stream(config).await?;
    let config = v1::ConsumerConfig {
        durable_name: consumer.clone(),
        ..Default::default()
    };
    client.apply_consumer(&stream, config).await?;

    // The first twice, as a program would that has crashed in between: the payment's id makes one message of it.
    for payment in ["payment-1", "payment-1", "payment-2"] {
        let message = Message::new("payments.received", "100").message_id(payment);
        client.publish(message).await?;
    }

    let mut ledger = Ledger::open(&variable("LEDGER", "ledger.txt"))?;
    let mut booked = 0;
    let mut consumer = client.consumer(stream, consumer).open().await?;
    while let Ok(Some(message)) = timeout(Duration::from_secs(5), consumer.next()).await {
        let message = message?;
        let amount = message.text().parse()?;
        booked += u32::from(ledger.book(message.message_id(), amount)?);
        // Returns once JetStream has it. Before that the message may come again, and its id is in the ledger.
        message.ack_confirmed().await?;
    }
    println!(
        "booked {booked} payments, the balance is {}",
        ledger.balance
    );
    consumer.close().await?;
    Ok(())
}
