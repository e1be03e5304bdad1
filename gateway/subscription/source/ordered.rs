//! Reading a stream in order by ephemeral consumers without acknowledgements.
//!
//! When one is lost, or skips a delivery, the next begins behind the last message that the caller
//! got; one lost before its first message begins where the first was to begin, not at the start of
//! the stream. A resume token holds the same, so that another replica can make the next.
//!
//! A read of the last message per subject has a snapshot, which ends with the last message of the stream
//! when it began. Its consumers read the snapshot only, as each of them leaves out what was
//! updated before it was made; another reads everything behind the end.

use std::sync::Arc;
use std::time::Duration;

use prost_types::Timestamp;

use super::{Attached, Facts, Position, facts, gap, new_puller, resume, start};
use crate::auth::Owner;
use crate::convert::open::Reading;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::names::{ConsumerName, StreamName};
use crate::nats::api::{
    AckPolicy, ConsumerAction, ConsumerConfig, ConsumerInfo, CreateConsumer, DeliverPolicy,
    Retention, StreamInfo,
};
use crate::nats::pull::{Delivery, Passed};
use crate::nats::{AsOf, Connection, Nats};
use crate::proto::{Gap, Resumption};
use crate::subscription::own;
use crate::token::{AckSubject, Reached, ResumeToken, Start};

/// How long an ephemeral consumer outlives its session: a little more than a lost connection takes
/// to notice.
const INACTIVE: Duration = Duration::from_secs(30);

/// After this many broken connections in a row the read keeps apart from others.
const APART: u32 = 2;

/// How long asking the last consumer how far it came may take.
const LOOKING_BACK: Duration = Duration::from_secs(2);

/// An ordered read.
#[derive(Clone)]
pub struct Ordered {
    owner: Owner,
    pub(super) stream: StreamName,
    /// What every consumer of this read is like, but for name and start.
    config: ConsumerConfig,
    connection: Connection,
    pub(super) position: Position,
    /// The last consumer of this read.
    previous: Option<ConsumerName>,
    /// How many connections broke in a row without a message in between, and where the last began.
    stuck: u32,
    attached_at: u64,
    /// The message that the last consumer had come to when its connection broke.
    came_to: Option<u64>,
    /// The stream's last sequence when a read of the last message per subject began.
    snapshot_end: u64,
    /// When the stream was created, once the read has begun.
    stream_created: Option<Timestamp>,
    /// A fingerprint of the filters.
    filters: u32,
    is_resumed: bool,
}

impl Ordered {
    /// What is asked for, which must be what a resume token is of.
    pub(super) fn new(
        nats: &Nats,
        account: u32,
        owner: Owner,
        stream: StreamName,
        reading: Reading,
    ) -> Result<Self> {
        let config = ConsumerConfig {
            ack_policy: AckPolicy::None,
            max_deliver: 1,
            mem_storage: true,
            inactive_threshold: INACTIVE.as_nanos() as u64,
            ..*reading.config
        };
        let mut read = Self {
            owner,
            stream,
            filters: resume::fingerprint(&config),
            config,
            connection: nats.delivery_connection(),
            position: Position::default(),
            previous: None,
            stuck: 0,
            attached_at: 0,
            came_to: None,
            snapshot_end: 0,
            stream_created: None,
            is_resumed: reading.resume.is_some(),
        };
        if let Some(token) = reading.resume {
            resume::check(&token, account, &read.stream, read.filters)?;
            (read.position.stream_sequence, read.snapshot_end) = resume::ordered(&token)?;
            read.stream_created = Some(token.created.into());
            start::apply(&mut read.config, token.start);
        }
        Ok(read)
    }

    /// Whether and how the read goes on where another ended.
    pub(super) fn resumption(&self) -> Resumption {
        if self.is_resumed {
            Resumption::Position
        } else {
            Resumption::Unspecified
        }
    }

    /// Where the read stands; `None` where it would not be known where it began.
    pub(super) fn resume_token(&self, account: u32) -> Option<ResumeToken> {
        Some(ResumeToken {
            account,
            stream: self.stream.to_string(),
            created: self.stream_created?.into(),
            filters: self.filters,
            start: start::of(&self.config)?,
            reached: Reached::Ordered {
                position: self.position.stream_sequence,
                snapshot_end: self.snapshot_end,
            },
        })
    }

