//! Rules of who may do what: what is asked, what the rules say to it, and which of them said so.
//!
//! What no rule allows is denied, and one rule that denies outweighs all that allow. Subjects are
//! patterns on both sides: what is asked for must lie within one pattern that is allowed, and must
//! have no subject in common with one that is denied.

mod action;
mod file;
mod methods;

use std::path::{Path, PathBuf};

pub use action::{Action, Area};
pub(crate) use methods::changes_by;
pub(super) use methods::needed_for;

use super::caller::Caller;
use super::entries::{Audience, FileError};
use crate::names::{NamePattern, filter_covers, filters_overlap};

/// The rules of one file.
#[derive(Debug, Default)]
pub struct Policy {
    file: PathBuf,
    rules: Vec<Rule>,
}

/// What some callers may do, or may not.
#[derive(Debug)]
struct Rule {
    name: String,
    audience: Audience,
    allows: bool,
    grants: Vec<Grant>,
}

/// One entry of a rule.
#[derive(Debug)]
struct Grant {
    line: usize,
    actions: Vec<Action>,
    streams: Vec<NamePattern>,
    consumers: Vec<NamePattern>,
    subjects: Vec<String>,
}

/// What a caller is about to do.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What.
    pub action: Action,
    /// With which stream; `None` is all there are, or none where streams do not matter.
    pub stream: Option<&'a str>,
    /// With which consumer, likewise.
    pub consumer: Option<&'a str>,
    /// With which subjects.
    pub subjects: Subjects<'a>,
}

/// The subjects that something is about.
#[derive(Clone, Copy, Debug)]
pub enum Subjects<'a> {
    /// None, or not known yet.
    Unknown,
    /// One pattern; `>` is all.
    One(&'a str),
    /// These patterns.
    Many(&'a [String]),
}

/// What the rules say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision<'p> {
    /// A rule allows it and none denies it.
    Allowed(Place<'p>),
    /// A rule denies it.
    Denied(Place<'p>),
    /// No rule allows it.
    NotAllowed,
}

/// Where a rule says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place<'p> {
    /// The rule's name.
    pub rule: &'p str,
    /// The line of the file.
    pub line: usize,
}

impl<'a> Ask<'a> {
    /// Nothing in particular but the action.
    pub fn to(action: Action) -> Self {
        Self {
            action,
            stream: None,
            consumer: None,
            subjects: Subjects::Unknown,
        }
    }

    /// Storing messages of a subject, or of all that a pattern matches.
    pub fn publish(subject: &'a str) -> Self {
        Self::to(Action::Publish).subject(subject)
    }

    /// Reading by a consumer.
    pub fn consume(stream: &'a str, consumer: &'a str) -> Self {
        Self::to(Action::Consume).stream(stream).consumer(consumer)
    }

    /// With this stream.
    #[must_use]
    pub fn stream(self, stream: &'a str) -> Self {
        let stream = Some(stream);
        Self { stream, ..self }
    }

    /// With this consumer.
    #[must_use]
    pub fn consumer(self, consumer: &'a str) -> Self {
        let consumer = Some(consumer);
        Self { consumer, ..self }
    }

    /// With the subjects of this pattern.
    #[must_use]
    pub fn subject(self, subject: &'a str) -> Self {
        let subjects = Subjects::One(subject);
        Self { subjects, ..self }
    }

    /// With the subjects of these filters, where none means all.
    #[must_use]
    pub fn filters(self, filters: &'a [String]) -> Self {
        let subjects = match filters {
            [] => Subjects::One(">"),
            filters => Subjects::Many(filters),
        };
        Self { subjects, ..self }
    }
}

impl<'a> Subjects<'a> {
    /// The patterns.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let (one, many) = match self {
            Self::Unknown => (None, [].as_slice()),
            Self::One(subject) => (Some(subject), [].as_slice()),
            Self::Many(subjects) => (None, subjects),
        };
        one.into_iter().chain(many.iter().map(String::as_str))
    }
}

impl Policy {
    /// Reads a file of rules.
    ///
    /// # Errors
    ///
    /// When it cannot be read, and with everything in it that is not as it should be.
    pub fn read(file: &Path) -> Result<Self, FileError> {
        file::read(file)
    }

