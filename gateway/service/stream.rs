//! The `StreamService`: unpack, convert, ask JetStream, convert back.
//!
//! What concerns the messages of a stream stands in `stream/messages.rs`, applying in
//! `stream/apply.rs`.

use std::time::Duration;

use serde::Serialize;
use tonic::{Request, Response, Status};

use super::page::{Page, Scan};
use super::resource::{check_deleted, check_etag};
use super::turn::Turns;
use crate::auth::Access;
use crate::auth::policy::{Action, Ask};
use crate::convert::config::{blame, conflict};
use crate::convert::stream::{self as convert, reach};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{NamePattern, StreamName, SubjectFilter};
use crate::nats::Nats;
use crate::nats::api;
use crate::proto;
use crate::proto::stream_service_server::StreamService as Rpc;

mod apply;
mod messages;
mod permit;

/// Creates, describes, changes and deletes streams.
#[derive(Clone)]
pub struct StreamService {
    nats: Nats,
    reach: reach::Config,
    turns: Turns,
    timeout: Duration,
}

impl StreamService {
    /// `reach` is what streams may be configured to do; `timeout` bounds calls whose callers set no
    /// deadline.
    pub fn new(nats: Nats, reach: reach::Config, timeout: Duration) -> Self {
        Self {
            nats,
            reach,
            turns: Turns::default(),
            timeout,
        }
    }

    async fn create(
        &self,
        request: proto::CreateStreamRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::Stream> {
        let config = convert::to_create(request.config.as_ref(), self.nats.reserved())?;
        permit::may_write(access, &config)?;
        let name = StreamName::parse("config.name", &config.name)?;
        let _turn = self.turns.of(name.to_string(), deadline).await?;
        if self.reach.concerns(&config) {
            let existing = self.existing(&name, deadline).await?;
            self.reach
                .check(&config, existing.as_ref().map(|it| &it.config))?;
        }
        let info = match self.send("CREATE", &name, &config, deadline).await {
            Err(error) if error.reason() == Reason::StreamExists => {
                self.equal_stream(&name, &config, error, deadline).await?
            }
            created => created?,
        };
        convert::from_info(info)
    }

    /// The stream that exists, where it is what was asked for: JetStream itself counts the order of
    /// subjects and a `first_seq` of 1 as differences.
    async fn equal_stream(
        &self,
        name: &StreamName,
        desired: &api::StreamConfig,
        exists: Error,
        deadline: Deadline,
    ) -> Result<api::StreamInfo> {
        let info = match self.info(name, deadline).await {
            // Deleted in between: the caller may repeat the call.
            Err(error) if error.reason() == Reason::StreamNotFound => return Err(exists),
            info => info?,
        };
        let differences = convert::differences(desired, &info.config)?;
        if differences.is_empty() {
            return Ok(info);
        }
        Err(conflict(
            Reason::StreamExists,
            &format!("stream {name}"),
            &differences,
        ))
    }

    async fn list(
        &self,
        request: proto::ListStreamsRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::ListStreamsResponse> {
        let page = Page::parse(request.page_size, &request.page_token)?;
        if !request.subject.is_empty() {
            SubjectFilter::parse("subject", &request.subject)?;
        }
        let pattern = NamePattern::parse("name", &request.name)?;
        let is_narrow = !pattern.is_any() || access.is_limited();
        let view = Ask::to(Action::ViewStreams);
        let mut scan = Scan::new(page, is_narrow);
        while let Some(offset) = scan.next_offset() {
            let subject = request.subject.clone();
            let body = api::GetPage { offset, subject };
            let answer: api::StreamPage = self.nats.api("STREAM.LIST", &body, deadline).await?;
            scan.take(
                answer.total,
                answer.streams,
                answer.missing,
                |info| &info.config.name,
                |name, _| pattern.matches(name) && access.sees(&view.stream(name)),
            );
        }
        let page = scan.finish();
        let streams = page.items.into_iter().map(convert::from_info);
        Ok(proto::ListStreamsResponse {
            streams: streams.collect::<Result<_>>()?,
            next_page_token: page.next_page_token,
            missing: page.missing,
        })
    }

    async fn update(
        &self,
        request: proto::UpdateStreamRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::Stream> {
        let desired = convert::to_api(request.config.as_ref(), self.nats.reserved())?;
        let mask = convert::update_mask(request.update_mask.as_ref())?;
        let name = StreamName::parse("config.name", &desired.name)?;
        access.may(&Ask::to(Action::WriteStreams).stream(name.as_str()))?;
        let _turn = self.turns.of(name.to_string(), deadline).await?;

        let existing = self.info(&name, deadline).await?.config;
        check_etag(&request.etag, &convert::etag(&existing)?)?;
        let config = convert::patched(&existing, &desired, &mask)?;
        let changed = convert::read(&config)?;
        permit::may_write(access, &changed)?;
        self.reach.check(&changed, Some(&existing))?;
        convert::from_info(self.send("UPDATE", &name, &config, deadline).await?)
    }

    async fn delete(&self, stream: &str, access: &Access, deadline: Deadline) -> Result<()> {
        let name = StreamName::parse("stream", stream)?;
        access.may(&Ask::to(Action::DeleteStreams).stream(name.as_str()))?;
        let _turn = self.turns.of(name.to_string(), deadline).await?;
        let operation = format!("STREAM.DELETE.{name}");
        let deleted = self
            .nats
            .api_get::<api::Deleted>(&operation, deadline)
            .await;
        self.nats.forget_stream(&name);
        check_deleted(&deleted?)
    }

    /// Creates or updates a stream.
    async fn send(
        &self,
        verb: &str,
        name: &StreamName,
        config: &impl Serialize,
        deadline: Deadline,
    ) -> Result<api::StreamInfo> {
        let operation = format!("STREAM.{verb}.{name}");
        let answer = self.nats.api(&operation, config, deadline).await;
        // Whatever the answer, the change may have been made.
        self.nats.forget_stream(name);
        answer.map_err(blame::of_stream)
    }

    /// The stream, if it exists.
    async fn existing(
        &self,
        name: &StreamName,
        deadline: Deadline,
    ) -> Result<Option<api::StreamInfo>> {
        match self.info(name, deadline).await {
            Err(error) if error.reason() == Reason::StreamNotFound => Ok(None),
            info => info.map(Some),
        }
    }

    async fn info(&self, name: &StreamName, deadline: Deadline) -> Result<api::StreamInfo> {
        self.nats
            .api_get(&format!("STREAM.INFO.{name}"), deadline)
            .await
    }
}

#[tonic::async_trait]
impl Rpc for StreamService {
    async fn create_stream(
        &self,
        request: Request<proto::CreateStreamRequest>,
    ) -> Result<Response<proto::CreateStreamResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        let stream = self.create(request.into_inner(), &access, deadline).await?;
        Ok(Response::new(proto::CreateStreamResponse {
            stream: Some(stream),
        }))
    }

    async fn apply_stream(
        &self,
        request: Request<proto::ApplyStreamRequest>,
    ) -> Result<Response<proto::ApplyStreamResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        Ok(Response::new(
            self.apply(request.into_inner(), &access, deadline).await?,
        ))
    }

    async fn get_stream(
        &self,
        request: Request<proto::GetStreamRequest>,
    ) -> Result<Response<proto::GetStreamResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        let name = StreamName::parse("stream", &request.into_inner().stream)?;
        access.may(&Ask::to(Action::ViewStreams).stream(name.as_str()))?;
        let stream = convert::from_info(self.info(&name, deadline).await?)?;
        Ok(Response::new(proto::GetStreamResponse {
            stream: Some(stream),
        }))
    }

