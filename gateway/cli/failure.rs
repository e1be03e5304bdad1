//! How a command ends when it fails: its exit code, and what it says.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

/// What ended a command early.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    error: Box<dyn Error>,
}

impl Failure {
    /// The exit code of a wrong command line or configuration (`EX_USAGE` of sysexits.h).
    pub const USAGE: u8 = 64;

    /// The exit code when a port is taken or nats-server does not run (`EX_UNAVAILABLE`).
    pub const UNAVAILABLE: u8 = 69;

    /// A wrong command line or configuration.
    pub fn usage(error: impl Into<Box<dyn Error>>) -> Self {
        Self {
            code: Self::USAGE,
            error: error.into(),
        }
    }

    /// Something that the gateway needs is not to be had.
    pub fn unavailable(error: impl Into<Box<dyn Error>>) -> Self {
        Self {
            code: Self::UNAVAILABLE,
            error: error.into(),
        }
    }

    /// Anything else: exit code 1.
    pub fn other(error: impl Into<Box<dyn Error>>) -> Self {
        Self {
            code: 1,
            error: error.into(),
        }
    }

    /// Says it on stderr, not in the log: that may not be set up, or filtered.
    pub fn report(self) -> ExitCode {
        let _closed = writeln!(io::stderr(), "jetgate: {}", self.error);
        ExitCode::from(self.code)
    }
}
