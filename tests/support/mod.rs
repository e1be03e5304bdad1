//! What the tests share: real servers, gateways, clients and proxies, and ways to wait and to look
//! into errors. Everything listens on a port that the system chooses and ends with its value.

#![allow(
    dead_code,
    unused_imports,
    reason = "each part serves some of the tests"
)]

mod assert;
mod cluster;
mod command;
pub(crate) mod consume;
pub(crate) mod consuming;
mod credentials;
pub(crate) mod dead_letters;
pub(crate) mod edge;
mod eventually;
mod file;
mod gateway;
mod http;
mod lossy;
mod nats;
pub(crate) mod otlp;
pub(crate) mod page;
pub(crate) mod pki;
mod port;
mod process;
mod program;
mod proxy;
pub(crate) mod publishing;
mod raw_grpc;
mod replica;
mod toxic;
mod wire;
pub(crate) mod worker;

pub(crate) use assert::{
    answered, finally_answered, is_of_the_gateway, metadata, reason, refused, violated_field,
};
pub(crate) use cluster::NatsCluster;
pub(crate) use command::{Jetgate, Ran};
pub(crate) use credentials::end_with_credentials;
pub(crate) use eventually::eventually;
pub(crate) use file::File;
pub(crate) use gateway::{Clients, Gateway};
pub(crate) use http::http_get;
pub(crate) use lossy::Lossy;
pub(crate) use nats::{NatsServer, nats_server_path};
pub(crate) use port::Port;
pub(crate) use process::Process;
pub(crate) use program::program;
pub(crate) use proxy::RoundRobin;
pub(crate) use raw_grpc::raw_call;
pub(crate) use replica::Replica;
pub(crate) use toxic::Toxic;
pub(crate) use wire::{StoredMessage, Wire, WireMessage};

use std::time::Duration;

use serde_json::Value;

/// The longest that a test waits for something that should happen soon, on a slow and busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A server and a gateway before it, ready to serve: what most tests begin with.
pub(crate) async fn start() -> (NatsServer, Gateway) {
    let nats = NatsServer::start().await;
    let gateway = Gateway::start(&nats.url()).await;
    (nats, gateway)
}

/// The same with a stream from JetStream's own JSON, and a client to look at it.
pub(crate) async fn start_with_stream(config: Value) -> (NatsServer, Gateway, Wire) {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(config).await;
    (nats, gateway, wire)
}
