//! A sheet: what there is to say of one thing, in sections of names and values.

use super::output::Output;
use crate::cli::Failure;

/// A section of a sheet.
#[derive(Debug)]
pub(super) struct Section {
    heading: &'static str,
    lines: Vec<(String, String)>,
}

impl Section {
    /// A section without lines, which is not printed.
    pub(super) fn new(heading: &'static str) -> Self {
        Self {
            heading,
            lines: Vec::new(),
        }
    }

    /// A section with these lines.
    pub(super) fn with(heading: &'static str, lines: Vec<(String, String)>) -> Self {
        Self { heading, lines }
    }

    /// Adds a line.
    pub(super) fn say(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.lines.push((name.into(), value.into()));
    }

    /// Adds a line where there is something to say.
    pub(super) fn say_some(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.say(name, value);
        }
    }
}

/// Prints a title and the sections below it.
pub(super) fn print(output: &mut Output, title: &str, sections: &[Section]) -> Result<(), Failure> {
    output.heading(title)?;
    let lines = sections.iter().flat_map(|section| &section.lines);
    let width = lines.map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or_default();
    for section in sections.iter().filter(|section| !section.lines.is_empty()) {
        output.line("")?;
        output.heading(section.heading)?;
        for (name, value) in &section.lines {
            output.line(&format!("  {name:width$}  {value}"))?;
        }
    }
    Ok(())
}