    async fn list_streams(
        &self,
        request: Request<proto::ListStreamsRequest>,
    ) -> Result<Response<proto::ListStreamsResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        Ok(Response::new(
            self.list(request.into_inner(), &access, deadline).await?,
        ))
    }

    async fn update_stream(
        &self,
        request: Request<proto::UpdateStreamRequest>,
    ) -> Result<Response<proto::UpdateStreamResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        let stream = self.update(request.into_inner(), &access, deadline).await?;
        Ok(Response::new(proto::UpdateStreamResponse {
            stream: Some(stream),
        }))
    }

    async fn delete_stream(
        &self,
        request: Request<proto::DeleteStreamRequest>,
    ) -> Result<Response<proto::DeleteStreamResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        self.delete(&request.into_inner().stream, &access, deadline)
            .await?;
        Ok(Response::new(proto::DeleteStreamResponse {}))
    }

    async fn purge_stream(
        &self,
        request: Request<proto::PurgeStreamRequest>,
    ) -> Result<Response<proto::PurgeStreamResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        let purged = self.purge(request.into_inner(), &access, deadline).await?;
        Ok(Response::new(proto::PurgeStreamResponse { purged }))
    }

    async fn get_message(
        &self,
        request: Request<proto::GetMessageRequest>,
    ) -> Result<Response<proto::GetMessageResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        let message = self
            .message(request.into_inner(), &access, deadline)
            .await?;
        Ok(Response::new(proto::GetMessageResponse {
            message: Some(message),
        }))
    }

    async fn delete_message(
        &self,
        request: Request<proto::DeleteMessageRequest>,
    ) -> Result<Response<proto::DeleteMessageResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        self.remove_message(request.into_inner(), &access, deadline)
            .await?;
        Ok(Response::new(proto::DeleteMessageResponse {}))
    }

    async fn list_subjects(
        &self,
        request: Request<proto::ListSubjectsRequest>,
    ) -> Result<Response<proto::ListSubjectsResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        Ok(Response::new(
            self.subjects(request.into_inner(), &access, deadline)
                .await?,
        ))
    }
}
