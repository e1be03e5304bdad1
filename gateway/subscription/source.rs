//! What a session reads from, and how it attaches again after its connection or consumer is lost.

mod durable;
mod ephemeral;
mod floor;
mod gap;
mod ordered;
mod priority;
mod resume;
mod start;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::terms::{self, Terms};
use tokio::time::Instant;

use crate::auth::Owner;
use crate::convert::open;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{ConsumerName, StreamName};
use crate::nats::api::ConsumerInfo;
use crate::nats::pull::{self, Delivery, Passed, Puller};
use crate::nats::{Connection, Nats, Slot};
use crate::proto::{Gap, Resumption};
use crate::token::AckSubject;
pub use durable::Durable;
use ephemeral::Ephemeral;
pub use ordered::Ordered;
pub(super) use ordered::delete;
pub(super) use priority::Seat;

/// How long one attempt to attach may take before it starts over.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The pause between attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// A consumer that messages are pulled from.
#[derive(Clone)]
pub enum Source {
    /// One that exists by name.
    Durable(Box<Durable>),
    /// One that the gateway makes for the session, again and again if need be.
    Ordered(Box<Ordered>),
    /// One that the gateway makes for the session as the caller describes it.
    Ephemeral(Box<Ephemeral>),
}

/// A way to attach that is under way.
pub(super) type Attaching = Pin<Box<dyn Future<Output = Result<Box<Attached>>> + Send>>;

/// A session's connection to its consumer.
pub(super) struct Attached {
    pub(super) puller: Puller,
    /// Kept for as long as the puller is: a private connection ends with it.
    pub(super) _connection: Connection,
    /// The connection is not the one that all sessions share: the consumer has messages that break
    /// connections.
    pub(super) is_private: bool,
    /// Pull single messages: what breaks the connection takes nothing else with it.
    pub(super) one_by_one: bool,
    /// Messages that the connection could not receive.
    pub(super) suspects: Vec<Delivery>,
    pub(super) gap: Option<Gap>,
    pub(super) facts: Arc<Facts>,
}

/// What attaching finds out about the consumer.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) consumer: ConsumerName,
    pub(super) terms: Terms,
    /// Which subjects it reads; none is all.
    pub(super) filters: Arc<[String]>,
    /// Tells the consumer from every other.
    pub(super) fingerprint: u32,
    pub(super) slot: Slot,
    pub(super) pending: u64,
    /// How far the consumer has read, and up to where all is settled.
    pub(super) position: u64,
    pub(super) ack_floor: u64,
    /// When the stream was created, and its last sequence before attaching; known for the gateway's own
    /// consumers.
    pub(super) stream_created: Option<prost_types::Timestamp>,
    pub(super) stream_last: u64,
    /// A crash took the stream's last messages; it goes on behind this one.
    stream_fell_back_to: Option<u64>,
    /// The consumer was made just now, and begins behind this sequence.
    made_behind: Option<u64>,
    /// The session's place, where the consumer has priority groups.
    pub(super) seat: Option<Seat>,
}

/// How far a session has read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    pub(super) stream_sequence: u64,
    pub(super) consumer_sequence: u64,
}

impl Source {
    /// What a caller asks for; nothing is asked of JetStream yet. What is known of a consumer that exists may
    /// be as old as `freshness`.
    pub(super) fn new(
        nats: &Nats,
        account: u32,
        owner: Owner,
        stream: StreamName,
        source: open::Source,
        freshness: Duration,
    ) -> Result<Self> {
        Ok(match source {
            open::Source::Consumer { name, priority } => {
                let durable = Durable::new(nats, stream, name, freshness, priority);
                Self::Durable(Box::new(durable))
            }
            open::Source::Ordered(reading) => Self::Ordered(Box::new(Ordered::new(
                nats, account, owner, stream, reading,
            )?)),
            open::Source::Ephemeral(reading) => Self::Ephemeral(Box::new(Ephemeral::new(
                nats, account, owner, stream, reading,
            )?)),
        })
    }

    /// Attaches for the first time; its errors are those of the call.
    pub(super) async fn attach_first(
        &mut self,
        nats: &Nats,
        deadline: Deadline,
    ) -> Result<Box<Attached>> {
        match self {
            Self::Durable(_) => {}
            Self::Ordered(ordered) => ordered.begin(nats, deadline).await?,
            Self::Ephemeral(ephemeral) => ephemeral.begin(nats, deadline).await?,
        }
        let attached = self.attempt(nats, deadline).await?;
        self.attached(&attached.facts);
        Ok(attached)
    }

