//! The file of the rules: its form, and everything that is wrong with one, by lines.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::{Action, Area, Grant, Policy, Rule};
use crate::auth::entries::{self, FileError, Reader};
use crate::names::{NamePattern, SubjectFilter};

/// What the file is called where it cannot be used.
const WHAT: &str = "policy";

/// Stands for every action of an area.
const EVERY: &str = "*";

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

pub(super) fn read(file: &Path) -> Result<Policy, FileError> {
    parse(file, &entries::read(WHAT, file)?)
}

pub(super) fn parse(file: &Path, text: &str) -> Result<Policy, FileError> {
    let mut reader = Reader::of(text);
    let rules = reader.form().map(|entries| reader.rules(entries));
    let policy = Policy {
        file: file.to_owned(),
        rules: rules.unwrap_or_default(),
    };
    reader.finish(WHAT, file, policy)
}

impl Reader<'_> {
    fn rules(&mut self, file: File) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::with_capacity(file.rule.len());
        for entry in file.rule {
            let line = self.line_of(&entry);
            let entry = entry.into_inner();
            if entry.name.is_empty() || entry.name.chars().any(char::is_control) {
                self.wrong(line, "the rule needs a name without control characters");
            }
            if rules.iter().any(|rule| rule.name == entry.name) {
                self.wrong(line, format!("there is another rule {:?}", entry.name));
            }
            let rule = self.rule(line, entry);
            if rule.grants.is_empty() {
                self.wrong(line, "the rule allows and denies nothing");
            }
            rules.push(rule);
        }
        rules
    }

    fn rule(&mut self, line: usize, entry: Entry) -> Rule {
        let audience = [&*entry.callers, &*entry.groups, &*entry.by];
        Rule {
            audience: self.audience((line, "rule"), audience),
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
}
