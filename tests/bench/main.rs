//! `make bench`: measures the gateway beside the native client, on one nats-server and in one run.

#![allow(
    clippy::print_stdout,
    reason = "its tables are what this program is for"
)]

mod consuming;
mod envoy;
mod fast_ingest;
mod measure;
mod native;
mod options;
mod program;
mod report;
mod rows;
mod stage;

use std::process::ExitCode;

use clap::Parser as _;
use jetgate_client::v1 as proto;

use crate::options::Options;
use crate::report::Report;

/// What can go wrong is told to a person and not reacted to.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T> = std::result::Result<T, Error>;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if options.list {
        rows::names().for_each(|name| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    }
    options.check(rows::names())?;
    let mut report = Report::begin(&options)?;
    rows::run(&options, &mut report).await;
    report.finish(&options)
}
