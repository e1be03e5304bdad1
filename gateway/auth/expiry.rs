//! The end of what the caller of a stream has shown, and when the caller is told of it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Access, unauthenticated};
use crate::error::Error;

/// How long before the end a caller is told, where there is as much time.
const NOTICE: Duration = Duration::from_secs(30);

/// When a caller's credentials end.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// When the caller is told that its stream is about to end.
    pub notice: Instant,
    /// When its stream ends.
    pub end: Instant,
}

impl Access {
    /// When what the caller has shown ends; `None` where it does not.
    pub fn expiry(&self) -> Option<Expiry> {
        let expires = self.caller().expires()?;
        let left = expires.duration_since(SystemTime::now());
        let left = left.unwrap_or_default();
        let end = Instant::now().checked_add(left)?;
        let notice = end - notice(left);
        Some(Expiry { notice, end })
    }
}

/// How long before the end it is told of, where there is so much time left.
pub(crate) fn notice(left: Duration) -> Duration {
    NOTICE.min(left / 2)
}

/// The end of a stream whose caller's credentials have ended.
pub fn expired() -> Error {
    unauthenticated("the credentials of the caller have expired")
}
