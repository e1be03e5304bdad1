//! The `ConsumerService`: unpack, convert, ask JetStream, convert back.
//!
//! What stops, moves and unpins consumers stands in `consumer/control.rs`, applying in
//! `consumer/apply.rs`.

use std::time::Duration;

use serde::Serialize;
use tonic::{Request, Response, Status};

use super::page::{Page, Scan};
use super::resource::{check_deleted, check_etag};
use super::turn::Turns;
use crate::auth::Access;
use crate::auth::policy::{Action, Ask};
use crate::convert::config::{blame, conflict};
use crate::convert::consumer as convert;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::names::{ConsumerName, StreamName};
use crate::nats::Nats;
use crate::nats::api;
use crate::proto;
use crate::proto::consumer_service_server::ConsumerService as Rpc;

mod apply;
mod control;

/// Creates, describes, changes and deletes consumers.
#[derive(Clone)]
pub struct ConsumerService {
    nats: Nats,
    turns: Turns,
    timeout: Duration,
}

impl ConsumerService {
    /// `timeout` bounds calls whose callers set no deadline.
    pub fn new(nats: Nats, timeout: Duration) -> Self {
        Self {
            nats,
            turns: Turns::default(),
            timeout,
        }
    }

    async fn create(
        &self,
        request: proto::CreateConsumerRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::Consumer> {
        let target = Target::parse(&request.stream, request.config.as_ref())?;
        target.may_write(access, &target.config)?;
        let _turn = self.turns.of(target.turn(), deadline).await?;
        let created = self.send(
            &target,
            &target.config,
            api::ConsumerAction::Create,
            deadline,
        );
        let info = match created.await {
            Err(error) if error.reason() == Reason::ConsumerExists => {
                self.equal_consumer(&target, error, deadline).await?
            }
            created => created?,
        };
        convert::from_info(info)
    }

    /// The consumer that exists, where it is what was asked for: JetStream itself compares before it
    /// fills in the defaults of ephemeral consumers.
    async fn equal_consumer(
        &self,
        target: &Target,
        exists: Error,
        deadline: Deadline,
    ) -> Result<api::ConsumerInfo> {
        let info = match self.info(target, deadline).await {
            // Gone in between: the caller may repeat the call.
            Err(error) if error.reason() == Reason::ConsumerNotFound => return Err(exists),
            info => info?,
        };
        let operation = format!("STREAM.INFO.{}", target.stream);
        let stream: api::StreamInfo = self.nats.api_get(&operation, deadline).await?;
        let differences = convert::differences(&target.config, &info.config, &stream.config)?;
        if differences.is_empty() {
            return Ok(info);
        }
        let what = format!("consumer {} of stream {}", target.name, target.stream);
        Err(conflict(Reason::ConsumerExists, &what, &differences))
    }

    async fn list(
        &self,
        request: proto::ListConsumersRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::ListConsumersResponse> {
        let stream = StreamName::parse("stream", &request.stream)?;
        let page = Page::parse(request.page_size, &request.page_token)?;
        let wanted = convert::Wanted::parse(&request.name, &request.subject)?;
        let operation = format!("CONSUMER.LIST.{stream}");
        let view = Ask::to(Action::ViewConsumers).stream(stream.as_str());
        let mut scan = Scan::new(page, !wanted.is_any() || access.is_limited());
        while let Some(offset) = scan.next_offset() {
            let body = api::GetPage {
                offset,
                ..api::GetPage::default()
            };
            let answer: api::ConsumerPage = self.nats.api(&operation, &body, deadline).await?;
            scan.take(
                answer.total,
                answer.consumers,
                answer.missing,
                |info| &info.name,
                |name, info| {
                    let is_wanted = match info {
                        Some(info) => wanted.includes(info),
                        None => wanted.may_be(name),
                    };
                    is_wanted && access.sees(&view.consumer(name))
                },
            );
        }
        let page = scan.finish();
        let consumers = page.items.into_iter().map(convert::from_info);
        Ok(proto::ListConsumersResponse {
            consumers: consumers.collect::<Result<_>>()?,
            next_page_token: page.next_page_token,
            missing: page.missing,
        })
    }

    async fn update(
        &self,
        request: proto::UpdateConsumerRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::Consumer> {
        let target = Target::parse(&request.stream, request.config.as_ref())?;
        access.may(&target.write())?;
        let mask = convert::update_mask(request.update_mask.as_ref())?;
        let _turn = self.turns.of(target.turn(), deadline).await?;

        let existing = self.info(&target, deadline).await?.config;
        if existing.is_push() {
            let message = format!("{} is a push consumer", target.name);
            return Err(Error::new(Reason::ConsumerIsPush, message));
        }
        check_etag(&request.etag, &convert::etag(&existing)?)?;
        let config = convert::patched(&existing, &target.config, &mask)?;
        target.may_write(access, &convert::read(&config)?)?;
        let updated = self.send(&target, &config, api::ConsumerAction::Update, deadline);
        convert::from_info(updated.await?)
    }

    async fn delete(
        &self,
        request: proto::DeleteConsumerRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<()> {
        let stream = StreamName::parse("stream", &request.stream)?;
        let consumer = ConsumerName::parse("consumer", &request.consumer)?;
        access.may(&ask(Action::DeleteConsumers, &stream, &consumer))?;
        let _turn = self.turns.of(turn(&stream, &consumer), deadline).await?;
        let operation = format!("CONSUMER.DELETE.{stream}.{consumer}");
        check_deleted(&self.nats.api_get(&operation, deadline).await?)
    }

    async fn get(
        &self,
        request: proto::GetConsumerRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::Consumer> {
        let stream = StreamName::parse("stream", &request.stream)?;
        let consumer = ConsumerName::parse("consumer", &request.consumer)?;
        access.may(&ask(Action::ViewConsumers, &stream, &consumer))?;
        let operation = format!("CONSUMER.INFO.{stream}.{consumer}");
        convert::from_info(self.nats.api_get(&operation, deadline).await?)
    }

    /// Creates or updates a consumer.
    async fn send(
        &self,
        target: &Target,
        config: &impl Serialize,
        action: api::ConsumerAction,
        deadline: Deadline,
    ) -> Result<api::ConsumerInfo> {
        let body = api::CreateConsumer {
            stream_name: target.stream.as_str(),
            config,
            action,
        };
        let operation = target.operation("CREATE");
        let answer = self.nats.api(&operation, &body, deadline).await;
        answer.map_err(blame::of_consumer)
    }

    async fn info(&self, target: &Target, deadline: Deadline) -> Result<api::ConsumerInfo> {
        self.nats.api_get(&target.operation("INFO"), deadline).await
    }
}

fn ask<'a>(action: Action, stream: &'a StreamName, consumer: &'a ConsumerName) -> Ask<'a> {
    let ask = Ask::to(action).stream(stream.as_str());
    ask.consumer(consumer.as_str())
}

/// Names have no dots.
fn turn(stream: &StreamName, consumer: &ConsumerName) -> String {
    format!("{stream}.{consumer}")
}

/// The consumer that a creation or an update is about.
struct Target {
    stream: StreamName,
    name: ConsumerName,
    config: api::ConsumerConfig,
}

impl Target {
    fn parse(stream: &str, config: Option<&proto::ConsumerConfig>) -> Result<Self> {
        let stream = StreamName::parse("stream", stream)?;
        let config = convert::to_api(config)?;
        let name = ConsumerName::parse("config.name", &config.name)?;
        Ok(Self {
            stream,
            name,
            config,
        })
    }

    fn write(&self) -> Ask<'_> {
        ask(Action::WriteConsumers, &self.stream, &self.name)
    }

    /// Refuses a configuration that the caller may not bring about.
    fn may_write(&self, access: &Access, config: &api::ConsumerConfig) -> Result<()> {
        let filters: Vec<String> = config.filters().map(str::to_owned).collect();
        access.may(&self.write().filters(&filters))
    }

    fn turn(&self) -> String {
        turn(&self.stream, &self.name)
    }

    fn operation(&self, verb: &str) -> String {
        format!("CONSUMER.{verb}.{}.{}", self.stream, self.name)
    }
}

#[tonic::async_trait]
impl Rpc for ConsumerService {
    async fn create_consumer(
        &self,
        request: Request<proto::CreateConsumerRequest>,
    ) -> Result<Response<proto::CreateConsumerResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        let consumer = self.create(request.into_inner(), &access, deadline).await?;
        Ok(Response::new(proto::CreateConsumerResponse {
            consumer: Some(consumer),
        }))
    }

    async fn apply_consumer(
        &self,
        request: Request<proto::ApplyConsumerRequest>,
    ) -> Result<Response<proto::ApplyConsumerResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        Ok(Response::new(
            self.apply(request.into_inner(), &access, deadline).await?,
        ))
    }

    async fn get_consumer(
        &self,
        request: Request<proto::GetConsumerRequest>,
    ) -> Result<Response<proto::GetConsumerResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        let consumer = self.get(request.into_inner(), &access, deadline).await?;
        Ok(Response::new(proto::GetConsumerResponse {
            consumer: Some(consumer),
        }))
    }

    async fn list_consumers(
        &self,
        request: Request<proto::ListConsumersRequest>,
    ) -> Result<Response<proto::ListConsumersResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        Ok(Response::new(
            self.list(request.into_inner(), &access, deadline).await?,
        ))
    }

