//! `jetgate exec-with-parent`: becomes another program, one that ends when its parent does.
//!
//! A child outlives a killed parent unless it asked the kernel otherwise, and it has to ask for
//! itself, between fork and exec. Asking in a program of its own needs no unsafe code.

use std::{ffi::OsString, io, os::unix::process::CommandExt, process::Command};

use clap::Args;

/// The subcommand's name.
pub const NAME: &str = "exec-with-parent";

/// Arguments of `jetgate exec-with-parent`.
#[derive(Args, Debug)]
pub struct ExecWithParent {
    /// Process that must still be the parent.
    parent: i32,
    /// Program and arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl ExecWithParent {
    /// Becomes the program; returns only when that failed.
    pub fn run(&self) -> io::Error {
        if let Err(error) = end_with_parent() {
            return error;
        }
        // A parent that died before the request was made sends no signal any more.
        let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get());
        if parent != Some(self.parent) {
            return io::Error::other("the parent has ended");
        }
        match self.program.split_first() {
            Some((program, arguments)) => Command::new(program).args(arguments).exec(),
            None => io::ErrorKind::InvalidInput.into(),
        }
    }
}

#[cfg(target_os = "linux")]
fn end_with_parent() -> io::Result<()> {
    let signal = rustix::process::Signal::KILL;
    Ok(rustix::process::set_parent_process_death_signal(Some(
        signal,
    ))?)
}

/// Elsewhere the program is stopped when the gateway ends in good order, and only then.
#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> io::Result<()> {
    Ok(())
}
