//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::Result;

/// Measures jetgate beside the native client and prints tables.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Rows to measure, by the first parts of their names ("publish-stream/memory"); all without any
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
    /// Envoy, for the rows that are measured through it; they are left out without
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) envoy: Option<PathBuf>,
    /// Where nats-server keeps its files; a folder in it is made and removed again
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    pub(crate) store: PathBuf,
}

impl Options {
    /// Whether the row of this name is measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| begins(name, row))
    }

    /// Fails where a row is wanted that none of these is.
    pub(crate) fn check<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
        let is_unknown = |row: &&String| !names.clone().any(|name| begins(name, row));
        match self.rows.iter().find(is_unknown) {
            Some(row) => Err(format!("there is no row {row}; --list names all").into()),
            None => Ok(()),
        }
    }
}

/// Whether a name has these first parts.
fn begins(name: &str, parts: &str) -> bool {
    let rest = name.strip_prefix(parts);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
