//! Files of entries about callers, read with everything that is wrong with them, by lines.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use zeroize::Zeroizing;

use super::caller::{Caller, Kind};
use crate::names::NamePattern;

/// Why a file cannot be used.
#[derive(Debug)]
pub struct FileError {
    what: &'static str,
    file: PathBuf,
    /// What is wrong, and in which line; 0 is the file as a whole.
    mistakes: Vec<(usize, String)>,
}

impl std::error::Error for FileError {}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the {} {}", self.what, self.file.display())?;
        for (line, mistake) in &self.mistakes {
            match line {
                0 => write!(f, "\n  {mistake}")?,
                line => write!(f, "\n  line {line}: {mistake}")?,
            }
        }
        Ok(())
    }
}

/// The callers that an entry is about.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Audience {
    callers: Vec<NamePattern>,
    groups: Vec<NamePattern>,
    /// How callers must have proven who they are; empty is any way.
    by: Vec<Kind>,
}

impl Audience {
    /// Whether this caller is among them.
    pub(crate) fn includes(&self, caller: &Caller) -> bool {
        let proven = self.by.is_empty() || self.by.contains(&caller.kind());
        let named = || self.callers.iter().any(|it| it.matches(caller.name()));
        let in_group = |group: &str| self.groups.iter().any(|it| it.matches(group));
        proven && (named() || caller.groups().any(in_group))
    }
}

/// The text of a file.
pub(crate) fn read(what: &'static str, file: &Path) -> Result<Zeroizing<String>, FileError> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    text.map_err(|error| FileError {
        what,
        file: file.to_owned(),
        mistakes: vec![(0, error.to_string())],
    })
}

/// Reads entries and collects what is wrong with them.
pub(crate) struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<(usize, String)>,
}

impl<'t> Reader<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        let mistakes = Vec::new();
        Self { text, mistakes }
    }

    /// What is written, where it has the form that it should have.
    pub(crate) fn form<T: DeserializeOwned>(&mut self) -> Option<T> {
        match toml::from_str(self.text) {
            Ok(form) => Some(form),
            Err(error) => {
                let line = error.span().map_or(0, |span| self.line(span.start));
                self.wrong(line, error.message());
                None
            }
        }
    }

    /// What was read of a file, if nothing is wrong with it.
    pub(crate) fn finish<T>(
        self,
        what: &'static str,
        file: &Path,
        read: T,
    ) -> Result<T, FileError> {
        match self.mistakes {
            mistakes if mistakes.is_empty() => Ok(read),
            mistakes => Err(FileError {
                what,
                file: file.to_owned(),
                mistakes,
            }),
        }
    }

    /// The callers of the entry in this line, by its fields `callers`, `groups` and `by`.
    pub(crate) fn audience(
        &mut self,
        (line, entry): (usize, &str),
        [callers, groups, ways]: [&[Spanned<String>]; 3],
    ) -> Audience {
        if callers.is_empty() && groups.is_empty() {
            let text = "needs callers or groups; callers = [\"*\"] are all";
            self.wrong(line, format!("the {entry} {text}"));
        }
        let mut by = Vec::new();
        for word in ways {
            match Kind::of(word.get_ref()) {
                Some(kind) => by.push(kind),
                None => {
                    let text = "must be api_key, certificate, token or anonymous";
                    self.wrong(self.line_of(word), format!("by: {text}"));
                }
            }
        }
        Audience {
            callers: self.patterns_of("callers", callers),
            groups: self.patterns_of("groups", groups),
            by,
        }
    }

    fn patterns_of(&mut self, field: &str, texts: &[Spanned<String>]) -> Vec<NamePattern> {
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            patterns.extend(self.pattern(self.line_of(text), field, text.get_ref()));
        }
        patterns
    }

    pub(crate) fn pattern(&mut self, line: usize, field: &str, text: &str) -> Option<NamePattern> {
        if text.is_empty() {
            // In lists an empty pattern is every name; here it would be a mistake that opens all.
            self.wrong(line, format!("{field}: must not be empty"));
            return None;
        }
        let pattern = NamePattern::parse(field, text);
        pattern
            .map_err(|error| self.wrong(line, error.message()))
            .ok()
    }

    pub(crate) fn wrong(&mut self, line: usize, text: impl Into<String>) {
        self.mistakes.push((line, text.into()));
    }

    pub(crate) fn line_of<T>(&self, spanned: &Spanned<T>) -> usize {
        self.line(spanned.span().start)
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}