    /// Notes that the connection broke; without a message since the last time, it was the next message
    /// that broke it.
    pub(super) fn lost(&mut self) {
        let has_moved = self.position.stream_sequence > self.attached_at;
        self.stuck = if has_moved { 1 } else { self.stuck + 1 };
    }

    /// Deletes the consumer that this read had last. One that delivered single messages knows which
    /// of them broke its connection.
    pub(super) async fn retire_previous(&mut self, nats: &Nats) {
        let Some(consumer) = &self.previous else {
            return;
        };
        if self.stuck > APART {
            let deadline = Deadline::within(LOOKING_BACK);
            let as_of = AsOf::within(Duration::ZERO);
            let info = nats
                .consumer_info(&self.stream, consumer, as_of, deadline)
                .await;
            self.came_to = info
                .ok()
                .map(|info| info.delivered.stream_seq)
                .filter(|it| *it > 0);
        }
        delete(nats, &self.stream, consumer).await;
    }

    /// One attempt to attach.
    pub(super) async fn attach(&self, nats: &Nats, deadline: Deadline) -> Result<Box<Attached>> {
        let operation = format!("STREAM.INFO.{}", self.stream);
        let stream: StreamInfo = nats.api_get(&operation, deadline).await?;
        let mut read = self.clone();
        let gap = read.find_gap(&stream);

        let mut suspects = Vec::new();
        while let Some(suspect) = read.next_malformed(nats, deadline).await? {
            read.position.stream_sequence = suspect.ack.stream_sequence;
            suspects.push(suspect);
        }

        let one_by_one = self.stuck >= APART;
        let is_private = one_by_one || nats.is_marked(self.stream.as_str());
        let connection = match is_private {
            true => nats.quarantine_connection(self.stream.as_str(), ""),
            false => self.connection.clone(),
        };
        // Before the consumer: while there is no connection, none must be made.
        connection.wait(deadline).await?;
        let (name, info) = read.create_consumer(nats, &stream, deadline).await?;
        let puller = new_puller(nats, &connection, &self.stream, &name, None, deadline).await?;
        let facts = Facts {
            stream_fell_back_to: gap::lost_end(&stream, self.place()),
            stream_created: stream.created,
            stream_last: stream.state.last_seq,
            ..facts(nats, &info, &name)
        };
        Ok(Box::new(Attached {
            puller,
            _connection: connection,
            is_private,
            one_by_one,
            suspects,
            gap,
            facts: Arc::new(facts),
        }))
    }

    /// Fixes where the read begins and where its snapshot ends, so that a consumer made anew misses
    /// nothing that came in between. One that goes on has done so.
    pub(super) async fn begin(&mut self, nats: &Nats, deadline: Deadline) -> Result<()> {
        if self.stream_created.is_some() {
            return Ok(());
        }
        let operation = format!("STREAM.INFO.{}", self.stream);
        let stream: StreamInfo = nats.api_get(&operation, deadline).await?;
        start::fix(&mut self.config, nats, &self.stream, &stream, deadline).await?;
        if self.config.deliver_policy == DeliverPolicy::LastPerSubject {
            self.snapshot_end = stream.state.last_seq;
        }
        self.stream_created = stream.created;
        Ok(())
    }

    /// Messages that the stream no longer has, or all of them where it was made anew.
    fn find_gap(&mut self, stream: &StreamInfo) -> Option<Gap> {
        let position = self.position.stream_sequence;
        let removes_updated = stream.config.max_msgs_per_subject.is_some_and(|it| it > 0);
        let next = match self.config.deliver_policy {
            DeliverPolicy::ByStartSequence if position == 0 => Some(self.config.opt_start_seq),
            // Such a stream begins further behind with every update of its first message.
            DeliverPolicy::LastPerSubject if self.is_in_snapshot() && removes_updated => {
                Some(self.snapshot_end + 1)
            }
            _ => (position > 0).then_some(position + 1),
        };
        let place = gap::Place {
            next,
            ..self.place()
        };
        let gap = gap::find(stream, place)?;
        if gap.stream_recreated {
            self.start_over(stream.created);
        } else if let Some(last) = gap::lost_end(stream, place) {
            self.fall_back(last);
        }
        Some(gap)
    }

    fn place(&self) -> gap::Place {
        gap::Place {
            created: self.stream_created,
            position: self.position.stream_sequence,
            next: None,
        }
    }

