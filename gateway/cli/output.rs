//! What a command prints, as text for people or as JSON for programs.

use std::{
    env,
    io::{self, BufWriter, IsTerminal as _, Stdout, Write as _},
    time::Duration,
};

use clap::{Args, ValueEnum};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use super::Failure;
use super::table::{Table, cut};

/// How often to ask whether somebody still reads.
const PAUSE: Duration = Duration::from_millis(300);

/// Terminal codes: emphasis, and its end.
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Flags of every command that prints something.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct OutputArgs {
    /// For people, or one JSON object per line
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

/// Where a command prints to.
pub(super) struct Output {
    stdout: BufWriter<Stdout>,
    json: bool,
    terminal: bool,
    emphasis: bool,
}

impl OutputArgs {
    /// Opens stdout.
    pub(super) fn open(self) -> Output {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Output {
            stdout: BufWriter::new(stdout),
            json: self.output == Format::Json,
            terminal,
            emphasis: terminal && !dumb && !plain,
        }
    }
}

impl Output {
    /// Whether programs read what is printed.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a terminal shows what is printed.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// One object on one line.
    pub(super) fn object(&mut self, object: &Value) -> Result<(), Failure> {
        self.line(&object.to_string())
    }

    /// One line.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.stdout, "{line}").map_err(Failure::of_output)
    }

    /// A line that stands out.
    pub(super) fn heading(&mut self, line: &str) -> Result<(), Failure> {
        let line = self.emphasised(line);
        self.line(&line)
    }

    /// The text in bold, where the terminal has it.
    pub(super) fn emphasised(&self, text: &str) -> String {
        if self.emphasis {
            format!("{BOLD}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }

    /// A table; on a terminal no line of it wraps.
    pub(super) fn table(&mut self, table: &Table) -> Result<(), Failure> {
        let columns = self.columns();
        for (number, line) in table.lines().iter().enumerate() {
            let line = columns.map_or_else(|| line.clone(), |columns| cut(line, columns));
            if number == 0 {
                self.heading(&line)?;
            } else {
                self.line(&line)?;
            }
        }
        Ok(())
    }

    /// What is not text, as it is.
    pub(super) fn raw(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.stdout.write_all(text.as_bytes());
        written.map_err(Failure::of_output)
    }

    /// Hands over what was printed: only then is it known to have been taken.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.stdout.flush().map_err(Failure::of_output)
    }

    /// How wide the terminal is, if there is one that says so.
    fn columns(&self) -> Option<usize> {
        let (columns, _) = self.terminal_size()?;
        Some(columns)
    }

    /// The columns and rows of the terminal, if there is one that says so.
    pub(super) fn terminal_size(&self) -> Option<(usize, usize)> {
        if !self.terminal {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(self.stdout.get_ref()).ok()?;
        let (columns, rows) = (size.ws_col.into(), size.ws_row.into());
        (columns > 0 && rows > 0).then_some((columns, rows))
    }
}

/// Waits until nobody can read what is printed any more. A pipe tells when it is written to, or asked.
pub(super) async fn reader_left() {
    let ended = PollFlags::ERR | PollFlags::HUP;
    let stdout = io::stdout();
    loop {
        let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
        let answered = poll(&mut asked, Some(&Timespec::default()));
        if answered.is_ok() && asked[0].revents().intersects(ended) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What came of printing, where the work goes on whether anybody reads what is printed or not.
pub(super) fn unless_reader_left(printed: Result<(), Failure>) -> Result<(), Failure> {
    match printed {
        Err(failure) if failure.is_reader_gone() => Ok(()),
        printed => printed,
    }
}

/// Says something that is no failure, beside what is printed.
pub(super) fn warn(text: &str) {
    let _closed = writeln!(io::stderr(), "jetgate: {text}");
}

/// Text of others without the means to move a terminal's cursor, or worse: line breaks and tabs stay,
/// other control characters are written out.
pub(super) fn harmless(text: &str) -> String {
    let is_harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(is_harmful) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Text of others on one line.
pub(super) fn one_line(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_elses_text_moves_the_cursor() {
        assert_eq!(harmless("a\tb\nc"), "a\tb\nc");
        assert_eq!(harmless("\x1b[2Jgone\r"), "\\u{1b}[2Jgone\\r");
        assert_eq!(harmless("\u{9b}2J"), "\\u{9b}2J");
        assert_eq!(one_line("a\nb"), "a b");
    }
}
