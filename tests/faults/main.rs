//! `make faults`: proves the gateway's guarantees under faults, on a real cluster with real gateways.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its tables are what this program is for"
)]

mod callers;
mod checker;
mod cluster;
mod control;
mod faults;
mod fleet;
mod history;
mod jetstream;
mod namespace;
mod options;
mod payload;
mod program;
mod proxy;
mod recorder;
mod report;
mod run;
mod stage;
mod suites;
mod waiting;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use jetgate_client::v1 as proto;

use crate::options::Options;

/// What can go wrong in the driver itself is told to a person and not reacted to.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T> = std::result::Result<T, Error>;

fn main() -> Result<ExitCode> {
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
