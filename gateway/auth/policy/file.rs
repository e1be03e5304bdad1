//! The file of the rules: its form, and everything that is wrong with one, by lines.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{Action, Area, Grant, Policy, Rule};
use crate::auth::caller::Kind;
use crate::names::{NamePattern, SubjectFilter};

/// Stands for every action of an area.
const EVERY: &str = "*";

/// Why a file of rules cannot be used.
#[derive(Debug)]
pub struct PolicyError {
    file: PathBuf,
    /// What is wrong, and in which line; 0 is the file as a whole.
    mistakes: Vec<(usize, String)>,
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the policy {}", self.file.display())?;
        for (line, mistake) in &self.mistakes {
            match line {
                0 => write!(f, "\n  {mistake}")?,
                line => write!(f, "\n  line {line}: {mistake}")?,
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default)]
    effect: Effect,
    #[serde(default)]
    callers: Vec<Spanned<String>>,
    #[serde(default)]
    groups: Vec<Spanned<String>>,
    #[serde(default)]
    by: Vec<Spanned<String>>,
    #[serde(default)]
    publish: Vec<Spanned<String>>,
    #[serde(default)]
    consume: Vec<Spanned<Consume>>,
    #[serde(default)]
    streams: Vec<Spanned<Streams>>,
    #[serde(default)]
    consumers: Vec<Spanned<Consumers>>,
    #[serde(default)]
    dead_letters: Vec<Spanned<DeadLetters>>,
    #[serde(default)]
    gateway: Vec<Spanned<String>>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Effect {
    #[default]
    Allow,
    Deny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Consume {
    streams: Vec<String>,
    #[serde(default = "everything")]
    consumers: Vec<String>,
    #[serde(default = "all_subjects")]
    filters: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Streams {
    names: Vec<String>,
    actions: Vec<String>,
    #[serde(default = "all_subjects")]
    subjects: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Consumers {
    streams: Vec<String>,
    #[serde(default = "everything")]
    names: Vec<String>,
    actions: Vec<String>,
    #[serde(default = "all_subjects")]
    filters: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadLetters {
    streams: Vec<String>,
    #[serde(default = "everything")]
    consumers: Vec<String>,
    actions: Vec<String>,
}

fn everything() -> Vec<String> {
    vec![EVERY.to_owned()]
}

fn all_subjects() -> Vec<String> {
    vec![">".to_owned()]
}

pub(super) fn read(file: &Path) -> Result<Policy, PolicyError> {
    let text = std::fs::read_to_string(file).map_err(|error| PolicyError {
        file: file.to_owned(),
        mistakes: vec![(0, error.to_string())],
    })?;
    parse(file, &text)
}

pub(super) fn parse(file: &Path, text: &str) -> Result<Policy, PolicyError> {
    let mut reader = Reader {
        text,
        mistakes: Vec::new(),
    };
    let rules = match toml::from_str::<File>(text) {
        Ok(entries) => reader.rules(entries),
        Err(error) => {
            let line = error.span().map_or(0, |span| reader.line(span.start));
            reader.mistakes.push((line, error.message().to_owned()));
            Vec::new()
        }
    };
    let file = file.to_owned();
    match reader.mistakes {
        mistakes if mistakes.is_empty() => Ok(Policy { file, rules }),
        mistakes => Err(PolicyError { file, mistakes }),
    }
}

/// Reads entries and collects what is wrong with them.
struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn rules(&mut self, file: File) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::with_capacity(file.rule.len());
        for entry in file.rule {
            let line = self.line(entry.span().start);
            let entry = entry.into_inner();
            if entry.name.is_empty() || entry.name.chars().any(char::is_control) {
                self.wrong(line, "the rule needs a name without control characters");
            }
            if rules.iter().any(|rule| rule.name == entry.name) {
                self.wrong(line, format!("there is another rule {:?}", entry.name));
            }
            if entry.callers.is_empty() && entry.groups.is_empty() {
                let text = "the rule needs callers or groups; callers = [\"*\"] are all";
                self.wrong(line, text);
            }
            let rule = self.rule(entry);
            if rule.grants.is_empty() {
                self.wrong(line, "the rule allows and denies nothing");
            }
            rules.push(rule);
        }
        rules
    }

    fn rule(&mut self, entry: Entry) -> Rule {
        let mut by = Vec::new();
        for word in &entry.by {
            match Kind::of(word.get_ref()) {
                Some(kind) => by.push(kind),
                None => {
                    let text = "must be api_key, certificate, token or anonymous";
                    self.wrong(self.line_of(word), format!("by: {text}"));
                }
            }
        }
        Rule {
            callers: self.patterns_of("callers", &entry.callers),
            groups: self.patterns_of("groups", &entry.groups),
            by,
            allows: entry.effect == Effect::Allow,
            grants: self.grants(&entry),
            name: entry.name,
        }
    }

    fn grants(&mut self, entry: &Entry) -> Vec<Grant> {
        let allows = entry.effect == Effect::Allow;
        let mut grants = Vec::new();
        for subject in &entry.publish {
            let (line, subjects) = (self.line_of(subject), [subject.get_ref().clone()]);
            grants.push(Grant {
                line,
                actions: vec![Action::Publish],
                streams: self.patterns(line, "", &everything()),
                consumers: self.patterns(line, "", &everything()),
                subjects: self.subjects(line, "publish", &subjects),
            });
        }
        for spanned in &entry.consume {
            let (line, it) = (self.line_of(spanned), spanned.get_ref());
            grants.push(Grant {
                line,
                actions: vec![Action::Consume],
                streams: self.patterns(line, "consume.streams", &it.streams),
                consumers: self.patterns(line, "consume.consumers", &it.consumers),
                subjects: self.subjects(line, "consume.filters", &it.filters),
            });
        }
        for spanned in &entry.streams {
            let (line, it) = (self.line_of(spanned), spanned.get_ref());
            grants.push(Grant {
                line,
                actions: self.actions(line, Area::Streams, &it.actions, allows),
                streams: self.patterns(line, "streams.names", &it.names),
                consumers: self.patterns(line, "", &everything()),
                subjects: self.subjects(line, "streams.subjects", &it.subjects),
            });
        }
        for spanned in &entry.consumers {
            let (line, it) = (self.line_of(spanned), spanned.get_ref());
            grants.push(Grant {
                line,
                actions: self.actions(line, Area::Consumers, &it.actions, allows),
                streams: self.patterns(line, "consumers.streams", &it.streams),
                consumers: self.patterns(line, "consumers.names", &it.names),
                subjects: self.subjects(line, "consumers.filters", &it.filters),
            });
        }
        for spanned in &entry.dead_letters {
            let (line, it) = (self.line_of(spanned), spanned.get_ref());
            grants.push(Grant {
                line,
                actions: self.actions(line, Area::DeadLetters, &it.actions, allows),
                streams: self.patterns(line, "dead_letters.streams", &it.streams),
                consumers: self.patterns(line, "dead_letters.consumers", &it.consumers),
                subjects: all_subjects(),
            });
        }
        for word in &entry.gateway {
            let (line, words) = (self.line_of(word), [word.get_ref().clone()]);
            grants.push(Grant {
                line,
                actions: self.actions(line, Area::Gateway, &words, allows),
                streams: self.patterns(line, "", &everything()),
                consumers: self.patterns(line, "", &everything()),
                subjects: all_subjects(),
            });
        }
        grants
    }

    fn actions(&mut self, line: usize, area: Area, words: &[String], allows: bool) -> Vec<Action> {
        let mut actions = Vec::new();
        for word in words {
            match area.action(word) {
                Some(action) => actions.push(action),
                None if word == EVERY => actions.extend(area.actions()),
                None => {
                    let words = area.words().join(", ");
                    let text = format!("{}: {word:?} is none of {words}, *", area.key());
                    self.wrong(line, text);
                }
            }
        }
        if words.is_empty() {
            self.wrong(line, format!("{}: actions must not be empty", area.key()));
        }
        if allows {
            actions.extend(area.implied());
        }
        actions
    }

    fn patterns(&mut self, line: usize, field: &str, texts: &[String]) -> Vec<NamePattern> {
        if texts.is_empty() {
            self.wrong(line, format!("{field}: must not be empty"));
        }
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            patterns.extend(self.pattern(line, field, text));
        }
        patterns
    }

    fn patterns_of(&mut self, field: &str, texts: &[Spanned<String>]) -> Vec<NamePattern> {
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            patterns.extend(self.pattern(self.line_of(text), field, text.get_ref()));
        }
        patterns
    }

    fn pattern(&mut self, line: usize, field: &str, text: &str) -> Option<NamePattern> {
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

    fn subjects(&mut self, line: usize, field: &str, texts: &[String]) -> Vec<String> {
        if texts.is_empty() {
            self.wrong(line, format!("{field}: must not be empty"));
        }
        for text in texts {
            if let Err(error) = SubjectFilter::parse(field, text) {
                self.wrong(line, error.message());
            }
        }
        texts.to_vec()
    }

    fn wrong(&mut self, line: usize, text: impl Into<String>) {
        self.mistakes.push((line, text.into()));
    }

    fn line_of<T>(&self, spanned: &Spanned<T>) -> usize {
        self.line(spanned.span().start)
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}
