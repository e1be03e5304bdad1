//! Publishes events of a business process: each has an id of its own, so that publishing it again stores it once.
//!
//! `JETGATE_URL` is the gateway, "http://127.0.0.1:50051" by default; `JETGATE_API_KEY` its key, if it asks for one;
//! `STREAM_NAME` the stream that has to take them, if only one may; `EVENTS` how many events, 100 by default.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::env;

use jetgate_client::{Client, Message};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = env::var("JETGATE_URL").unwrap_or_else(|_| "http://127.0.0.1:50051".into());
    let count: u32 = env::var("EVENTS").map_or(Ok(100), |text| text.parse())?;
    let mut builder = Client::builder(&address).name("event-publisher");
    if let Ok(key) = env::var("JETGATE_API_KEY") {
        builder = builder.api_key(key);
    }
    let mut publisher = builder.connect()?.publisher();
    if let Ok(stream) = env::var("STREAM_NAME") {
        publisher = publisher.stream(stream);
    }
    let publisher = publisher.start();
    let mut acks = Vec::new();
    for number in 0..count {
        let event = format!(r#"{{"user_id": {number}, "action": "login"}}"#);
        // The id is the event's, not the attempt's: a program that crashes and does all of it again stores it once.
        let message = Message::new("users.login", event).message_id(format!("login-{number}"));
        acks.push(publisher.publish(message).await?);
    }
    let mut duplicates = 0;
    for ack in acks {
        duplicates += u32::from(ack.await?.duplicate());
    }
    publisher.close().await?;
    println!("published {count} events, {duplicates} of them known before");
    Ok(())
}
