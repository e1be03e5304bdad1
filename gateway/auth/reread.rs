//! Files that are read again and again, and taken over where they have changed and can be used.

use std::path::Path;

use zeroize::Zeroizing;

use super::hash::{self, Hash};

/// A file that is read again and again.
pub(super) struct Reread<'f> {
    what: &'static str,
    file: Option<&'f Path>,
    /// What was in it, by its hash: it may hold secrets.
    read: Option<Hash>,
    rejected: Option<String>,
}

impl<'f> Reread<'f> {
    pub(super) fn new(what: &'static str, file: Option<&'f Path>) -> Self {
        Self {
            what,
            file,
            // It may have changed since it was first read.
            read: None,
            rejected: None,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.file.is_none()
    }

    /// What is in it now, where that is something else and can be used.
    pub(super) fn read<T, E: std::error::Error>(
        &mut self,
        read: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Option<T> {
        let file = self.file?;
        let text = std::fs::read(file).ok().map(Zeroizing::new);
        let there = text.map(|text| hash::of(&*text));
        if there.is_some() && there == self.read {
            return None;
        }
        match read(file) {
            Ok(fresh) => {
                tracing::debug!(file = %file.display(), "took over the {}", self.what);
                self.rejected = None;
                self.read = there;
                Some(fresh)
            }
            Err(error) => {
                let error = error.to_string();
                if self.rejected.as_ref() != Some(&error) {
                    tracing::warn!(
                        error,
                        "cannot use the changed {}, keeping the old",
                        self.what
                    );
                }
                self.rejected = Some(error);
                None
            }
        }
    }
}
