//! The one stream that takes all messages of a pipeline, as long as it does: its subjects may change.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::error::Result;
use crate::names::{StreamName, Subject};
use crate::nats::lookup::StreamFacts;
use crate::nats::{Nats, Outgoing};

/// The header by which JetStream refuses what belongs to another stream.
const EXPECTED_STREAM: &str = "Nats-Expected-Stream";

/// How long what is known of the stream is taken from here: it ends as soon as JetStream tells of a
/// change.
const RECENT: Duration = Duration::from_secs(1);

/// How long asking for the stream may take.
const ASKING: Duration = Duration::from_secs(5);

/// The stream.
pub(in crate::nats) struct Bound {
    nats: Nats,
    name: StreamName,
    /// `None` while it is not known how the stream is now.
    facts: Option<StreamFacts>,
    /// The last subject that was found to be one of its: most messages have that of the one before.
    claimed: Option<Subject>,
    looked_at: Instant,
    asking: Option<Pin<Box<dyn Future<Output = Result<StreamFacts>> + Send>>>,
}

impl Bound {
    pub(in crate::nats) fn new(nats: Nats, name: StreamName, facts: StreamFacts) -> Self {
        Self {
            nats,
            name,
            facts: Some(facts),
            claimed: None,
            looked_at: Instant::now(),
            asking: None,
        }
    }

    pub(in crate::nats) fn facts(&self) -> Option<&StreamFacts> {
        self.facts.as_ref()
    }

    /// Makes sure that no other stream takes a message. JetStream is asked to compare where the subject
    /// does not look like one of the stream's: it may be one by a mapping of the account.
    pub(in crate::nats) fn claim(&mut self, message: &mut Outgoing) -> Result<()> {
        if self.looked_at.elapsed() > RECENT {
            self.look();
        }
        if self.claimed.as_ref() == Some(&message.subject) {
            return Ok(());
        }
        if let Some(facts) = &self.facts {
            facts.refuse_without_acks()?;
            if facts.takes(&message.subject) {
                self.claimed = Some(message.subject.clone());
                return Ok(());
            }
        }
        if message.headers.get(EXPECTED_STREAM).is_none() {
            let name = self.name.as_str();
            message.headers.insert(EXPECTED_STREAM, name);
        }
        Ok(())
    }

    fn look(&mut self) {
        self.looked_at = Instant::now();
        self.claimed = None;
        self.facts = self.nats.known_stream_named(&self.name);
        if self.facts.is_none() && self.asking.is_none() {
            let (nats, name) = (self.nats.clone(), self.name.clone());
            self.asking = Some(Box::pin(async move {
                nats.stream_facts(&name, Deadline::within(ASKING)).await
            }));
        }
    }

    /// Learns how the stream is now, where that was asked for.
    pub(in crate::nats) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(asking) = &mut self.asking
            && let Poll::Ready(answer) = asking.as_mut().poll(cx)
        {
            self.asking = None;
            self.facts = answer.ok();
        }
    }
}
