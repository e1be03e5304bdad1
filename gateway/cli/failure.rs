//! How a command ends when it fails: its exit code, and what it says.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

/// What ended a command early.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    error: Option<Box<dyn Error>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.iter().try_for_each(|error| error.fmt(f))
    }
}

impl Failure {
    /// The exit code of a wrong command line or configuration (`EX_USAGE` of sysexits.h).
    pub const USAGE: u8 = 64;

    /// The exit code when a port is taken, or when nats-server or the gateway does not run
    /// (`EX_UNAVAILABLE`).
    pub const UNAVAILABLE: u8 = 69;

    /// The exit code when the rules do not allow what is asked about (`EX_NOPERM`).
    pub const NO_PERMISSION: u8 = 77;

    /// A wrong command line or configuration.
    pub fn usage(error: impl Into<Box<dyn Error>>) -> Self {
        Self::new(Self::USAGE, error)
    }

    /// Something that the command needs is not to be had.
    pub fn unavailable(error: impl Into<Box<dyn Error>>) -> Self {
        Self::new(Self::UNAVAILABLE, error)
    }

    /// Anything else: exit code 1.
    pub fn other(error: impl Into<Box<dyn Error>>) -> Self {
        Self::new(1, error)
    }

    /// Output that cannot be written. Where its reader has left, as `head` does, the command is done
    /// and nothing is wrong.
    pub fn of_output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                code: 0,
                error: None,
            };
        }
        Self::other(error)
    }

    /// Whether whoever read the output has left.
    pub fn is_reader_gone(&self) -> bool {
        self.error.is_none()
    }

    fn new(code: u8, error: impl Into<Box<dyn Error>>) -> Self {
        Self {
            code,
            error: Some(error.into()),
        }
    }

    /// Says it on stderr, not in the log: that may not be set up, or filtered.
    pub fn report(self) -> ExitCode {
        if let Some(error) = self.error {
            let _closed = writeln!(io::stderr(), "jetgate: {error}");
        }
        ExitCode::from(self.code)
    }
}
