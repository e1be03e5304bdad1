//! A step of a scenario, which remembers what was read of it: a field that nobody reads is one that is not understood.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

pub(crate) struct Step {
    pub(crate) fields: Value,
    read: Mutex<BTreeSet<String>>,
}

impl Step {
    pub(crate) fn new(fields: &Value) -> Self {
        let usual = ["do", "client", "within", "error", "background"];
        Self {
            fields: fields.clone(),
            read: Mutex::new(usual.map(str::to_owned).into()),
        }
    }

    pub(crate) fn all_read(&self) {
        let known = self.read.lock().unwrap();
        let fields = self.fields.as_object().unwrap().keys();
        let unknown: Vec<_> = fields.filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "unknown fields {unknown:?}");
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.read.lock().unwrap().insert(name.to_owned());
        self.fields.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(Value::as_u64)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    pub(crate) fn time(&self, name: &str) -> Option<Duration> {
        let seconds = self.get(name).and_then(Value::as_f64);
        seconds.map(Duration::from_secs_f64)
    }

    pub(crate) fn list(&self, name: &str) -> Vec<Value> {
        self.get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    }

    /// One name, or several.
    pub(crate) fn names(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Value::String(one)) => vec![one.clone()],
            _ => self
                .list(name)
                .iter()
                .map(|it| it.as_str().unwrap().to_owned())
                .collect(),
        }
    }

    pub(crate) fn part(&self, name: &str) -> Self {
        let nothing = Value::Object(Default::default());
        Self::new(self.get(name).unwrap_or(&nothing))
    }
}
