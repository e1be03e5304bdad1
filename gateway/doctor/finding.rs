//! What the doctor found: how bad it is, about what, and what to do.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is as it should be.
    Ok,
    /// It is worth knowing, or cannot be seen.
    Note,
    /// It works, and is likely to be regretted.
    Warning,
    /// Something does not work, or is not safe.
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What kind of thing was looked at.
    pub check: &'static str,
    /// Which one: a server, a file, a stream, a key of the configuration.
    pub about: String,
    /// What there is to say.
    pub text: String,
    /// What to do; empty where nothing is to be done.
    pub fix: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// Something is as it should be.
    pub(super) fn ok(&mut self, check: &'static str, about: &str, text: impl Into<String>) {
        self.add(Level::Ok, check, about, text.into(), String::new());
    }

    /// Something is worth knowing, with what can be done.
    pub(super) fn note(
        &mut self,
        check: &'static str,
        about: &str,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Level::Note, check, about, text.into(), fix.into());
    }

    /// Something is likely to be regretted.
    pub(super) fn warning(
        &mut self,
        check: &'static str,
        about: &str,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Level::Warning, check, about, text.into(), fix.into());
    }

    /// Something does not work, or is not safe.
    pub(super) fn fault(
        &mut self,
        check: &'static str,
        about: &str,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Level::Fault, check, about, text.into(), fix.into());
    }

    /// The same at a level that is not known before.
    pub(super) fn add(
        &mut self,
        level: Level,
        check: &'static str,
        about: &str,
        text: String,
        fix: String,
    ) {
        let about = about.to_owned();
        self.0.push(Finding {
            level,
            check,
            about,
            text,
            fix,
        });
    }

    /// Whether something of this kind is not as it should be.
    pub(super) fn has_trouble(&self, check: &str) -> bool {
        let mut all = self.0.iter();
        all.any(|it| it.check == check && it.level >= Level::Warning)
    }
}

impl From<Findings> for Vec<Finding> {
    fn from(findings: Findings) -> Self {
        findings.0
    }
}
