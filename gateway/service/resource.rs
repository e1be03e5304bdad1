//! What the services for streams and consumers share: etags, and the outcome of deletions.

use crate::error::{Error, Reason, Result};
use crate::nats::api::Deleted;

/// Refuses an update that was made for another configuration than the current one.
pub(super) fn check_etag(expected: &str, current: &str) -> Result<()> {
    if expected.is_empty() || expected == current {
        return Ok(());
    }
    let message = "the configuration has changed since this etag was read";
    Err(Error::new(Reason::StaleEtag, message)
        .with("etag", current)
        .at("etag"))
}

/// The same where perhaps nothing exists, which is no configuration that an etag stands for.
pub(super) fn check_etag_of<C>(
    expected: &str,
    existing: Option<&C>,
    etag: impl Fn(&C) -> Result<String>,
) -> Result<()> {
    let current = match existing {
        Some(existing) if !expected.is_empty() => etag(existing)?,
        _ => String::new(),
    };
    check_etag(expected, &current)
}

/// JetStream answers a failed deletion with an error, and never without success otherwise.
pub(super) fn check_deleted(answer: &Deleted) -> Result<()> {
    if answer.success {
        return Ok(());
    }
    Err(Error::new(
        Reason::Internal,
        "JetStream did not confirm the deletion",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_etag_checks_nothing() {
        assert!(check_etag("", "a").is_ok() && check_etag("a", "a").is_ok());
        assert_eq!(
            check_etag("b", "a").unwrap_err().reason(),
            Reason::StaleEtag
        );
        let etag = |it: &&str| Ok((*it).to_owned());
        assert!(
            check_etag_of("", None, etag).is_ok() && check_etag_of("a", Some(&"a"), etag).is_ok()
        );
        assert!(check_etag_of("a", None, etag).is_err());
    }
}
