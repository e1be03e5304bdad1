//! The client against real gateways and real nats-servers, which tests/scenarios/world.py runs.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests lie outside the functions that clippy takes for tests"
)]

mod administering;
mod connecting;
mod consuming;
mod documents;
mod ephemeral;
mod expected;
mod fetching;
mod generated;
mod proxy;
mod publishing;
mod repeating;
mod scenario;
mod scenarios;
mod sessions;
mod step;
mod world;