    /// Reads the rules in `text`, which is that of `file`.
    ///
    /// # Errors
    ///
    /// With everything that is not as it should be.
    pub fn parse(file: &Path, text: &str) -> Result<Self, FileError> {
        file::parse(file, text)
    }

    /// The file that the rules stand in.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none, so that nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The places of the rules that are about this caller.
    pub(super) fn concerning(&self, caller: &Caller) -> Box<[usize]> {
        let rules = self.rules.iter().enumerate();
        let about = rules.filter(|(_, rule)| rule.audience.includes(caller));
        about.map(|(place, _)| place).collect()
    }

    /// The names of the rules that are about this caller.
    pub fn names_concerning(&self, caller: &Caller) -> Vec<&str> {
        let about = self
            .rules
            .iter()
            .filter(|rule| rule.audience.includes(caller));
        about.map(|rule| rule.name.as_str()).collect()
    }

    /// What the rules say to what a caller asks.
    pub fn decide(&self, caller: &Caller, ask: &Ask<'_>) -> Decision<'_> {
        self.decide_by(&self.concerning(caller), ask)
    }

    /// The same by the rules that are about the caller.
    pub(super) fn decide_by(&self, rules: &[usize], ask: &Ask<'_>) -> Decision<'_> {
        let rules = || rules.iter().filter_map(|place| self.rules.get(*place));
        let denying = rules().filter(|rule| !rule.allows);
        let denied = denying.flat_map(|rule| rule.places(|grant| grant.denies(ask)));
        if let Some(place) = denied.into_iter().next() {
            return Decision::Denied(place);
        }
        let allowing = || rules().filter(|rule| rule.allows);
        let find = |subject: Option<&str>| {
            let places =
                allowing().flat_map(move |rule| rule.places(move |it| it.allows(ask, subject)));
            places.into_iter().next()
        };
        let mut allowed = None;
        for subject in ask.subjects.iter() {
            match find(Some(subject)) {
                Some(place) => allowed = Some(place),
                None => return Decision::NotAllowed,
            }
        }
        let allowed = allowed.or_else(|| match ask.subjects {
            Subjects::Unknown => find(None),
            _ => None,
        });
        allowed.map_or(Decision::NotAllowed, Decision::Allowed)
    }

    /// Whether some rule allows one of these, with whatever names and subjects.
    pub(super) fn has_any(&self, rules: &[usize], actions: &[Action]) -> bool {
        let rules = rules.iter().filter_map(|place| self.rules.get(*place));
        let mut grants = rules.filter(|rule| rule.allows).flat_map(|it| &it.grants);
        grants.any(|grant| actions.iter().any(|it| grant.actions.contains(it)))
    }
}

impl Rule {
    fn places(&self, says: impl Fn(&Grant) -> bool) -> impl Iterator<Item = Place<'_>> {
        let said = self.grants.iter().filter(move |grant| says(grant));
        said.map(|grant| Place {
            rule: &self.name,
            line: grant.line,
        })
    }
}

impl Grant {
    /// Whether everything that is asked for lies within it, as far as one of the subjects is meant.
    fn allows(&self, ask: &Ask<'_>, subject: Option<&str>) -> bool {
        // What names nothing is about everything.
        let includes = |patterns: &[NamePattern], name: Option<&str>| match name {
            Some(name) => patterns.iter().any(|it| it.matches(name)),
            None => patterns.iter().any(NamePattern::is_any),
        };
        self.actions.contains(&ask.action)
            && includes(&self.streams, ask.stream)
            && includes(&self.consumers, ask.consumer)
            && subject
                .is_none_or(|subject| self.subjects.iter().any(|it| filter_covers(it, subject)))
    }

    /// Whether something that is asked for lies within it. What is not known yet need not.
    fn denies(&self, ask: &Ask<'_>) -> bool {
        let touches = |patterns: &[NamePattern], name: Option<&str>| {
            name.is_none_or(|name| patterns.iter().any(|it| it.matches(name)))
        };
        let overlaps = |subject: &str| self.subjects.iter().any(|it| filters_overlap(it, subject));
        self.actions.contains(&ask.action)
            && touches(&self.streams, ask.stream)
            && touches(&self.consumers, ask.consumer)
            && match ask.subjects {
                Subjects::Unknown => self.subjects.iter().any(|it| it == ">"),
                subjects => subjects.iter().any(overlaps),
            }
    }
}

#[cfg(test)]
mod tests;
