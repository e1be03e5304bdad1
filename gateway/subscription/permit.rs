//! Whether a caller may read by a consumer: before anything is asked of JetStream by what the request
//! says, and then by what the consumer is.

use tokio::time::Instant;

use super::own;
use super::source::Facts;
use super::{Ending, Session};
use crate::auth::policy::Ask;
use crate::auth::{Access, Change};
use crate::convert::open::Source;
use crate::error::Result;
use crate::names::StreamName;
use crate::proto::DrainingReason;
use crate::token::Reached;

/// Refuses what can be told from the request alone.
pub(super) fn may_open(access: &Access, stream: &StreamName, source: &Source) -> Result<()> {
    let stream = stream.as_str();
    match source {
        Source::Consumer { name, .. } => may_read(access, stream, name.as_str()),
        Source::Ordered(reading) | Source::Ephemeral(reading) => {
            let reached = reading.resume.as_ref().map(|token| &token.reached);
            if let Some(Reached::Ephemeral { consumer, .. }) = reached {
                own::check(access, stream, consumer)?;
            }
            let name = own::stem(access.owner());
            access.may_consume(stream, &name, &reading.config)
        }
    }
}

/// Refuses a consumer by its name; what it filters by is not known yet.
pub(super) fn may_read(access: &Access, stream: &str, consumer: &str) -> Result<()> {
    own::check(access, stream, consumer)?;
    access.may(&Ask::consume(stream, consumer))
}

/// Refuses a consumer by all that is known of it.
pub(super) fn may_attach(access: &Access, stream: &StreamName, facts: &Facts) -> Result<()> {
    let ask = Ask::consume(stream.as_str(), facts.consumer.as_str());
    access.may(&ask.filters(&facts.filters))
}

impl Session {
    /// Takes over changed rules and fresh credentials: a session that is not allowed any more ends at once.
    pub(super) fn take(&mut self, change: Change) -> Result<(), Ending> {
        let judged = self.access.take(change).and_then(|()| self.judge());
        self.expiry = self.access.expiry();
        judged.map_err(Ending::Refused)
    }

    /// When the caller is told that its credentials end.
    pub(super) fn expiry_notice(&self) -> Option<Instant> {
        let expiry = self.expiry.filter(|_| !self.is_expiring);
        expiry.map(|expiry| expiry.notice)
    }

    /// Tells the caller that its credentials end, and the session with them.
    pub(super) async fn begin_to_expire(&mut self) {
        self.is_expiring = true;
        if let Some(expiry) = self.expiry {
            let left = expiry.end.saturating_duration_since(Instant::now());
            self.drain(DrainingReason::CredentialsExpire, left).await;
        }
    }

    /// Whether the session may go on with the consumer as it is now.
    pub(super) fn judge(&self) -> Result<()> {
        may_attach(&self.access, self.source.stream(), &self.facts)
    }
}
