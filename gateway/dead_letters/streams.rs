//! The two streams and the consumer that dead letters need: made where they are missing, otherwise used
//! as they are.

use std::time::Duration;

use super::DeadLetters;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::StreamName;
use crate::nats::api::{
    AckPolicy, ConsumerAction, ConsumerConfig, ConsumerInfo, CreateConsumer, GIVEN_UP, Retention,
    StreamConfig, StreamInfo,
};

/// The consumer that all gateways take advisories from.
pub(super) const CONSUMER: &str = "jetgate-dead-letters";

/// An advisory that a gateway took and did not finish goes to another after this long.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// A subject on which advisories come, to see whether the stream takes it.
const ADVISORY: &str = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c";

/// What the streams say of themselves.
pub(super) struct Ready {
    /// The JetStream domain of the streams; empty without domains.
    pub(super) domain: String,
    /// The consumer of the advisories.
    pub(super) consumer: ConsumerInfo,
}

impl DeadLetters {
    /// Makes what is missing.
    pub(super) async fn prepare(&self, deadline: Deadline) -> Result<Ready> {
        let letters = StreamConfig {
            description: "Messages that JetStream gave up, with where they came from".to_owned(),
            subjects: vec![self.0.subjects.all()],
            ..self.stream(self.letters())
        };
        self.find_or_create_stream(letters, deadline).await?;
        let example = self
            .0
            .subjects
            .all()
            .replace('>', "S.c.1.i.letter.removed._");
        self.check_takes(self.letters(), &example, deadline).await?;

        let advisories = StreamConfig {
            description: "Advisories whose dead letters are not written yet".to_owned(),
            subjects: GIVEN_UP.map(str::to_owned).to_vec(),
            retention: Retention::WorkQueue,
            ..self.stream(self.advisories())
        };
        let info = self.find_or_create_stream(advisories, deadline).await?;
        self.check_takes(self.advisories(), ADVISORY, deadline)
            .await?;
        Ok(Ready {
            domain: info.domain,
            consumer: self.find_or_create_consumer(deadline).await?,
        })
    }

    fn stream(&self, name: &StreamName) -> StreamConfig {
        let config = &self.0.config;
        StreamConfig {
            name: name.to_string(),
            num_replicas: config.replicas,
            max_age: u64::try_from(config.max_age.as_nanos()).unwrap_or(u64::MAX),
            max_bytes: i64::try_from(config.max_bytes.as_u64()).ok(),
            ..StreamConfig::default()
        }
    }

    async fn find_or_create_stream(
        &self,
        config: StreamConfig,
        deadline: Deadline,
    ) -> Result<StreamInfo> {
        let nats = &self.0.nats;
        let info = format!("STREAM.INFO.{}", config.name);
        match nats.api_get(&info, deadline).await {
            Err(error) if error.reason() == Reason::StreamNotFound => {}
            known => return known,
        }
        let create = format!("STREAM.CREATE.{}", config.name);
        match nats.api::<StreamInfo>(&create, &config, deadline).await {
            // Another gateway, or the operator, was faster.
            Err(error) if error.reason() != Reason::StreamExists => Err(error),
            // The answer to a creation does not tell the domain.
            _ => nats.api_get(&info, deadline).await,
        }
    }

    /// The operator's own stream may take other subjects.
    async fn check_takes(
        &self,
        stream: &StreamName,
        subject: &str,
        deadline: Deadline,
    ) -> Result<()> {
        let names = self.0.nats.stream_names(subject, deadline).await?;
        if names.iter().any(|name| name == stream.as_str()) {
            return Ok(());
        }
        let text = format!("stream {stream} does not take subjects such as {subject}");
        Err(Error::new(Reason::FailedPrecondition, text))
    }

    async fn find_or_create_consumer(&self, deadline: Deadline) -> Result<ConsumerInfo> {
        let (nats, stream) = (&self.0.nats, self.advisories());
        let info = format!("CONSUMER.INFO.{stream}.{CONSUMER}");
        match nats.api_get(&info, deadline).await {
            Err(error) if error.reason() == Reason::ConsumerNotFound => {}
            known => return known,
        }
        let config = ConsumerConfig {
            durable_name: CONSUMER.to_owned(),
            description: "Gateways that write dead letters".to_owned(),
            filter_subjects: GIVEN_UP.map(str::to_owned).to_vec(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: u64::try_from(ACK_WAIT.as_nanos()).unwrap_or(u64::MAX),
            // An advisory is never given up: that would be a dead letter itself.
            max_deliver: -1,
            ..ConsumerConfig::default()
        };
        let request = CreateConsumer {
            stream_name: stream.as_str(),
            config: &config,
            action: ConsumerAction::Create,
        };
        let create = format!("CONSUMER.CREATE.{stream}.{CONSUMER}");
        match nats.api(&create, &request, deadline).await {
            Err(error) if error.reason() == Reason::ConsumerExists => {
                nats.api_get(&info, deadline).await
            }
            created => created,
        }
    }
}
