//! Processes the messages of a durable consumer until SIGTERM, then finishes what it works on.
//!
//! `STREAM_NAME` and `CONSUMER_NAME` say which consumer; `JETGATE_URL` is the gateway, "http://127.0.0.1:50051" by default;
//! `JETGATE_API_KEY` its key, if it asks for one.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::convert::Infallible;
use std::env;

use jetgate_client::{Client, Received};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = env::var("JETGATE_URL").unwrap_or_else(|_| "http://127.0.0.1:50051".into());
    let mut builder = Client::builder(&address).name("event-consumer");
    if let Ok(key) = env::var("JETGATE_API_KEY") {
        builder = builder.api_key(key);
    }
    let (stream, consumer) = (env::var("STREAM_NAME")?, env::var("CONSUMER_NAME")?);
    let consumer = builder.connect()?.consumer(stream, consumer).open().await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        terminate.recv().await;
    };
    // Up to eight at a time. What fails comes again; a message that can never succeed is terminated instead.
    consumer.for_each_concurrent(8, stop, process).await?;
    Ok(())
}

async fn process(message: Received) -> Result<(), Infallible> {
    if message.payload().is_empty() {
        message.term("an event without content");
        return Ok(());
    }
    println!(
        "{} #{}: {}",
        message.subject(),
        message.sequence(),
        message.text()
    );
    Ok(())
}
