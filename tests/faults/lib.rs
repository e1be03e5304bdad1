//! Proves the gateway's guarantees under faults, on a real cluster with real gateways.
//!
//! Its callers, its histories and its checker are those of the gateway's simulation, too.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its tables are what this program is for"
)]
#![allow(
    missing_docs,
    reason = "what is public is for one other place of this repository"
)]

mod access;
pub mod callers;
pub mod checker;
mod cluster;
mod control;
mod edge;
mod faults;
mod fleet;
pub mod history;
mod jetstream;
mod namespace;
mod network;
mod options;
pub mod payload;
mod program;
mod proxy;
pub mod recorder;
mod report;
mod run;
mod setup;
mod stage;
mod suites;
mod usage;
pub mod waiting;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use jetgate_client::v1 as proto;

use crate::options::Options;

/// What can go wrong in the driver itself is told to a person and not reacted to.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// The program.
///
/// # Errors
///
/// When the driver itself fails, and not a gateway.
pub fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if !options.list && options.judge.is_none() {
        namespace::enter();
    }
    tokio::runtime::Runtime::new()?.block_on(act(&options))
}

async fn act(options: &Options) -> Result<ExitCode> {
    if options.list {
        suites::list();
        return Ok(ExitCode::SUCCESS);
    }
    match &options.judge {
        Some(history) => judge(history),
        None => suites::run(options).await,
    }
}

/// Judges a history that was kept.
fn judge(path: &Path) -> Result<ExitCode> {
    let verdict = checker::judge(&history::read(path)?);
    println!("{:?}", verdict.figures);
    for violation in &verdict.violations {
        println!("VIOLATION {violation}");
    }
    Ok(match verdict.violations.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
