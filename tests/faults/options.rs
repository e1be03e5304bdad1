//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::setup::Setup;

/// Injects faults into a cluster with gateways, callers and a proxy everywhere, and judges what came of it.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    /// Which faults
    #[arg(long, value_enum, default_value = "usual")]
    pub(crate) suite: Suite,
    /// Only the faults of these names; --list prints all
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    pub(crate) fault: Vec<String>,
    /// Print the names of the faults and do nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// What chance decides; a row prints its own, and is repeated by it together with --fault
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// With the suite soak: for how long
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    pub(crate) time: Duration,
    /// How many gateways
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=5))]
    pub(crate) gateways: u32,
    /// Keep the history of every run in this folder; those that break a guarantee are always kept
    #[arg(long, value_name = "FOLDER")]
    pub(crate) histories: Option<PathBuf>,
    /// Judge the history in this file and do nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) judge: Option<PathBuf>,
    /// What the gateway's binary was built from, for the head of the table
    #[arg(long, default_value = "an unknown commit")]
    pub(crate) commit: String,
    /// The gateway's binary
    #[arg(long, value_name = "PROGRAM", default_value = "jetgate")]
    pub(crate) gateway: PathBuf,
    /// Only what is injected on these ways between callers, gateways and servers
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) path: Vec<Setup>,
    /// Envoy, for its rows
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) envoy: Option<PathBuf>,
    /// nginx, for its rows
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) nginx: Option<PathBuf>,
    /// The nats-server
    #[arg(long, value_name = "PROGRAM", default_value = "nats-server")]
    pub(crate) nats_server: PathBuf,
}

/// Which faults are injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Faults of every kind on every path, and the control runs: about ten minutes
    Usual,
    /// Every fault on every path that it has: about twenty
    All,
    /// A few of them, within three minutes
    Short,
    /// Faults at random until the time is over
    Soak,
}
