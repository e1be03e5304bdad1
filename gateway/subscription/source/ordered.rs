//! Reading a stream in order by ephemeral consumers without acknowledgements.
//!
//! When one is lost, or skips a delivery, the next begins behind the last message that the caller
//! got; one lost before its first message begins where the first was to begin, not at the start of
//! the stream.

use std::time::Duration;

use prost_types::Timestamp;
use uuid::Uuid;

use super::{Attached, Facts, Position, facts, open_puller};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::names::{ConsumerName, StreamName};
use crate::nats::api::{
    AckPolicy, ConsumerAction, ConsumerConfig, ConsumerInfo, CreateConsumer, DeliverPolicy,
    Retention, StreamInfo,
};
use crate::nats::{Connection, Nats};
use crate::proto::Gap;
use crate::token::AckSubject;

/// How long an ephemeral consumer outlives its session: a little more than a lost connection takes
/// to notice.
const INACTIVE: Duration = Duration::from_secs(30);

/// An ordered read.
#[derive(Clone)]
pub struct Ordered {
    pub(super) stream: StreamName,
    /// What every consumer of this read is like, but for name and start.
    config: ConsumerConfig,
    connection: Connection,
    pub(super) position: Position,
    pub(super) facts: Option<Facts>,
    /// The stream's last sequence when a read of the last message per subject began.
    snapshot_end: u64,
}

impl Ordered {
    /// `config` says filters, start, replay and whether payloads are left out.
    pub fn new(nats: &Nats, stream: StreamName, config: ConsumerConfig) -> Self {
        let config = ConsumerConfig {
            ack_policy: AckPolicy::None,
            max_deliver: 1,
            mem_storage: true,
            inactive_threshold: INACTIVE.as_nanos() as u64,
            ..config
        };
        Self {
            stream,
            config,
            connection: nats.delivery_connection(),
            position: Position::default(),
            facts: None,
            snapshot_end: 0,
        }
    }

    /// Deletes the consumer that this read had last.
    pub(super) async fn delete_previous(&self, nats: &Nats) {
        if let Some(previous) = &self.facts {
            delete(nats, &self.stream, &previous.consumer).await;
        }
    }

    /// One attempt to attach.
    pub(super) async fn attach(&self, nats: &Nats, deadline: Deadline) -> Result<Box<Attached>> {
        let stream: StreamInfo = nats
            .api_get(&format!("STREAM.INFO.{}", self.stream), deadline)
            .await?;
        let mut read = self.clone();
        let gap = read.find_gap(&stream);

        let mut suspects = Vec::new();
        while let Some(suspect) = read.next_suspect(nats, deadline).await {
            read.position.stream_sequence = suspect.ack.stream_sequence;
            suspects.push(suspect);
        }

        let (name, info) = read.create_consumer(nats, &stream, deadline).await?;
        let puller = open_puller(nats, &self.connection, &self.stream, &name, deadline).await?;
        let facts = Facts {
            stream_created: stream.created,
            ..facts(nats, &info, &name)
        };
        Ok(Box::new(Attached {
            puller,
            _connection: self.connection.clone(),
            is_private: false,
            suspects,
            gap,
            facts,
        }))
    }

    /// Fixes "new" and the end of a snapshot when the read begins, so that a consumer made anew misses
    /// nothing that came in between.
    pub(super) async fn begin(&mut self, nats: &Nats, deadline: Deadline) -> Result<()> {
        let operation = format!("STREAM.INFO.{}", self.stream);
        let stream: StreamInfo = nats.api_get(&operation, deadline).await?;
        match self.config.deliver_policy {
            DeliverPolicy::New => {
                self.config.deliver_policy = DeliverPolicy::ByStartSequence;
                self.config.opt_start_seq = stream.state.last_seq + 1;
            }
            DeliverPolicy::LastPerSubject => self.snapshot_end = stream.state.last_seq,
            _ => {}
        }
        Ok(())
    }

    /// Messages that the stream no longer has, or all of them where it was made anew.
    fn find_gap(&mut self, stream: &StreamInfo) -> Option<Gap> {
        let last_sequence = self.position.stream_sequence;
        let first_available_sequence = stream.state.first_seq;
        let known: Option<&Option<Timestamp>> =
            self.facts.as_ref().map(|facts| &facts.stream_created);
        if known.is_some_and(|created| *created != stream.created) {
            self.start_over();
            return Some(Gap {
                last_sequence,
                first_available_sequence,
                stream_recreated: true,
            });
        }
        let expected = match self.config.deliver_policy {
            DeliverPolicy::ByStartSequence if last_sequence == 0 => self.config.opt_start_seq,
            _ if last_sequence == 0 => return None,
            _ => last_sequence + 1,
        };
        let gap = Gap {
            last_sequence,
            first_available_sequence,
            stream_recreated: false,
        };
        (first_available_sequence > expected).then_some(gap)
    }

    /// Only behind a message: before the first one, the start is not a sequence.
    async fn next_suspect(
        &self,
        nats: &Nats,
        deadline: Deadline,
    ) -> Option<crate::nats::pull::Delivery> {
        let position = self.position.stream_sequence;
        let is_first = self.facts.is_none();
        let after = match self.config.deliver_policy {
            _ if is_first => return None,
            _ if position > 0 => position,
            DeliverPolicy::All => 0,
            DeliverPolicy::ByStartSequence => self.config.opt_start_seq.saturating_sub(1),
            _ => return None,
        };
        nats.next_suspect(self.stream.as_str(), &self.config, after, deadline)
            .await
    }

    async fn create_consumer(
        &self,
        nats: &Nats,
        stream: &StreamInfo,
        deadline: Deadline,
    ) -> Result<(ConsumerName, ConsumerInfo)> {
        let name = format!("jetgate-{}", Uuid::now_v7().simple());
        let name = ConsumerName::parse("ordered", &name)?;
        let mut config = ConsumerConfig {
            name: name.to_string(),
            ..self.config.clone()
        };
        // One copy is enough for what can be made anew; interest streams insist on all of them.
        config.num_replicas = u32::from(stream.config.retention == Retention::Limits);
        let position = self.position.stream_sequence;
        if position > 0 && position >= self.snapshot_end {
            config.deliver_policy = DeliverPolicy::ByStartSequence;
            config.opt_start_seq = position + 1;
            config.opt_start_time = None;
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
    fn start_over(&mut self) {
        self.position = Position::default();
        self.config.deliver_policy = DeliverPolicy::All;
        self.config.opt_start_seq = 0;
        self.config.opt_start_time = None;
    }

    pub(super) fn attached(&mut self, facts: &Facts) {
        let known = self.facts.as_ref().map(|known| &known.stream_created);
        if known.is_some_and(|created| *created != facts.stream_created) {
            self.start_over();
        }
        // A consumer counts its deliveries from 1.
        self.position.consumer_sequence = 0;
        self.facts = Some(facts.clone());
    }

    pub(super) fn follows(&self, ack: &AckSubject) -> bool {
        // 0 is a message that was read apart from the consumer.
        ack.consumer_sequence == 0 || ack.consumer_sequence == self.position.consumer_sequence + 1
    }
}

/// Deletes an ephemeral consumer, best effort: it would go by itself.
pub(crate) async fn delete(nats: &Nats, stream: &StreamName, consumer: &ConsumerName) {
    let operation = format!("CONSUMER.DELETE.{stream}.{consumer}");
    let deadline = Deadline::within(Duration::from_secs(1));
    let _: Result<serde_json::Value> = nats.api_get(&operation, deadline).await;
}
