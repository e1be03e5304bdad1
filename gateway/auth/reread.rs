//! Files that are read again and again, and taken over where they have changed and can be used.

use std::path::Path;

/// A file that is read again and again.
pub(super) struct Reread<'f> {
    what: &'static str,
    file: Option<&'f Path>,
    text: Option<Vec<u8>>,
    rejected: Option<String>,
}

impl<'f> Reread<'f> {
    pub(super) fn new(what: &'static str, file: Option<&'f Path>) -> Self {
        Self {
            what,
            file,
            // It may have changed since it was first read.
            text: None,
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
        let text = std::fs::read(file).ok();
        if text.is_some() && text == self.text {
            return None;
        }
        match read(file) {
            Ok(fresh) => {
                tracing::debug!(file = %file.display(), "took over the {}", self.what);
                self.rejected = None;
                self.text = text;
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
