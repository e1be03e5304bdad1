//! jetgate: a gRPC gateway to NATS JetStream.
//!
//! The path of a request: `listener` accepts the connection, `server` is the stack around the
//! services, `service` unpacks and answers, `convert` checks and translates, `nats` talks to
//! JetStream. A consuming session lives in `subscription`; every failure is an `error::Error`.
//! `app` and `backend` are the only places that wire these together.

pub mod admin;
pub mod alarm;
pub mod app;
pub mod auth;
mod backend;
pub mod cli;
mod clock;
mod codec;
pub mod config;
pub mod console;
pub mod convert;
pub mod dead_letters;
pub mod deadline;
pub mod dev;
pub mod doctor;
pub mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
pub mod limits;
pub mod listener;
pub mod memory;
pub mod metrics;
pub mod names;
pub mod nats;
pub mod open_files;
pub mod output;
pub mod proto;
pub mod publishing;
mod server;
pub mod service;
pub mod sessions;
pub mod shutdown;
#[cfg(test)]
mod simulation;
pub mod subscription;
pub mod telemetry;
pub mod tenants;
pub mod tls;
pub mod token;
pub mod traces;
pub mod web;
