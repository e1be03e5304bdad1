//! A file that can be changed while a gateway reads it.

use std::path::PathBuf;

use tempfile::TempDir;

/// A file that can be changed.
pub(crate) struct File(TempDir);

impl File {
    /// A file with this text.
    pub(crate) fn with(text: &str) -> Self {
        let file = Self(TempDir::new().unwrap());
        file.write(text);
        file
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("file.toml")
    }

    /// Readers see the old text or the new one.
    pub(crate) fn write(&self, text: &str) {
        let fresh = self.0.path().join("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.path()).unwrap();
    }
}
