//! `jetgate api-key`: makes a key for a caller, and says where each half of it belongs.

use std::io::{self, Write};

use clap::Args;

use super::Failure;
use crate::auth::NewKey;

/// Arguments of `jetgate api-key`.
#[derive(Args, Debug)]
pub struct ApiKeyArgs {
    /// Who the key is for, as it will stand in logs and lists
    name: String,
}

impl ApiKeyArgs {
    /// Prints the entry, which can be appended to the file, on stdout, and the key on stderr.
    ///
    /// # Errors
    ///
    /// When neither can be written.
    pub fn run(&self) -> Result<(), Failure> {
        let key = NewKey::make(&self.name);
        writeln!(io::stderr(), "# The key, shown only now: {}", key.secret())
            .and_then(|()| io::stdout().write_all(key.entry().as_bytes()))
            .map_err(Failure::other)
    }
}
