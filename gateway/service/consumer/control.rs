//! Stopping, moving and unpinning consumers.

use std::time::SystemTime;

use super::ConsumerService;
use crate::auth::Access;
use crate::auth::policy::{Action, Ask};
use crate::convert::consumer as convert;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{ConsumerName, StreamName};
use crate::nats::api;
use crate::proto;

/// The API level of nats-server 2.14, the first that can reset consumers.
const RESET_LEVEL: u32 = 4;

impl ConsumerService {
    pub(super) async fn pause(
        &self,
        request: proto::PauseConsumerRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::PauseConsumerResponse> {
        let operation = controlled("PAUSE", &request.stream, &request.consumer, access)?;
        let body = convert::pause(&request, SystemTime::now())?;
        let answer: api::Paused = self.nats.api(&operation, &body, deadline).await?;
        Ok(convert::paused(&answer))
    }

    pub(super) async fn resume(
        &self,
        request: proto::ResumeConsumerRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<()> {
        let operation = controlled("PAUSE", &request.stream, &request.consumer, access)?;
        let body = api::Pause::default();
        let _: api::Paused = self.nats.api(&operation, &body, deadline).await?;
        Ok(())
    }

    pub(super) async fn reset(
        &self,
        request: proto::ResetConsumerRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::ResetConsumerResponse> {
        let operation = controlled("RESET", &request.stream, &request.consumer, access)?;
        let body = convert::reset(&request)?;
        self.check_can_reset(&request, deadline).await?;
        let answer: api::WasReset = self.nats.api(&operation, &body, deadline).await?;
        Ok(proto::ResetConsumerResponse {
            consumer: Some(convert::from_info(answer.info)?),
            reset_sequence: answer.reset_seq,
        })
    }

    /// Consumers answer resets themselves, so that nobody answers for one that is not there, nor a
    /// server that knows no resets: find out what would otherwise end with the deadline.
    async fn check_can_reset(
        &self,
        request: &proto::ResetConsumerRequest,
        deadline: Deadline,
    ) -> Result<()> {
        let info = operation("INFO", &request.stream, &request.consumer)?;
        let _: api::ConsumerInfo = self.nats.api_get(&info, deadline).await?;
        let account: api::AccountInfo = self.nats.api_get("INFO", deadline).await?;
        check_level(account.api.level)
    }

    pub(super) async fn unpin(
        &self,
        request: proto::UnpinConsumerRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<()> {
        let operation = controlled("UNPIN", &request.stream, &request.consumer, access)?;
        let body = convert::unpin(&request)?;
        let _: api::Done = self.nats.api(&operation, &body, deadline).await?;
        Ok(())
    }
}

/// The operation, where the caller may control the consumer.
fn controlled(verb: &str, stream: &str, consumer: &str, access: &Access) -> Result<String> {
    let operation = operation(verb, stream, consumer)?;
    let ask = Ask::to(Action::ControlConsumers).stream(stream);
    access.may(&ask.consumer(consumer))?;
    Ok(operation)
}

fn operation(verb: &str, stream: &str, consumer: &str) -> Result<String> {
    let stream = StreamName::parse("stream", stream)?;
    let consumer = ConsumerName::parse("consumer", consumer)?;
    Ok(format!("CONSUMER.{verb}.{stream}.{consumer}"))
}

fn check_level(level: u32) -> Result<()> {
    if level >= RESET_LEVEL {
        return Ok(());
    }
    let message = "resetting a consumer needs nats-server 2.14 or later";
    Err(Error::new(Reason::FailedPrecondition, message).with("api_level", level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_before_2_14_cannot_reset() {
        assert!(check_level(4).is_ok() && check_level(5).is_ok());
        let error = check_level(2).unwrap_err();
        assert_eq!(error.reason(), Reason::FailedPrecondition);
        assert_eq!(error.metadata("api_level"), Some("2"));
    }
}
