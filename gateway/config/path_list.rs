//! Several paths in one value, separated by commas.

use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Paths in the order in which they were written; none is the empty text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PathList(Vec<PathBuf>);

impl PathList {
    /// The paths.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &PathBuf> {
        self.0.iter()
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for PathList {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let paths = text.split(',').map(str::trim);
        Ok(Self(
            paths
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .collect(),
        ))
    }
}

impl fmt::Display for PathList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, path) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}", path.display())?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for PathList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Ok(paths) = String::deserialize(deserializer)?.parse();
        Ok(paths)
    }
}

impl Serialize for PathList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_separated_by_commas() {
        let Ok(paths) = "a.pem, /etc/b.pem,".parse::<PathList>();

        assert_eq!(paths.len(), 2);
        assert_eq!(paths.to_string(), "a.pem,/etc/b.pem");
        assert!(PathList::default().is_empty());
    }
}
