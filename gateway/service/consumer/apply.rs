//! Bringing a consumer to a configuration, whether it exists or not.

use super::{ConsumerService, Target};
use crate::auth::Access;
use crate::convert::config::shown_changes;
use crate::convert::consumer as convert;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::nats::api;
use crate::proto;
use crate::proto::ApplyOutcome;
use crate::service::resource::check_etag_of;

impl ConsumerService {
    pub(super) async fn apply(
        &self,
        request: proto::ApplyConsumerRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::ApplyConsumerResponse> {
        let target = Target::parse(&request.stream, request.config.as_ref())?;
        target.may_write(access, &target.config)?;
        let is_dry = request.validate_only;
        let _turn = self.turns.of(target.turn(), deadline).await?;
        let existing = match self.info(&target, deadline).await {
            Err(error) if error.reason() == Reason::ConsumerNotFound => None,
            info => Some(info?),
        };
        check_etag_of(
            &request.etag,
            existing.as_ref().map(|it| &it.config),
            convert::etag,
        )?;
        if let Some(existing) = existing {
            return self
                .bring(&target, existing, is_dry, access, deadline)
                .await;
        }

        let changes = shown_changes(&convert::creation(&target.config)?);
        let mut consumer = None;
        if !is_dry {
            let created = self.send(
                &target,
                &target.config,
                api::ConsumerAction::Create,
                deadline,
            );
            match created.await {
                // Somebody else was faster.
                Err(error) if error.reason() == Reason::ConsumerExists => {
                    let existing = self.info(&target, deadline).await?;
                    return self
                        .bring(&target, existing, is_dry, access, deadline)
                        .await;
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
        access: &Access,
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
        target.may_write(access, &convert::read(&plan.config)?)?;
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
            let updated = self.send(target, &plan.config, api::ConsumerAction::Update, deadline);
            consumer = updated.await?;
        }
        Ok(proto::ApplyConsumerResponse {
            consumer: Some(convert::from_info(consumer)?),
            outcome: outcome.into(),
            changes,
        })
    }
}
