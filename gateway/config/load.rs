//! Lays the sources over each other, value by value.
//!
//! Each value is tried against the typed configuration by itself, so that a bad one is reported
//! with its own key and source and does not hide the next.

use std::{
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Config, Problem, Problems, Source, environment, suggestion};

/// What a configuration is loaded from, besides the defaults.
#[derive(Clone, Default)]
pub struct Sources {
    /// The TOML file; none given: the one that `JETGATE_CONFIG` names, if any.
    pub file: Option<PathBuf>,
    /// Name and value of every environment variable, ours or not. An empty value is no value, as
    /// deployment templates cannot always leave a variable out.
    pub environment: Vec<(String, String)>,
    /// Flag (with dashes), key and value, in the order of the command line.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// Without values: passwords are among them.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        let flags: Vec<_> = self.flags.iter().map(|(flag, ..)| flag).collect();
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("environment", &variables)
            .field("flags", &flags)
            .finish()
    }
}

pub(super) fn load(sources: &Sources) -> Result<Config, Problems> {
    let mut layers = Layers::new();
    if let Some(path) = file_of(sources) {
        layers.add_file(&path);
    }
    layers.add_environment(&sources.environment);
    for (flag, key, value) in &sources.flags {
        layers.set_text(key, value, Source::Flag(flag));
    }
    layers.finish()
}

fn file_of(sources: &Sources) -> Option<PathBuf> {
    let named = || lookup(&sources.environment, environment::CONFIG_FILE).map(PathBuf::from);
    sources.file.clone().or_else(named)
}

fn lookup<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = variables
        .iter()
        .find(|(key, value)| key == name && !value.is_empty())?;
    Some(value)
}

/// Every key there is, found by writing out the defaults.
pub(super) fn known_keys() -> Vec<String> {
    let mut keys = Vec::new();
    collect_keys("", &defaults(), &mut keys);
    keys
}

fn defaults() -> Value {
    // The default configuration holds strings, numbers and booleans only; a type that could not
    // be written would leave no known key, which the tests would notice.
    serde_json::to_value(Config::default()).unwrap_or_default()
}

fn collect_keys(prefix: &str, value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                collect_keys(&join(prefix, name), field, keys);
            }
        }
        _ => keys.push(prefix.to_owned()),
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

/// The values so far, where each came from, and what was wrong with the others.
struct Layers {
    defaults: Value,
    values: Value,
    keys: Vec<String>,
    sources: HashMap<String, Source>,
    problems: Vec<Problem>,
}

/// Our copies of secrets leave nothing in memory.
impl Drop for Layers {
    fn drop(&mut self) {
        wipe(&mut self.values);
    }
}

impl Layers {
    fn new() -> Self {
        let defaults = defaults();
        Self {
            values: defaults.clone(),
            defaults,
            keys: known_keys(),
            sources: HashMap::new(),
            problems: Vec::new(),
        }
    }

    fn add_file(&mut self, path: &Path) {
        let source = Source::File(path.to_owned());
        match read_toml(path) {
            Ok(table) => self.add_table("", table, &source),
            Err(message) => self.report("", source, message),
        }
    }

    fn add_table(&mut self, prefix: &str, table: toml::Table, source: &Source) {
        for (name, value) in table {
            let key = join(prefix, &name);
            let is_section = self.defaults.pointer(&pointer(&key)).map(Value::is_object);
            match (is_section, value) {
                (Some(true), toml::Value::Table(table)) => self.add_table(&key, table, source),
                (Some(true), _) => {
                    self.report(&key, source.clone(), "is a section, not a value".to_owned());
                }
                (Some(false), value) => match Value::deserialize(value) {
                    Ok(value) => self.set(&key, value, source.clone()),
                    Err(error) => self.report(&key, source.clone(), error.to_string()),
                },
                (None, _) => self.report_unknown(&key, source.clone()),
            }
        }
    }

    fn add_environment(&mut self, variables: &[(String, String)]) {
        if let Some(url) = lookup(variables, environment::NATS_URL) {
            let source = Source::Environment(environment::NATS_URL.to_owned());
            self.set_text("nats.url", url, source);
        }
        let keys: HashMap<String, String> = self
            .keys
            .iter()
            .map(|key| (environment::variable(key), key.clone()))
            .collect();
        for (name, value) in variables {
            if value.is_empty() || !environment::sets_a_key(name, value) {
                continue;
            }
            let source = Source::Environment(name.clone());
            match keys.get(name) {
                Some(key) => self.set_text(key, value, source),
                None => {
                    let names = keys.keys().map(String::as_str);
                    let message = format!("unknown variable{}", suggestion(name, names));
                    self.report("", source, message);
                }
            }
        }
    }

    /// Sets `key` from text, which the environment and the command line are made of.
    fn set_text(&mut self, key: &str, text: &str, source: Source) {
        // The default tells what the text has to be; guessing from the text itself would turn the
        // password `12345` into a number.
        let value = match self.defaults.pointer(&pointer(key)) {
            Some(Value::Bool(_)) => text.parse().map(Value::Bool).ok(),
            Some(Value::Number(_)) => text.parse().map(Value::Number).ok(),
            Some(Value::Array(_)) => Some(text.split(',').map(str::trim).collect()),
            _ => None,
        };
        self.set(
            key,
            value.unwrap_or_else(|| Value::String(text.to_owned())),
            source,
        );
    }

    fn set(&mut self, key: &str, value: Value, source: Source) {
        let mut alone = self.defaults.clone();
        replace(&mut alone, key, value.clone());
        match Config::deserialize(alone) {
            Ok(_) => {
                replace(&mut self.values, key, value);
                self.sources.insert(key.to_owned(), source);
            }
            Err(error) => self.report(key, source, error.to_string()),
        }
    }

    fn report_unknown(&mut self, key: &str, source: Source) {
        let sections = self
            .defaults
            .as_object()
            .into_iter()
            .flat_map(|sections| sections.keys());
        let known = self.keys.iter().chain(sections).map(String::as_str);
        let message = format!("unknown key{}", suggestion(key, known));
        self.report(key, source, message);
    }

    fn report(&mut self, key: &str, source: Source, message: String) {
        self.problems.push(Problem {
            key: key.to_owned(),
            source,
            message,
        });
    }

    fn finish(mut self) -> Result<Config, Problems> {
        let config = match Config::deserialize(&self.values) {
            Ok(config) => config,
            Err(error) => {
                let message = error.to_string();
                self.problems.push(Problem {
                    key: String::new(),
                    source: Source::Default,
                    message,
                });
                Config::default()
            }
        };
        let invalid = config
            .validate()
            .err()
            .map(Problems::into_vec)
            .unwrap_or_default();
        for mut problem in invalid {
            problem.source = self.sources.get(&problem.key).cloned().unwrap_or_default();
            self.problems.push(problem);
        }
        Problems::check(std::mem::take(&mut self.problems))?;
        Ok(config)
    }
}

fn read_toml(path: &Path) -> Result<toml::Table, String> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error: io::Error| format!("cannot read: {error}"))?;
    // Only the message and the line: the library's full text quotes the line, which may hold a
    // password.
    text.parse::<toml::Table>().map_err(|error| {
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        format!(
            "line {}: {}",
            before.matches('\n').count() + 1,
            error.message()
        )
    })
}

fn pointer(key: &str) -> String {
    format!("/{}", key.replace('.', "/"))
}

fn replace(tree: &mut Value, key: &str, value: Value) {
    if let Some(place) = tree.pointer_mut(&pointer(key)) {
        wipe(&mut std::mem::replace(place, value));
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
