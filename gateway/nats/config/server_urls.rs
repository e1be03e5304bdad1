//! Addresses of NATS servers, which may hold credentials.

use std::{fmt, str::FromStr};

use async_nats::ServerAddr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize as _, Zeroizing};

use crate::config::Secret;

/// One or more server URLs; what stands before an `@` is shown as `[redacted]`.
#[derive(Clone, Eq, PartialEq)]
pub struct ServerUrls(Vec<String>);

impl ServerUrls {
    /// The URLs as given, credentials included: for connecting, never for printing.
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Each server by itself.
    pub(super) fn each(&self) -> impl Iterator<Item = Self> {
        self.0.iter().map(|url| Self(vec![url.clone()]))
    }

    /// Whether one of them holds credentials.
    pub fn has_credentials(&self) -> bool {
        self.0.iter().any(|url| url.contains('@'))
    }

    /// The same servers without credentials.
    pub(super) fn without_credentials(&self) -> Self {
        let strip = |url: &String| match url.rsplit_once('@') {
            Some((before, host)) => match before.split_once("://") {
                Some((scheme, _)) => format!("{scheme}://{host}"),
                None => host.to_owned(),
            },
            None => url.clone(),
        };
        Self(self.0.iter().map(strip).collect())
    }

    /// What the first URL with credentials holds.
    pub(super) fn credentials(&self) -> Option<UrlCredentials> {
        let url = self.0.iter().find(|url| url.contains('@'))?;
        let (before, _) = url.rsplit_once('@')?;
        let before = before.split_once("://").map_or(before, |(_, rest)| rest);
        Some(match before.split_once(':') {
            Some((user, password)) => UrlCredentials::User(
                decode(user).as_str().to_owned(),
                Secret::new(decode(password).as_str()),
            ),
            None => UrlCredentials::Token(Secret::new(decode(before).as_str())),
        })
    }
}

/// Our copy of credentials leaves nothing in memory.
impl Drop for ServerUrls {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What stands before the `@`, as every NATS client reads it.
#[derive(Eq, PartialEq)]
pub(super) enum UrlCredentials {
    /// `user:password@`
    User(String, Secret),
    /// `token@`
    Token(Secret),
}

/// Replaces `%40` and the like, which is how a password holds an `@` or a `/` in a URL.
fn decode(text: &str) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| first == b'%');
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
}

impl Default for ServerUrls {
    fn default() -> Self {
        Self(vec!["nats://127.0.0.1:4222".to_owned()])
    }
}

impl FromStr for ServerUrls {
    type Err = ParseServerUrlsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let urls: Vec<String> = text.split(',').map(|url| url.trim().to_owned()).collect();
        if urls.iter().all(|url| is_server_url(url)) {
            Ok(Self(urls))
        } else {
            Err(ParseServerUrlsError)
        }
    }
}

fn is_server_url(url: &str) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let is_known = ["nats", "tls"].contains(&scheme);
    is_known && !host.is_empty() && !host.starts_with(':') && url.parse::<ServerAddr>().is_ok()
}

impl fmt::Display for ServerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, url) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match url.rsplit_once('@') {
                Some((before, host)) => {
                    let scheme = before
                        .split_once("://")
                        .map_or("nats", |(scheme, _)| scheme);
                    write!(f, "{scheme}://[redacted]@{host}")?;
                }
                None => f.write_str(url)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ServerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for ServerUrls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ServerUrls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains("[redacted]") {
            // Somebody runs what `config print` wrote.
            return Err(de::Error::custom(
                "credentials were redacted when printed: give the real ones",
            ));
        }
        text.parse().map_err(de::Error::custom)
    }
}

/// The text is not a list of server URLs. The text itself may hold a password and is not shown.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected URLs such as nats://host:4222 (or tls://), separated by commas")]
pub struct ParseServerUrlsError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_a_list() {
        let urls: ServerUrls = "nats://n1:4222, tls://n2,n3:4222".parse().unwrap();

        let list: Vec<_> = urls.expose().collect();
        assert_eq!(list, ["nats://n1:4222", "tls://n2", "n3:4222"]);
    }

    #[test]
    fn refuses_what_is_no_server() {
        for text in [
            "",
            "nats://",
            "http://n1",
            "nats://n1,,nats://n2",
            "nats://:4222",
            "n 1",
        ] {
            assert_eq!(
                text.parse::<ServerUrls>(),
                Err(ParseServerUrlsError),
                "{text}"
            );
        }
    }

    #[test]
    fn credentials_are_read_as_other_clients_do() {
        let credentials = |text: &str| text.parse::<ServerUrls>().unwrap().credentials();

        let user = UrlCredentials::User("ada".to_owned(), Secret::new("p@ss%"));
        assert!(credentials("nats://n0,nats://ada:p%40ss%@n1:4222") == Some(user));
        assert!(credentials("token@n2") == Some(UrlCredentials::Token(Secret::new("token"))));
        assert!(credentials("nats://n1").is_none());
    }

    #[test]
    fn credentials_in_urls_are_redacted() {
        let urls: ServerUrls = "nats://ada:p@ss@n1:4222,token@n2".parse().unwrap();

        assert_eq!(
            urls.to_string(),
            "nats://[redacted]@n1:4222,nats://[redacted]@n2"
        );
        assert_eq!(
            format!("{urls:?}"),
            "\"nats://[redacted]@n1:4222,nats://[redacted]@n2\""
        );
    }
}
