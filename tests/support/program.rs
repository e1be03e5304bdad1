//! Programs that some machines have not.

use std::io::Write as _;
use std::path::PathBuf;

/// The program that this variable names; `None`, and a loud word, where it names none.
pub(crate) fn program(variable: &str) -> Option<PathBuf> {
    let program = std::env::var_os(variable).map(PathBuf::from);
    if program.is_none() {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let line = format!("LEFT OUT: {test}: {variable} names no program\n");
        // Not by a macro: what a test prints is shown only when it fails.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    program
}
