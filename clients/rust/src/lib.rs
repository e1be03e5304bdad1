//! Publishes to and consumes from NATS JetStream through a jetgate gateway.
//!
//! A [`Client`] holds the connections. A [`Publisher`] sends messages in batches and tells of each what became of it; a
//! [`Consumer`] is a stream of the messages of a durable consumer, which are settled; a [`Reader`] reads a stream in order.
//! All three outlive the gateways that they talk to: when one ends, they go on with another.
//!
//! ```no_run
#![doc = include_str!("../examples/quickstart.rs")]
//! ```
//!
//! What the gateway offers beyond that is in [`v1`], the generated code, whose clients take [`Client::connection`]. All of it
//! runs on tokio, which the types of this crate need when they are made.

mod admin;
mod attempts;
mod backoff;
mod client;
mod connection;
mod consumer;
mod delivery;
mod departure;
mod error;
mod fetch;
mod line;
mod message;
mod publish;
mod publisher;
mod reader;
mod sync;
pub mod v1;
mod wire;

pub use client::{Client, ClientBuilder};
pub use connection::Connection;
pub use consumer::{Consumer, ConsumerBuilder, Received, Status};
pub use delivery::Delivery;
pub use error::{Error, Retry};
pub use fetch::Fetched;
pub use message::{Expect, Message};
pub use publish::Published;
pub use publisher::{Ack, Publisher, PublisherBuilder};
pub use reader::{Position, Reader, ReaderBuilder};
pub use tonic::Code;
pub use v1::ErrorReason;

/// A time as the contract's messages have it: `ack_wait: Some(duration(Duration::from_secs(30)))`.
pub fn duration(time: std::time::Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: time.as_secs().min(i64::MAX as u64) as i64,
        nanos: time.subsec_nanos() as i32,
    }
}
