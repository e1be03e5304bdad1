//! The origins of pages that may call: as an operator writes them, and as browsers send them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Origins in the order in which they were written; none is the empty text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origins(Vec<Pattern>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Pattern {
    /// Every page.
    Any,
    /// This one.
    Exactly(String),
    /// Whatever follows as the port: `http://localhost:*`, kept without the `*`.
    AnyPort(String),
}

/// Why a text names no origins.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is no origin: write scheme, host and port as browsers do, in small letters, without a path \
     and without the scheme's own port, such as https://app.example.com or http://localhost:*"
)]
pub struct ParseOriginsError(String);

impl Origins {
    /// Every page that this machine serves to itself.
    pub(super) fn local() -> Self {
        let schemes = ["http", "https"];
        let hosts = ["localhost", "127.0.0.1", "[::1]"];
        let origins =
            schemes.map(|scheme| hosts.map(|host| Pattern::AnyPort(format!("{scheme}://{host}"))));
        Self(origins.into_iter().flatten().collect())
    }

    /// Every page.
    pub(super) fn any() -> Self {
        Self(vec![Pattern::Any])
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every page may call.
    pub(crate) fn allow_any(&self) -> bool {
        self.0.contains(&Pattern::Any)
    }

    /// Whether a page of this origin may call.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        self.0.iter().any(|pattern| pattern.allows(origin))
    }
}

impl Pattern {
    fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(own) => own == origin,
            Self::AnyPort(own) => origin.strip_prefix(own.as_str()).is_some_and(is_port),
        }
    }
}

/// Nothing is the scheme's own port.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl FromStr for Pattern {
    type Err = ParseOriginsError;

    fn from_str(text: &str) -> Result<Self, ParseOriginsError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let refused = || ParseOriginsError(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(refused)?;
        let (host, port) = split_port(rest);
        let own_port = matches!((scheme, port), ("http", "80") | ("https", "443"));
        if !is_scheme(scheme) || !is_host(host) || own_port {
            return Err(refused());
        }
        match port {
            "*" => Ok(Self::AnyPort(format!("{scheme}://{host}"))),
            "" if rest == host => Ok(Self::Exactly(text.to_owned())),
            _ if is_number(port) => Ok(Self::Exactly(text.to_owned())),
            _ => Err(refused()),
        }
    }
}

/// Host and port; an address of IPv6 has colons of its own.
fn split_port(rest: &str) -> (&str, &str) {
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (rest, ""),
    }
}

/// Programs around a web view have schemes of their own.
fn is_scheme(text: &str) -> bool {
    let small =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(small)
}

fn is_host(text: &str) -> bool {
    let address = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Some(address) = address {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let small =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    !text.is_empty() && text.bytes().all(small)
}

impl FromStr for Origins {
    type Err = ParseOriginsError;

    fn from_str(text: &str) -> Result<Self, ParseOriginsError> {
        let origins = text.split(',').map(str::trim);
        let origins = origins.filter(|origin| !origin.is_empty());
        Ok(Self(origins.map(str::parse).collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, pattern) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "," })?;
            match pattern {
                Pattern::Any => f.write_str("*")?,
                Pattern::Exactly(origin) => f.write_str(origin)?,
                Pattern::AnyPort(origin) => write!(f, "{origin}:*")?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Origins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_as_browsers_write_them() {
        let origins: Origins = "https://app.example.com, http://localhost:*,http://[::1]:8080"
            .parse()
            .unwrap();

        for allowed in [
            "https://app.example.com",
            "http://localhost",
            "http://localhost:5173",
            "http://[::1]:8080",
        ] {
            assert!(origins.allow(allowed), "{allowed}");
        }
        for refused in [
            "null",
            "",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.test",
            "http://localhost.evil.test",
            "http://localhost:evil",
            "http://localhost:80@evil.test",
            "http://[::1]",
        ] {
            assert!(!origins.allow(refused), "{refused}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for text in [
            "app.example.com",
            "https://App.example.com",
            "https://app.example.com/",
            "https://app.example.com:443",
            "http://localhost:80",
            "https://*.example.com",
            "https://app.example.com:",
            "https://",
            "null",
            "https://[::g]",
        ] {
            assert!(text.parse::<Origins>().is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_written_as_they_were_read() {
        for text in [
            "",
            "*",
            "https://a.test,http://localhost:*",
            "tauri://localhost",
        ] {
            assert_eq!(text.parse::<Origins>().unwrap().to_string(), text);
        }
        assert!(Origins::local().allow("http://localhost:3000"));
        assert!(!Origins::local().allow("http://192.168.0.1:3000"));
    }
}
