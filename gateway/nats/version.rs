//! Versions of nats-server: which the gateway works with, and which have known security advisories.

use std::fmt;

/// A version of nats-server. A release candidate comes before its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    line: (u32, u32),
    patch: u32,
    is_release: bool,
}

/// The oldest that the gateway works with.
pub const OLDEST: Version = Version {
    line: (2, 14),
    patch: 0,
    is_release: false,
};

/// An advisory, and the first release of each line without it.
struct Advisory {
    id: &'static str,
    mended: &'static [(u32, u32, u32)],
}

/// Of advisories.nats.io, as far as some version since 2.12.7 has them; known when this version of the gateway
/// was made.
const ADVISORIES: [Advisory; 10] = [
    Advisory::new("2026-19", &[(2, 11, 17), (2, 12, 8)]),
    Advisory::new("2026-20", &[(2, 12, 12), (2, 14, 3)]),
    Advisory::new("2026-21", &[(2, 12, 12), (2, 14, 3)]),
    Advisory::new("2026-22", &[(2, 12, 9), (2, 14, 1)]),
    Advisory::new("2026-23", &[(2, 12, 10), (2, 14, 2)]),
    Advisory::new("2026-24", &[(2, 12, 12), (2, 14, 3)]),
    Advisory::new("2026-25", &[(2, 12, 12), (2, 14, 3)]),
    Advisory::new("2026-26", &[(2, 12, 12), (2, 14, 3)]),
    Advisory::new("2026-27", &[(2, 12, 12), (2, 14, 3)]),
    Advisory::new("2026-28", &[(2, 12, 12), (2, 14, 3)]),
];

impl Version {
    /// Reads `2.15.1`, `v2.15.1` or `2.14.0-RC.1`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (numbers, candidate) = text
            .split_once('-')
            .map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
        let mut numbers = numbers.split('.').map(str::parse);
        let mut number = || numbers.next()?.ok();
        Some(Self {
            line: (number()?, number()?),
            patch: number()?,
            is_release: candidate.is_none(),
        })
    }

    /// Whether the gateway works with it.
    pub fn is_recent_enough(self) -> bool {
        self >= OLDEST
    }

    /// The security advisories that it is known to have, as advisories.nats.io numbers them.
    pub fn advisories(self) -> Vec<&'static str> {
        let has = ADVISORIES.iter().filter(|it| it.is_of(self));
        has.map(|it| it.id).collect()
    }
}

impl Advisory {
    const fn new(id: &'static str, mended: &'static [(u32, u32, u32)]) -> Self {
        Self { id, mended }
    }

    /// Lines that are older than a mended one, and were never mended, have it for good.
    fn is_of(&self, version: Version) -> bool {
        let mended = |&(major, minor, patch)| Version {
            line: (major, minor),
            patch,
            is_release: true,
        };
        let mut mended = self.mended.iter().map(mended);
        let same_line = mended.clone().find(|it| it.line == version.line);
        same_line.map_or_else(
            || mended.any(|it| version.line < it.line),
            |mended| version < mended,
        )
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((major, minor), patch) = (self.line, self.patch);
        let candidate = if self.is_release { "" } else { "-rc" };
        write!(f, "{major}.{minor}.{patch}{candidate}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_are_read_as_servers_write_them() {
        assert_eq!(version("2.15.1").to_string(), "2.15.1");
        assert_eq!(version("v2.15.1"), version("2.15.1"));
        assert_eq!(Version::parse("something else"), None);
        assert_eq!(Version::parse("2.15"), None);
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(version("2.9.25") < version("2.14.0"));
        assert!(version("2.14.0-RC.1") < version("2.14.0"));
        assert!(!version("2.9.25").is_recent_enough());
        assert!(!version("2.12.20").is_recent_enough());
        assert!(version("2.14.0-RC.1").is_recent_enough());
        assert!(version("3.0.0").is_recent_enough());
    }

    #[test]
    fn each_line_is_judged_by_the_release_that_mended_it() {
        assert_eq!(version("2.15.1").advisories(), [""; 0]);
        assert_eq!(version("2.14.3").advisories(), [""; 0]);
        assert_eq!(version("2.12.12").advisories(), [""; 0]);
        assert_eq!(version("2.14.2").advisories().len(), 7);
        assert!(version("2.14.1").advisories().contains(&"2026-23"));
        assert!(!version("2.14.1").advisories().contains(&"2026-22"));
        // 2.14 never had what 2.11 and 2.12 were mended for.
        assert!(!version("2.14.0").advisories().contains(&"2026-19"));
        assert!(version("2.12.7").advisories().contains(&"2026-19"));
        // Nobody mends 2.11 any more.
        assert!(version("2.11.99").advisories().contains(&"2026-20"));
        assert!(version("2.14.3-RC.1").advisories().contains(&"2026-20"));
    }
}
