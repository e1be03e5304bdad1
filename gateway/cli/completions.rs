//! `jetgate completions`: what a shell reads to complete the command line.

use std::io::{self, Write as _};

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Failure};

/// Arguments of `jetgate completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints them.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written to.
    pub fn run(&self) -> Result<(), Failure> {
        // The generator panics where it cannot write, and memory always takes it.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut shown(), "jetgate", &mut script);
        let mut stdout = io::stdout();
        let written = stdout.write_all(&script).and_then(|()| stdout.flush());
        written.map_err(Failure::of_output)
    }
}

/// The command line without what is hidden, which the generator would show.
fn shown() -> Command {
    let cli = Cli::command();
    let shown = cli
        .get_subcommands()
        .filter(|it| !it.is_hide_set())
        .cloned();
    Command::new("jetgate")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommands(shown.collect::<Vec<_>>())
}