    /// Looked for only when a connection broke. Before the first message the start is not always a
    /// sequence; then the consumer tells how far it came.
    async fn next_malformed(&self, nats: &Nats, deadline: Deadline) -> Result<Option<Delivery>> {
        let position = self.position.stream_sequence;
        let after = match self.config.deliver_policy {
            _ if self.stuck == 0 => return Ok(None),
            _ if position > 0 => position,
            DeliverPolicy::All => 0,
            DeliverPolicy::ByStartSequence => self.config.opt_start_seq.saturating_sub(1),
            _ => match self.came_to {
                Some(sequence) => sequence - 1,
                None => return Ok(None),
            },
        };
        nats.next_malformed(self.stream.as_str(), &self.config, after, deadline)
            .await
    }

    async fn create_consumer(
        &self,
        nats: &Nats,
        stream: &StreamInfo,
        deadline: Deadline,
    ) -> Result<(ConsumerName, ConsumerInfo)> {
        let name = own::new_name(self.owner)?;
        let mut config = ConsumerConfig {
            name: name.to_string(),
            ..self.config.clone()
        };
        // One copy is enough for what can be made anew; interest streams insist on all of them.
        config.num_replicas = u32::from(stream.config.retention == Retention::Limits);
        let position = self.position.stream_sequence;
        let goes_on = match config.deliver_policy {
            DeliverPolicy::LastPerSubject => !self.is_in_snapshot(),
            _ => position > 0,
        };
        if goes_on {
            start::apply(&mut config, Start::Sequence(position + 1));
        }
        let request = CreateConsumer {
            stream_name: self.stream.as_str(),
            config: &config,
            action: ConsumerAction::Create,
        };
        let operation = format!("CONSUMER.CREATE.{}.{name}", self.stream);
        let info = nats.api(&operation, &request, deadline).await?;
        Ok((name, info))
    }

    /// Another stream has the name now: all of it is new.
    fn start_over(&mut self, created: Option<Timestamp>) {
        self.position = Position::default();
        self.snapshot_end = 0;
        self.stream_created = created;
        start::apply(&mut self.config, Start::All);
    }

    /// The stream ends there now, and goes on behind it.
    fn fall_back(&mut self, last: u64) {
        self.position.stream_sequence = last;
        self.snapshot_end = self.snapshot_end.min(last);
    }

    pub(super) fn attached(&mut self, facts: &Facts) {
        if self.stream_created != facts.stream_created {
            self.start_over(facts.stream_created);
        } else if let Some(last) = facts.stream_fell_back_to {
            self.fall_back(last);
        }
        self.attached_at = self.position.stream_sequence;
        // A consumer counts its deliveries from 1.
        self.position.consumer_sequence = 0;
        self.previous = Some(facts.consumer.clone());
    }

    /// Whether a message is the next one. What a snapshot's consumer brings from behind its end is not:
    /// there every message counts.
    pub(super) fn follows(&mut self, ack: &AckSubject) -> bool {
        if self.reads_snapshot() && ack.stream_sequence > self.snapshot_end {
            self.position.stream_sequence = self.snapshot_end;
            return false;
        }
        // 0 is a message that was read apart from the consumer.
        ack.consumer_sequence == 0 || ack.consumer_sequence == self.position.consumer_sequence + 1
    }

    /// Takes note of how far the consumer has come, where all that it delivered has arrived.
    pub(super) fn pass(&mut self, passed: Passed) {
        if passed.consumer_sequence != self.position.consumer_sequence {
            return;
        }
        let most = if self.reads_snapshot() {
            self.snapshot_end
        } else {
            u64::MAX
        };
        let position = passed.stream_sequence.min(most);
        self.position.stream_sequence = self.position.stream_sequence.max(position);
    }

    /// Whether the next message belongs to the snapshot.
    fn is_in_snapshot(&self) -> bool {
        self.position.stream_sequence < self.snapshot_end
    }

    /// Whether the consumer that the read is attached to was made for the snapshot.
    fn reads_snapshot(&self) -> bool {
        self.attached_at < self.snapshot_end
    }
}

/// Deletes an ephemeral consumer, best effort: it would go by itself.
pub(crate) async fn delete(nats: &Nats, stream: &StreamName, consumer: &ConsumerName) {
    let operation = format!("CONSUMER.DELETE.{stream}.{consumer}");
    let deadline = Deadline::within(Duration::from_secs(1));
    let _: Result<serde_json::Value> = nats.api_get(&operation, deadline).await;
}
