//! Carries a trace from a publisher through the stream to a consumer: W3C's `traceparent` in the call, for the gateway's log,
//! and in the message, for whoever processes it. With OpenTelemetry its propagator writes and reads both.
//!
//! `JETGATE_URL` is the gateway, "http://127.0.0.1:50051" by default; `STREAM_NAME` and `CONSUMER_NAME` say where to.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::env;

use jetgate_client::{Client, Message};

tokio::task_local! {
    /// The trace that the program works in.
    static TRACE: String;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = env::var("JETGATE_URL").unwrap_or_else(|_| "http://127.0.0.1:50051".into());
    let client = Client::builder(&address)
        .metadata(|metadata| {
            let trace = TRACE.try_with(|trace| trace.parse());
            if let Ok(Ok(trace)) = trace {
                metadata.insert("traceparent", trace);
            }
        })
        .connect()?;
    let trace = format!("00-{:032x}-{:016x}-01", 0x0af7_6519_u128, 0xb7ad_u64);
    let published = TRACE.scope(trace.clone(), async {
        let message = Message::new("users.login", "ada").header("traceparent", TRACE.get());
        client.publish(message).await
    });
    println!("published {} in {trace}", published.await?);

    let (stream, consumer) = (env::var("STREAM_NAME")?, env::var("CONSUMER_NAME")?);
    let mut consumer = client.consumer(stream, consumer).open().await?;
    if let Some(message) = consumer.next().await {
        let message = message?;
        let trace = message
            .header("traceparent")
            .unwrap_or("no trace")
            .to_owned();
        TRACE
            .scope(trace, async {
                println!("{} goes on in {}", message.text(), TRACE.get())
            })
            .await;
        message.ack_confirmed().await?;
    }
    consumer.close().await?;
    Ok(())
}
