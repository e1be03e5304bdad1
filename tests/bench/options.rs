//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures jetgate beside the native client and prints tables.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Rows to measure, by the beginnings of their names; all without any
    pub(crate) rows: Vec<String>,
    /// Print the names of the rows and measure nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// How often each side is measured; the tables show medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long each side is measured each time
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    pub(crate) time: Duration,
    /// Also write everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The jetgate to measure: a release build
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) gateway: PathBuf,
    /// The nats-server that both sides use
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) nats_server: PathBuf,
    /// Where nats-server keeps its files; a folder in it is made and removed again
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    pub(crate) store: PathBuf,
}

impl Options {
    /// Whether the row of this name is measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| name.starts_with(row.as_str()))
    }
}
