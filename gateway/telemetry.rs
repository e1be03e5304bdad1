//! Logs: one subscriber for the process, on stderr, and panics reported through it.

use std::{backtrace::Backtrace, io::IsTerminal, panic};

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt, util::SubscriberInitExt};

use crate::config::Checks;

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How a record looks. Default `pretty`.
    pub format: Format,
    /// Which records are written: a level, or directives such as `info,jetgate=debug`.
    /// Default `info,async_nats=warn`.
    pub filter: String,
}

/// How a record looks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One line for people, coloured on a terminal.
    #[default]
    Pretty,
    /// One JSON object per line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            format: Format::default(),
            filter: "info,async_nats=warn".to_owned(),
        }
    }
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        if let Err(error) = parse(&self.filter) {
            checks.require(
                false,
                "filter",
                format!("{error}, expected such as `info,jetgate=debug`"),
            );
        }
    }
}

fn parse(filter: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(filter)
}

/// Sends logs and panics of this process to stderr.
///
/// # Errors
///
/// When the filter is invalid, or when the process has a subscriber already.
pub fn init(config: &Config) -> Result<(), InitError> {
    let builder = fmt()
        .with_env_filter(parse(&config.filter)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.format {
        Format::Pretty => builder.finish().try_init()?,
        Format::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    report_panics();
    Ok(())
}

/// Logs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// `log.filter` is not a list of directives.
    #[error("invalid log filter: {0}")]
    Filter(#[from] ParseError),
    /// Another subscriber was there first.
    #[error("logs are set up already: {0}")]
    Taken(#[from] tracing_subscriber::util::TryInitError),
}

/// A panic is one record like any other, so that it is found where the logs are searched.
fn report_panics() {
    panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let message = payload.downcast_ref::<&str>().copied();
        let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = message.unwrap_or("no message");
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        // Captured only where RUST_BACKTRACE asks for it.
        let backtrace = Backtrace::capture();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        tracing::error!(message, location, thread, %backtrace, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_bad_filter_is_refused() {
        let mut config = crate::config::Config::default();
        config.log.filter = "jetgate=loud".to_owned();

        assert_eq!(config.validate().unwrap_err().keys(), ["log.filter"]);
    }
}
