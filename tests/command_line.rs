//! The commands for people, as they are run: the real binary, a real gateway, a real nats-server.

mod apply;
mod looking;
mod publish;
mod secured;
mod subscribe;
mod top;

use serde_json::json;

use crate::support::{Gateway, Jetgate, NatsServer, Wire, start};

/// The exit code of a command that the gateway refuses.
const REFUSED: i32 = 1;

/// The exit codes of sysexits.h for a wrong command line or file, and for a gateway that is not there.
const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;

/// A stream ORDERS that takes `orders.>`, with so many messages "1", "2", ... on `orders.new`.
async fn orders(messages: u64) -> (NatsServer, Gateway, Wire, Jetgate) {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({"name": "ORDERS", "subjects": ["orders.>"], "storage": "memory"}))
        .await;
    for number in 1..=messages {
        wire.store("orders.new", number.to_string().as_bytes())
            .await;
    }
    let jetgate = Jetgate::at(gateway.public());
    (nats, gateway, wire, jetgate)
}

/// A durable consumer of ORDERS.
async fn worker(wire: &mut Wire) {
    wire.create_consumer(
        "ORDERS",
        json!({"durable_name": "worker", "ack_policy": "explicit", "max_deliver": 5}),
    )
    .await;
}