    async fn update_consumer(
        &self,
        request: Request<proto::UpdateConsumerRequest>,
    ) -> Result<Response<proto::UpdateConsumerResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        let consumer = self.update(request.into_inner(), &access, deadline).await?;
        Ok(Response::new(proto::UpdateConsumerResponse {
            consumer: Some(consumer),
        }))
    }

    async fn delete_consumer(
        &self,
        request: Request<proto::DeleteConsumerRequest>,
    ) -> Result<Response<proto::DeleteConsumerResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        self.delete(request.into_inner(), &access, deadline).await?;
        Ok(Response::new(proto::DeleteConsumerResponse {}))
    }

    async fn pause_consumer(
        &self,
        request: Request<proto::PauseConsumerRequest>,
    ) -> Result<Response<proto::PauseConsumerResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        Ok(Response::new(
            self.pause(request.into_inner(), &access, deadline).await?,
        ))
    }

    async fn resume_consumer(
        &self,
        request: Request<proto::ResumeConsumerRequest>,
    ) -> Result<Response<proto::ResumeConsumerResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        self.resume(request.into_inner(), &access, deadline).await?;
        Ok(Response::new(proto::ResumeConsumerResponse {}))
    }

    async fn reset_consumer(
        &self,
        request: Request<proto::ResetConsumerRequest>,
    ) -> Result<Response<proto::ResetConsumerResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        Ok(Response::new(
            self.reset(request.into_inner(), &access, deadline).await?,
        ))
    }

    async fn unpin_consumer(
        &self,
        request: Request<proto::UnpinConsumerRequest>,
    ) -> Result<Response<proto::UnpinConsumerResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        self.unpin(request.into_inner(), &access, deadline).await?;
        Ok(Response::new(proto::UnpinConsumerResponse {}))
    }
}
