//! Bringing a stream to a configuration, whether it exists or not.

use super::{StreamService, permit};
use crate::auth::Access;
use crate::convert::config::shown_changes;
use crate::convert::stream as convert;
use crate::deadline::Deadline;
use crate::error::{Reason, Result};
use crate::names::StreamName;
use crate::nats::api;
use crate::proto;
use crate::proto::ApplyOutcome;
use crate::service::resource::check_etag_of;

impl StreamService {
    pub(super) async fn apply(
        &self,
        request: proto::ApplyStreamRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::ApplyStreamResponse> {
        let desired = convert::to_api(request.config.as_ref(), self.nats.reserved())?;
        let name = StreamName::parse("config.name", &desired.name)?;
        permit::may_write(access, &desired)?;
        let is_dry = request.validate_only;
        let _turn = self.turns.of(name.to_string(), deadline).await?;
        let existing = self.existing(&name, deadline).await?;
        check_etag_of(
            &request.etag,
            existing.as_ref().map(|it| &it.config),
            convert::etag,
        )?;
        if let Some(existing) = existing {
            return self
                .bring(&desired, existing, is_dry, access, deadline)
                .await;
        }

        // A new stream has more rules.
        let desired = convert::to_create(request.config.as_ref(), self.nats.reserved())?;
        self.reach.check(&desired, None)?;
        let changes = shown_changes(&convert::creation(&desired)?);
        let mut stream = None;
        if !is_dry {
            match self.send("CREATE", &name, &desired, deadline).await {
                // Somebody else was faster.
                Err(error) if error.reason() == Reason::StreamExists => {
                    let existing = self.info(&name, deadline).await?;
                    return self
                        .bring(&desired, existing, is_dry, access, deadline)
                        .await;
                }
                created => stream = Some(convert::from_info(created?)?),
            }
        }
        Ok(proto::ApplyStreamResponse {
            stream,
            outcome: ApplyOutcome::Created.into(),
            changes,
        })
    }

    async fn bring(
        &self,
        desired: &api::StreamConfig,
        existing: api::StreamInfo,
        is_dry: bool,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::ApplyStreamResponse> {
        let plan = convert::plan(desired, &existing.config)?;
        let planned = convert::read(&plan.config)?;
        permit::may_write(access, &planned)?;
        self.reach.check(&planned, Some(&existing.config))?;
        let changes = shown_changes(&plan.changes);
        let outcome = if changes.is_empty() {
            ApplyOutcome::Unchanged
        } else {
            ApplyOutcome::Updated
        };
        let mut stream = existing;
        if outcome == ApplyOutcome::Updated && !is_dry {
            let name = StreamName::parse("config.name", &desired.name)?;
            plan.check(&format!("stream {name}"))?;
            stream = self.send("UPDATE", &name, &plan.config, deadline).await?;
        }
        Ok(proto::ApplyStreamResponse {
            stream: Some(convert::from_info(stream)?),
            outcome: outcome.into(),
            changes,
        })
    }
}
