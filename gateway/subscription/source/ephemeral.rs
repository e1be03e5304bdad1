//! A consumer of one session, made by the gateway as its caller describes it.
//!
//! It is attached to by its name, like a durable one. Where JetStream has lost it, and not because
//! somebody deleted it, it is made anew behind its ack floor: what was not settled comes again.

use std::sync::Arc;
use std::time::Duration;

use prost_types::Timestamp;

use super::floor::Floor;
use super::{Attached, Durable, Facts, gap, resume, start};
use crate::auth::Owner;
use crate::convert::open::Reading;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{ConsumerName, StreamName};
use crate::nats::Nats;
use crate::nats::api::{
    AckPolicy, ConsumerAction, ConsumerConfig, ConsumerInfo, CreateConsumer, Retention, StreamInfo,
};
use crate::proto::{Gap, Resumption};
use crate::subscription::own;
use crate::token::{AckSubject, Reached, ResumeToken, Start};

/// How long a consumer stays without a session, unless its caller or its stream says otherwise.
const INACTIVE: Duration = Duration::from_secs(60);

/// A consumer of one session.
#[derive(Clone)]
pub struct Ephemeral {
    owner: Owner,
    /// The consumer as it is now.
    pub(super) durable: Durable,
    /// What it is made of, but for its name.
    config: ConsumerConfig,
    /// A fingerprint of the filters.
    filters: u32,
    /// A fingerprint of its creation time; `None` before it is made.
    incarnation: Option<u32>,
    pub(super) floor: Floor,
    /// When the stream was created, once known.
    stream_created: Option<Timestamp>,
    /// Nobody need have deleted the consumer where it is not found.
    may_be_lost: bool,
    is_resumed: bool,
    pub(super) resumption: Resumption,
}

impl Ephemeral {
    /// What is asked for, which must be what a resume token is of.
    pub(super) fn new(
        nats: &Nats,
        account: u32,
        owner: Owner,
        stream: StreamName,
        reading: Reading,
    ) -> Result<Self> {
        let mut config = *reading.config;
        let filters = resume::fingerprint(&config);
        let mut name = own::new_name(owner)?;
        let mut incarnation = None;
        let mut floor = Floor::default();
        let stream_created = reading.resume.as_ref().map(|token| token.created.into());
        let is_resumed = reading.resume.is_some();
        if let Some(token) = reading.resume {
            resume::check(&token, account, &stream, filters)?;
            let Reached::Ephemeral {
                consumer,
                incarnation: known,
                ack_floor,
            } = token.reached
            else {
                return Err(resume::mismatch("it is of an ordered read"));
            };
            name = own_name(&consumer)?;
            incarnation = Some(known);
            floor = Floor::new(ack_floor);
            start::apply(&mut config, token.start);
        }
        Ok(Self {
            owner,
            durable: Durable::new(nats, stream, name, Duration::ZERO, None),
            config,
            filters,
            incarnation,
            floor,
            stream_created,
            may_be_lost: is_resumed,
            is_resumed,
            resumption: Resumption::Unspecified,
        })
    }

    /// Where the read stands; `None` where it would not be known where it began.
    pub(super) fn resume_token(&self, account: u32) -> Option<ResumeToken> {
        Some(ResumeToken {
            account,
            stream: self.durable.stream.to_string(),
            created: self.stream_created?.into(),
            filters: self.filters,
            start: start::of(&self.config)?,
            reached: Reached::Ephemeral {
                consumer: self.durable.consumer.to_string(),
                incarnation: self.incarnation?,
                ack_floor: self.floor.sequence(),
            },
        })
    }

    /// Fixes where the read begins. One that goes on has done so.
    pub(super) async fn begin(&mut self, nats: &Nats, deadline: Deadline) -> Result<()> {
        if self.is_resumed {
            return Ok(());
        }
        let stream = self.stream_info(nats, deadline).await?;
        let name = self.durable.stream.clone();
        start::fix(&mut self.config, nats, &name, &stream, deadline).await?;
        self.stream_created = stream.created;
        Ok(())
    }

    /// One attempt to attach: to the consumer where it exists, otherwise to one that is made.
    pub(super) async fn attach(&self, nats: &Nats, deadline: Deadline) -> Result<Box<Attached>> {
        let stream = self.stream_info(nats, deadline).await?;
        if self.incarnation.is_some() && stream.created == self.stream_created {
            let attached = self.attach_to_existing(&stream, nats, deadline).await?;
            if let Some(attached) = attached {
                return Ok(attached);
            }
        }
        let mut anew = self.clone();
        let gap = anew.find_gap(&stream);
        let info = anew.create_consumer(nats, &stream, deadline).await?;
        anew.durable
            .rename(ConsumerName::parse("consumer", &info.name)?);
        let mut attached = anew.durable.attach(nats, deadline).await?;
        attached.gap = gap;
        attached.facts = Arc::new(Facts {
            made_behind: Some(anew.floor.sequence().max(info.ack_floor.stream_seq)),
            ..told(&stream, &attached.facts)
        });
        Ok(attached)
    }

