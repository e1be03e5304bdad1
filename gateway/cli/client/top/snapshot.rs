//! One look at everything.

use std::time::Instant;

use crate::{
    cli::client::{call_error::CallError, connection::Connection, pages},
    proto::{
        Consumer, GetInfoRequest, GetInfoResponse, GetStreamRequest, ListConsumersRequest,
        ListStreamsRequest, ReplicaInfo, SessionInfo, Stream,
    },
};

/// What there was at one time.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) taken: Instant,
    pub(super) gateway: GetInfoResponse,
    pub(super) streams: Vec<Stream>,
    pub(super) consumers: Vec<Consumer>,
    /// Of all replicas.
    pub(super) sessions: Vec<SessionInfo>,
    /// The replicas that did not say which sessions they have.
    pub(super) silent: Vec<ReplicaInfo>,
}

impl Snapshot {
    /// Asks for everything, or for what belongs to one stream.
    pub(super) async fn take(
        connection: &Connection,
        stream: Option<&str>,
    ) -> Result<Self, CallError> {
        let request = connection.request(GetInfoRequest {});
        let gateway = connection
            .answer(connection.gateway().get_info(request))
            .await?;
        let streams = match stream {
            None => pages::streams(connection, ListStreamsRequest::default()).await?,
            Some(name) => one(connection, name).await?,
        };
        let mut consumers = Vec::new();
        for stream in streams.iter().filter(|stream| has_consumers(stream)) {
            consumers.extend(of_stream(connection, name(stream)).await?);
        }
        let (sessions, replicas) = pages::sessions(connection, stream.unwrap_or_default()).await?;
        let silent = replicas.into_iter().filter(|replica| !replica.answered);
        Ok(Self {
            taken: Instant::now(),
            gateway,
            streams,
            consumers,
            sessions,
            silent: silent.collect(),
        })
    }
}

/// The stream's name.
pub(super) fn name(stream: &Stream) -> &str {
    stream.config.as_ref().map_or("", |config| &config.name)
}

fn has_consumers(stream: &Stream) -> bool {
    stream.state.is_some_and(|state| state.consumer_count > 0)
}

async fn one(connection: &Connection, name: &str) -> Result<Vec<Stream>, CallError> {
    let request = connection.request(GetStreamRequest {
        stream: name.to_owned(),
    });
    let answer = connection
        .answer(connection.streams().get_stream(request))
        .await?;
    Ok(answer.stream.into_iter().collect())
}

/// A stream that was deleted meanwhile has none.
async fn of_stream(connection: &Connection, stream: &str) -> Result<Vec<Consumer>, CallError> {
    let filter = ListConsumersRequest {
        stream: stream.to_owned(),
        ..ListConsumersRequest::default()
    };
    match pages::consumers(connection, filter).await {
        Err(error) if error.reason() == "STREAM_NOT_FOUND" => Ok(Vec::new()),
        consumers => consumers,
    }
}
