//! Bringing a consumer to a configuration, whether it exists or not.

use super::{ConsumerService, Target};
use crate::convert::config::shown_changes;
use crate::convert::consumer as convert;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::api;
use crate::proto;
use crate::proto::ApplyOutcome;

impl ConsumerService {
    pub(super) async fn apply(
        &self,
        request: proto::ApplyConsumerRequest,
        deadline: Deadline,
    ) -> Result<proto::ApplyConsumerResponse> {
        let target = Target::parse(&request.stream, request.config.as_ref())?;
        let is_dry = request.validate_only;
        match self.info(&target, deadline).await {
            Err(error) if error.reason() == Reason::ConsumerNotFound => {}
            existing => return self.bring(&target, existing?, is_dry, deadline).await,
        }

        let changes = shown_changes(&convert::creation(&target.config)?);
        let mut consumer = None;
        if !is_dry {
            let operation = target.operation("CREATE");
            let body = target.body(&target.config, api::ConsumerAction::Create);
            match self.nats.api(&operation, &body, deadline).await {
                // Somebody else was faster.
                Err(error) if error.reason() == Reason::ConsumerExists => {
                    let existing = self.info(&target, deadline).await?;
                    return self.bring(&target, existing, is_dry, deadline).await;
                }
                created => consumer = Some(convert::from_info(created?)?),
            }
        }
        Ok(proto::ApplyConsumerResponse {
            consumer,
            outcome: ApplyOutcome::Created.into(),
            changes,
        })
    }

    async fn bring(
        &self,
        target: &Target,
        existing: api::ConsumerInfo,
        is_dry: bool,
        deadline: Deadline,
    ) -> Result<proto::ApplyConsumerResponse> {
        if existing.config.is_push() {
            let message = format!("{} is a push consumer", target.name);
            return Err(Error::new(Reason::ConsumerIsPush, message));
        }
        // The defaults of a consumer depend on its stream.
        let operation = format!("STREAM.INFO.{}", target.stream);
        let stream: api::StreamInfo = self.nats.api_get(&operation, deadline).await?;
        let plan = convert::plan(&target.config, &existing.config, &stream.config)?;
        let changes = shown_changes(&plan.changes);
        let outcome = if changes.is_empty() {
            ApplyOutcome::Unchanged
        } else {
            ApplyOutcome::Updated
        };
        let mut consumer = existing;
        if outcome == ApplyOutcome::Updated && !is_dry {
            plan.check(&format!(
                "consumer {} of stream {}",
                target.name, target.stream
            ))?;
            let body = target.body(&plan.config, api::ConsumerAction::Update);
            let operation = target.operation("CREATE");
            consumer = self.nats.api(&operation, &body, deadline).await?;
        }
        Ok(proto::ApplyConsumerResponse {
            consumer: Some(convert::from_info(consumer)?),
            outcome: outcome.into(),
            changes,
        })
    }
}
