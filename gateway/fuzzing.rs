//! What fuzzers call: the parsers of what strangers send, each with what must hold of its results.
//!
//! libFuzzer runs these targets by `make fuzz`, from the crate in `fuzz/`; every test run feeds them
//! the corpus that is kept there (`fuzzing/tests.rs`). They are in no build of the gateway itself.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target panics where something does not hold"
)]

mod certificates;
mod configuration;
mod credentials;
mod filters;
mod frames;
mod handles;
mod metadata;
mod openings;
mod policy;
mod publishing;
mod requests;
mod subjects;
mod tokens;
mod traces;
mod web;

pub use certificates::client_certificates;
pub use configuration::configuration;
pub use credentials::credentials;
pub use filters::filters;
pub use frames::frames;
pub use handles::handles;
pub use metadata::timeouts;
pub use openings::openings;
pub use policy::{policy_decisions, policy_files};
pub use publishing::messages;
pub use requests::requests;
pub use subjects::{names, subjects};
pub use tokens::{ack_subjects, ack_tokens, resume_tokens};
pub use traces::trace_contexts;
pub use web::{console_calls, page_calls};

/// Separates the texts of one input: no UTF-8 has this byte.
const SEPARATOR: u8 = 0xff;

/// What the gateway's inboxes begin with here.
const INBOX: &str = "gateway.inbox";

/// The texts of an input.
fn texts(input: &[u8]) -> impl Iterator<Item = String> {
    let parts = input.split(|byte| *byte == SEPARATOR);
    parts.map(|part| String::from_utf8_lossy(part).into_owned())
}

#[cfg(test)]
mod tests;