    /// Attaches again behind the last message, for as long as it takes.
    pub(super) fn attach(&mut self, nats: &Nats, delay: Duration) -> Attaching {
        if let Some(durable) = self.by_name() {
            durable.detached_at = Some(Instant::now());
        }
        let (mut source, nats) = (self.clone(), nats.clone());
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            if let Self::Ordered(ordered) = &mut source {
                ordered.retire_previous(&nats).await;
            }
            loop {
                match source.attempt(&nats, Deadline::within(ATTEMPT)).await {
                    Err(error) if !is_final(&error) => {
                        tokio::time::sleep(PAUSE.mul_f64(0.5 + fastrand::f64())).await;
                    }
                    outcome => return outcome,
                }
            }
        })
    }

    async fn attempt(&self, nats: &Nats, deadline: Deadline) -> Result<Box<Attached>> {
        match self {
            Self::Durable(durable) => durable.attach(nats, deadline).await,
            Self::Ordered(ordered) => ordered.attach(nats, deadline).await,
            Self::Ephemeral(ephemeral) => ephemeral.attach(nats, deadline).await,
        }
    }

    /// Takes over what attaching found out.
    pub(super) fn attached(&mut self, facts: &Facts) {
        match self {
            Self::Durable(durable) => durable.attached(facts),
            Self::Ordered(ordered) => ordered.attached(facts),
            Self::Ephemeral(ephemeral) => ephemeral.attached(facts),
        }
    }

    /// Notes that the connection broke.
    pub(super) fn lost(&mut self) {
        match self {
            Self::Durable(durable) => durable.lost(),
            Self::Ordered(ordered) => ordered.lost(),
            Self::Ephemeral(ephemeral) => ephemeral.lost(),
        }
    }

    /// Notes that a message is delivered to the caller.
    pub(super) fn passed(&mut self, ack: &AckSubject) {
        let position = match self {
            Self::Durable(durable) => &mut durable.position,
            Self::Ordered(ordered) => &mut ordered.position,
            Self::Ephemeral(ephemeral) => {
                ephemeral.passed(ack);
                &mut ephemeral.durable.position
            }
        };
        position.stream_sequence = position.stream_sequence.max(ack.stream_sequence);
        position.consumer_sequence = position.consumer_sequence.max(ack.consumer_sequence);
    }

    /// Notes how far the consumer has come, where nothing waits for the caller.
    pub(super) fn idle(&mut self, passed: Passed) {
        if let Self::Ordered(ordered) = self {
            ordered.pass(passed);
        }
    }

    /// Notes that a message is settled.
    pub(super) fn settled(&mut self, sequence: u64) {
        if let Self::Ephemeral(ephemeral) = self {
            ephemeral.floor.settle(sequence);
        }
    }

    /// Notes that everything up to a message is settled.
    pub(super) fn settled_through(&mut self, sequence: u64) {
        if let Self::Ephemeral(ephemeral) = self {
            ephemeral.floor.settle_through(sequence);
        }
    }

    /// Notes what JetStream says is settled.
    pub(super) fn learn(&mut self, info: &ConsumerInfo) {
        if let Self::Ephemeral(ephemeral) = self {
            ephemeral.learn(info);
        }
    }

    /// Whether something that was delivered must come again before the read is over.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Durable(_) | Self::Ordered(_) => false,
            Self::Ephemeral(ephemeral) => ephemeral.floor.is_open(),
        }
    }

    /// Goes on from here in another session; empty where the consumer itself knows.
    pub(super) fn resume_token(&self, account: u32) -> String {
        let token = match self {
            Self::Durable(_) => None,
            Self::Ordered(ordered) => ordered.resume_token(account),
            Self::Ephemeral(ephemeral) => ephemeral.resume_token(account),
        };
        token.map(|token| token.encode()).unwrap_or_default()
    }

    /// How the session goes on where another ended.
    pub(super) fn resumption(&self) -> Resumption {
        match self {
            Self::Durable(_) => Resumption::Unspecified,
            Self::Ordered(ordered) => ordered.resumption(),
            Self::Ephemeral(ephemeral) => ephemeral.resumption,
        }
    }

    /// Whether the consumer counts its deliveries anew: it was deleted and created again, or reset, or a
    /// crash took its last moments. (Ordered reads make their consumers themselves.)
    pub(super) fn counts_anew(&self, ack: &AckSubject) -> bool {
        let by_name = match self {
            Self::Durable(durable) => durable,
            Self::Ephemeral(ephemeral) => &ephemeral.durable,
            Self::Ordered(_) => return false,
        };
        ack.consumer_sequence < by_name.position.consumer_sequence
    }

    /// Takes note that it does.
    pub(super) fn count_anew(&mut self) {
        if let Some(durable) = self.by_name() {
            durable.position.consumer_sequence = 0;
        }
    }

    /// Whether a message is the next one; only ordered reads care.
    pub(super) fn follows(&mut self, ack: &AckSubject) -> bool {
        match self {
            Self::Durable(_) | Self::Ephemeral(_) => true,
            Self::Ordered(ordered) => ordered.follows(ack),
        }
    }

    /// Whether a message was delivered before: an ordered read that starts a snapshot again.
    pub(super) fn repeats(&self, ack: &AckSubject) -> bool {
        match self {
            Self::Durable(_) | Self::Ephemeral(_) => false,
            Self::Ordered(ordered) => ack.stream_sequence <= ordered.position.stream_sequence,
        }
    }

    /// Passes over a message that the caller has had.
    pub(super) fn skip(&mut self, ack: &AckSubject) {
        if let Self::Ordered(ordered) = self {
            ordered.position.consumer_sequence = ack.consumer_sequence;
        }
    }

    /// The consumer is the session's alone, and goes when the session ends as its caller wants.
    pub(super) fn is_ephemeral(&self) -> bool {
        matches!(self, Self::Ephemeral(_))
    }

    /// The consumer is one that the gateway made.
    pub(super) fn is_own(&self) -> bool {
        self.is_ordered() || self.is_ephemeral()
    }

    pub(super) fn is_ordered(&self) -> bool {
        matches!(self, Self::Ordered(_))
    }

    pub(super) fn stream(&self) -> &StreamName {
        match self {
            Self::Durable(durable) => &durable.stream,
            Self::Ordered(ordered) => &ordered.stream,
            Self::Ephemeral(ephemeral) => &ephemeral.durable.stream,
        }
    }

    /// What attaches by the consumer's name.
    fn by_name(&mut self) -> Option<&mut Durable> {
        match self {
            Self::Durable(durable) => Some(durable),
            Self::Ephemeral(ephemeral) => Some(&mut ephemeral.durable),
            Self::Ordered(_) => None,
        }
    }
}

