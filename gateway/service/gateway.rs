//! `GatewayService`.

use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::admin::Readiness;
use crate::auth::Access;
use crate::auth::policy::{Action, Ask};
use crate::config::Config;
use crate::convert::account;
use crate::dead_letters::{DeadLetters, State};
use crate::deadline::Deadline;
use crate::error;
use crate::limits;
use crate::nats::Nats;
use crate::proto::gateway_service_server::GatewayService;
use crate::proto::{
    CallerLimits, DeadLetterInfo, DeadLetterState, GatewayState, GetInfoRequest, GetInfoResponse,
    Limits, ListErrorReasonsRequest, ListErrorReasonsResponse, ListSessionsRequest,
    ListSessionsResponse, NatsInfo, TerminateSessionRequest, TerminateSessionResponse,
};
use crate::sessions::{Sessions, gateway_text};

/// How long asking JetStream may take; the rest of the info does not wait for it longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long calls about sessions may take whose callers set no deadline.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Tells about the gateway.
pub struct Gateway {
    nats: Nats,
    sessions: Sessions,
    readiness: watch::Receiver<Readiness>,
    dead_letters: Option<DeadLetters>,
    limits: Limits,
    started: SystemTime,
}

impl Gateway {
    /// The service of the replica that has these sessions.
    pub fn new(
        nats: Nats,
        sessions: Sessions,
        readiness: watch::Receiver<Readiness>,
        dead_letters: Option<DeadLetters>,
        max_sessions: usize,
        config: &Config,
    ) -> Self {
        let (server, subscribe) = (&config.server, &config.subscribe);
        let limits = Limits {
            max_message_bytes: 0,
            max_request_bytes: server.max_request_bytes.as_u64(),
            max_response_bytes: server.max_response_bytes.as_u64(),
            default_outstanding_messages: subscribe.max_outstanding_messages,
            default_outstanding_bytes: subscribe.max_outstanding_bytes.as_u64(),
            max_outstanding_messages: subscribe.max_window_messages,
            max_outstanding_bytes: subscribe.max_window_bytes.as_u64(),
            max_sessions: u32::try_from(max_sessions).unwrap_or(u32::MAX),
            max_connections: server.max_connections,
            max_concurrent_streams: server.max_concurrent_streams,
            drain: config.shutdown.drain.try_into().ok(),
            allow_republish: config.streams.allow_republish,
            allow_external_sources: config.streams.allow_external_sources,
            allow_placement: config.streams.allow_placement,
            caller: None,
        };
        Self {
            nats,
            sessions,
            readiness,
            dead_letters,
            limits,
            started: SystemTime::now(),
        }
    }

    fn state(&self) -> GatewayState {
        let own = *self.readiness.borrow();
        if self.nats.tenant().is_some() && own != Readiness::Draining {
            return match self.nats.is_connected() {
                true => GatewayState::Ready,
                false => GatewayState::NatsUnavailable,
            };
        }
        match own {
            Readiness::Starting => GatewayState::Starting,
            Readiness::Ready => GatewayState::Ready,
            Readiness::NatsUnavailable => GatewayState::NatsUnavailable,
            Readiness::Draining => GatewayState::Draining,
        }
    }

    async fn nats_info(&self) -> Option<NatsInfo> {
        let server = self.nats.server_info()?;
        let account = self.nats.api_get("INFO", Deadline::within(PATIENCE)).await;
        Some(account::nats_info(server, account.ok()))
    }

    async fn dead_letter_info(&self) -> Option<DeadLetterInfo> {
        let dead_letters = self.dead_letters.as_ref()?;
        let pending = dead_letters.pending(Deadline::within(PATIENCE)).await;
        let (state, problem) = match dead_letters.state() {
            State::Starting => (DeadLetterState::Starting, String::new()),
            State::Collecting => (DeadLetterState::Collecting, String::new()),
            State::Failing(error) => (DeadLetterState::Failing, error.to_string()),
        };
        Some(DeadLetterInfo {
            letters: dead_letters.letters().to_string(),
            advisories: dead_letters.advisories().to_string(),
            state: state as i32,
            problem,
            pending: pending.unwrap_or_default(),
        })
    }
}

fn caller_limits(limits: &limits::Config) -> CallerLimits {
    CallerLimits {
        requests_per_second: limits.requests_per_second,
        bytes_per_second: limits.bytes_per_second.as_u64(),
        max_calls: limits.max_calls,
        max_sessions: limits.max_sessions,
        max_in_flight: limits.max_in_flight,
        max_message_bytes: limits.max_message_bytes.as_u64(),
    }
}

#[tonic::async_trait]
impl GatewayService for Gateway {
    async fn get_info(
        &self,
        request: Request<GetInfoRequest>,
    ) -> Result<Response<GetInfoResponse>, Status> {
        let access = Access::of(&request);
        access.may(&Ask::to(Action::Info))?;
        let max_payload = self.nats.max_payload().unwrap_or_default();
        let (nats, dead_letters) = tokio::join!(self.nats_info(), self.dead_letter_info());
        Ok(Response::new(GetInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            gateway_id: gateway_text(self.sessions.gateway_id()),
            state: self.state() as i32,
            nats,
            dead_letters,
            identity: access.caller().name().to_owned(),
            tenant: access.tenant_name().to_owned(),
            start_time: Some(self.started.into()),
            limits: Some(Limits {
                max_message_bytes: max_payload as u64,
                caller: Some(
                    access
                        .account()
                        .map(|it| caller_limits(it.limits()))
                        .unwrap_or_default(),
                ),
                ..self.limits
            }),
        }))
    }

    async fn list_error_reasons(
        &self,
        _request: Request<ListErrorReasonsRequest>,
    ) -> Result<Response<ListErrorReasonsResponse>, Status> {
        Ok(Response::new(ListErrorReasonsResponse {
            reasons: error::reasons().collect(),
        }))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), TIMEOUT)?;
        let access = Access::of(&request);
        let request = request.into_inner();
        let mut page = self.sessions.list(&self.nats, request, deadline).await?;
        if !access.sees(&Ask::to(Action::ViewSessions)) {
            let own = access.caller().name();
            page.sessions.retain(|session| session.identity == own);
        }
        Ok(Response::new(page))
    }

    async fn terminate_session(
        &self,
        request: Request<TerminateSessionRequest>,
    ) -> Result<Response<TerminateSessionResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), TIMEOUT)?;
        Access::of(&request).may_terminate(&request.get_ref().session_id)?;
        let request = request.into_inner();
        self.sessions
            .terminate(&self.nats, request, deadline)
            .await?;
        Ok(Response::new(TerminateSessionResponse {}))
    }
}
