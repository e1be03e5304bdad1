//! What changes for a caller while its stream is open: the rules, the keys, and what it shows.

use std::pin::Pin;

use tokio::sync::watch;
use zeroize::Zeroizing;

use super::authenticator::Authenticator;
use super::{Caller, Credential};
use crate::error::Result;

/// Tells when something has changed.
pub struct Changes {
    /// `None` where there is no gateway around, as in unit tests.
    authenticator: Option<(Authenticator, watch::Receiver<()>)>,
    /// What the caller has shown last is being judged.
    judging: Option<Judging>,
}

type Judging = Pin<Box<dyn Future<Output = Result<(Caller, Credential)>> + Send>>;

/// What has changed, for [`Access::take`](super::Access::take).
pub enum Change {
    /// The rules, or the keys that callers are known by.
    Rules,
    /// What the caller shows.
    Credentials(Result<Shown>),
}

/// Credentials that are good.
pub struct Shown {
    pub(super) caller: Caller,
    pub(super) credential: Credential,
}

impl Changes {
    pub(super) fn of(authenticator: Option<&Authenticator>) -> Self {
        let told = |it: &Authenticator| (it.clone(), it.changes());
        Self {
            authenticator: authenticator.map(told),
            judging: None,
        }
    }

    /// Judges what the caller shows now; what comes of it is a change. It may take a few seconds, where the
    /// issuer of a token has to be asked for its keys first.
    pub fn judge(&mut self, bearer: String) {
        let authenticator = self.authenticator.as_ref();
        self.judging = authenticator.map(|(authenticator, _)| -> Judging {
            let (authenticator, bearer) = (authenticator.clone(), Zeroizing::new(bearer));
            Box::pin(async move { authenticator.bearer_later(&bearer).await })
        });
    }

    /// Waits for the next change; for ever where there is none to come. May be dropped at any time.
    pub async fn next(&mut self) -> Change {
        let Some((_, rules)) = &mut self.authenticator else {
            return std::future::pending().await;
        };
        tokio::select! {
            biased;
            judged = judged(&mut self.judging) => Change::Credentials(judged),
            // The gateway ends only after its streams.
            Ok(()) = rules.changed() => Change::Rules,
        }
    }
}

async fn judged(judging: &mut Option<Judging>) -> Result<Shown> {
    let Some(waiting) = judging else {
        return std::future::pending().await;
    };
    let judged = waiting.await;
    *judging = None;
    let (caller, credential) = judged?;
    Ok(Shown { caller, credential })
}