/// What one attempt to attach needs in the end: a puller on a link of the connection.
async fn new_puller(
    nats: &Nats,
    connection: &Connection,
    stream: &StreamName,
    consumer: &ConsumerName,
    pin: Option<pull::Pin>,
    deadline: Deadline,
) -> Result<Puller> {
    let link = connection.wait(deadline).await?;
    Ok(Puller::new(
        nats,
        link,
        stream.as_str(),
        consumer.as_str(),
        pin,
    ))
}

fn facts(nats: &Nats, info: &ConsumerInfo, consumer: &ConsumerName) -> Facts {
    let terms = Terms::of(info);
    Facts {
        consumer: consumer.clone(),
        fingerprint: terms::fingerprint(&info.stream_name, &info.name, terms.incarnation),
        slot: nats.slot(&info.stream_name, &info.name, terms.max_waiting),
        terms,
        filters: info.config.filters().map(str::to_owned).collect(),
        pending: info.num_pending,
        position: info.delivered.stream_seq,
        ack_floor: info.ack_floor.stream_seq,
        stream_created: None,
        stream_last: 0,
        stream_fell_back_to: None,
        made_behind: None,
        seat: None,
    }
}

/// A gateway session cannot be served by a push consumer.
pub(super) fn refuse_push(info: &ConsumerInfo) -> Result<()> {
    if info.config.is_push() {
        let text = format!(
            "{} is a push consumer; the gateway serves pull consumers",
            info.name
        );
        return Err(Error::new(Reason::ConsumerIsPush, text));
    }
    Ok(())
}

/// Whether trying again cannot help.
fn is_final(error: &Error) -> bool {
    matches!(
        error.reason(),
        Reason::StreamNotFound
            | Reason::ConsumerNotFound
            | Reason::ConsumerIsPush
            | Reason::NatsPermissionDenied
            | Reason::RejectedByJetstream
            | Reason::FailedPrecondition
            | Reason::PriorityMismatch
    )
}
