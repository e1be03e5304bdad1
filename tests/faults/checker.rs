//! Judges a history: which guarantees it breaks, and the figures of its row in the table.
//!
//! Each check goes through the history once, so that hours of it can be judged.

mod delivering;
mod publishing;
mod reading;
mod rights;
mod timing;

#[cfg(test)]
mod good;
#[cfg(test)]
mod mutations;

use std::fmt;
use std::time::Duration;

use crate::history::Entry;

/// A guarantee that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// What was answered OK is stored: before anything of its writer that is.
    LostPrefix,
    /// The same, between others of its writer.
    LostMiddle,
    /// The same, behind all others of its writer.
    LostTail,
    /// Nothing comes that nobody published.
    NeverAttempted,
    /// Payloads stay as they are.
    Corrupted,
    /// What was refused is not stored.
    StoredThoughRefused,
    /// A message is stored once.
    StoredTwice,
    /// An answer names the sequence at which the message is, each time.
    WrongSequence,
    /// A STRICT writer's messages are stored in their order.
    StrictOrder,
    /// A STRICT writer's message is stored only behind the one before it.
    StrictHole,
    /// An atomic batch is stored as a whole or not at all.
    TornBatch,
    /// All servers hold the same.
    ReplicasDiffer,
    /// A session's first deliveries of a subject come in the order of the stream.
    DeliveryOrder,
    /// What is stored is delivered.
    NeverDelivered,
    /// What was acknowledged and confirmed does not come again.
    CameBack,
    /// `delivery_attempt` counts the deliveries.
    WrongAttempt,
    /// No message comes more often than its consumer delivers it.
    DeliveredTooOften,
    /// An ordered read has no holes but the ones that it reports.
    ReadHole,
    /// An ordered read has each message once, in order.
    ReadOrder,
    /// Nobody is denied what it may do.
    DeniedThoughAdmitted,
    /// Nobody does what it may not do.
    AllowedThoughBarred,
    /// What was changed is in force in time.
    InForceLate,
    /// Where no process and no connection suffers, every outcome is known.
    Interrupted,
    /// Calls end at their deadline.
    DeadlineMissed,
    /// After a fault the callers are served as before.
    NotRecovered,
    /// Nothing is left behind.
    Leak,
}

/// One broken guarantee.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    pub rule: Rule,
    pub detail: String,
}

impl Violation {
    fn new(rule: Rule, detail: impl fmt::Display) -> Self {
        Self {
            rule,
            detail: detail.to_string(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.detail)
    }
}

/// What became of a history.
#[derive(Debug, Default)]
pub struct Verdict {
    pub violations: Vec<Violation>,
    pub figures: Figures,
}

/// The figures of a history.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Attempts to publish.
    pub attempts: u64,
    /// Those whose outcome stayed unknown.
    pub unknown: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Different messages that are stored.
    pub stored: u64,
    /// Deliveries, those of ordered reads included.
    pub delivered: u64,
    /// Deliveries behind the first of a message by its consumer.
    pub again: u64,
    /// The longest time by which a call outlived its deadline.
    pub excess: Duration,
    /// From the end of the fault to the first second that is as good as those before it.
    pub recovery: Option<Duration>,
}

/// Judges a whole history.
pub fn judge(history: &[Entry]) -> Verdict {
    let mut verdict = Verdict::default();
    let published = publishing::check(history, &mut verdict);
    delivering::check(history, &published, &mut verdict);
    reading::check(history, &published, &mut verdict);
    rights::check(history, &mut verdict);
    timing::check(history, &mut verdict);
    verdict
}