    /// `None` where it is to be made anew.
    async fn attach_to_existing(
        &self,
        stream: &StreamInfo,
        nats: &Nats,
        deadline: Deadline,
    ) -> Result<Option<Box<Attached>>> {
        // Time must be left to make another.
        let half = deadline.at_most(deadline.remaining() / 2);
        match self.durable.attach(nats, half).await {
            Ok(mut attached) => {
                attached.facts = Arc::new(told(stream, &attached.facts));
                let is_known = Some(attached.facts.terms.incarnation) == self.incarnation;
                if is_known && self.config.ack_policy != AckPolicy::None {
                    return Ok(Some(attached));
                }
                // Without acknowledgements nothing tells what was on its way to the last session.
                super::delete(nats, &self.durable.stream, &self.durable.consumer).await;
                Ok(None)
            }
            Err(error) if error.reason() == Reason::ConsumerNotFound && self.may_be_lost => {
                Ok(None)
            }
            Err(error) if !super::is_final(&error) && self.is_given_up() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether nothing was heard of the consumer for as long as it stays by itself: the only server that has
    /// it may never come back.
    fn is_given_up(&self) -> bool {
        let detached_at = self.durable.detached_at;
        detached_at.is_some_and(|detached_at| detached_at.elapsed() > self.inactive_threshold())
    }

    fn inactive_threshold(&self) -> Duration {
        match self.config.inactive_threshold {
            0 => INACTIVE,
            nanos => Duration::from_nanos(nanos),
        }
    }

    /// Messages behind the ack floor that the stream no longer has, or all of them where it was made anew.
    fn find_gap(&mut self, stream: &StreamInfo) -> Option<Gap> {
        let position = self.floor.sequence();
        // Other streams remove what is settled.
        let keeps_settled = stream.config.retention == Retention::Limits;
        let place = gap::Place {
            created: self.stream_created,
            position,
            next: (keeps_settled && position > 0).then_some(position + 1),
        };
        let gap = gap::find(stream, place)?;
        if gap.stream_recreated {
            self.floor = Floor::default();
            start::apply(&mut self.config, Start::All);
        } else if let Some(last) = gap::lost_end(stream, place) {
            self.floor = Floor::new(last);
        }
        Some(gap)
    }

    async fn create_consumer(
        &self,
        nats: &Nats,
        stream: &StreamInfo,
        deadline: Deadline,
    ) -> Result<ConsumerInfo> {
        let name = own::new_name(self.owner)?;
        let mut config = ConsumerConfig {
            name: name.to_string(),
            ..self.config.clone()
        };
        if config.inactive_threshold == 0 {
            let limits = stream.config.consumer_limits.as_ref();
            let most = limits.map_or(0, |limits| limits.inactive_threshold.max(0));
            let inactive = INACTIVE.as_nanos() as u64;
            config.inactive_threshold = match most.unsigned_abs() {
                0 => inactive,
                most => inactive.min(most),
            };
        }
        if self.floor.sequence() > 0 {
            start::apply(&mut config, Start::Sequence(self.floor.sequence() + 1));
        }
        let request = CreateConsumer {
            stream_name: self.durable.stream.as_str(),
            config: &config,
            action: ConsumerAction::Create,
        };
        let operation = format!("CONSUMER.CREATE.{}.{name}", self.durable.stream);
        nats.api(&operation, &request, deadline).await
    }

    async fn stream_info(&self, nats: &Nats, deadline: Deadline) -> Result<StreamInfo> {
        let operation = format!("STREAM.INFO.{}", self.durable.stream);
        nats.api_get(&operation, deadline).await
    }

    /// Takes over what attaching found out.
    pub(super) fn attached(&mut self, facts: &Facts) {
        if let Some(floor) = facts.made_behind {
            self.floor = Floor::new(floor);
            self.durable.rename(facts.consumer.clone());
            if self.stream_created != facts.stream_created {
                self.stream_created = facts.stream_created;
                start::apply(&mut self.config, Start::All);
            }
        }
        if self.is_resumed && self.resumption == Resumption::Unspecified {
            self.resumption = match facts.made_behind {
                Some(_) => Resumption::AckFloor,
                None => Resumption::Consumer,
            };
        }
        if facts.made_behind.is_none() {
            self.floor.adopt(facts.ack_floor, facts.position);
        }
        self.incarnation = Some(facts.terms.incarnation);
        self.may_be_lost = false;
        self.durable.attached(facts);
    }

    /// Notes that the connection broke.
    pub(super) fn lost(&mut self) {
        self.may_be_lost = true;
        self.durable.lost();
    }

    /// Notes that a message is delivered to the caller.
    pub(super) fn passed(&mut self, ack: &AckSubject) {
        match self.config.ack_policy {
            AckPolicy::None => self.floor.pass(ack.stream_sequence),
            _ => {
                let most = self.config.max_deliver.try_into().unwrap_or(u64::MAX);
                let is_last = most > 0 && ack.delivered >= most;
                self.floor.deliver(ack.stream_sequence, is_last);
            }
        }
    }

    /// Notes what JetStream says is settled. Its ack floor stays behind messages that were given up.
    pub(super) fn learn(&mut self, info: &ConsumerInfo) {
        self.floor.settle_through(info.ack_floor.stream_seq);
        if info.num_ack_pending == 0 && self.config.ack_policy != AckPolicy::None {
            self.floor.settle_through(info.delivered.stream_seq);
        }
    }
}

/// What attaching to a consumer does not tell by itself.
fn told(stream: &StreamInfo, facts: &Facts) -> Facts {
    Facts {
        stream_created: stream.created,
        stream_last: stream.state.last_seq,
        ..facts.clone()
    }
}

/// A name that a token holds: it must be one that the gateway made, as consumers with other names are
/// somebody else's.
fn own_name(name: &str) -> Result<ConsumerName> {
    let parsed = ConsumerName::parse("resume_token", name)?;
    if own::is_own(name) {
        return Ok(parsed);
    }
    let text = "the resume token is not one that a jetgate made";
    Err(Error::new(Reason::InvalidToken, text).at("resume_token"))
}
