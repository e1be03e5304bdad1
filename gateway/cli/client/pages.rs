//! Lists of streams, consumers and sessions, page after page.

use super::{call_error::CallError, connection::Connection};
use crate::proto::{
    Consumer, ListConsumersRequest, ListSessionsRequest, ListStreamsRequest, ReplicaInfo,
    SessionInfo, Stream,
};

/// The largest page that the gateway gives.
const PAGE_SIZE: u32 = 256;

/// Of sessions: all replicas are asked for each page.
const SESSION_PAGE_SIZE: u32 = 1000;

/// Every stream that `filter` lets through.
pub(super) async fn streams(
    connection: &Connection,
    filter: ListStreamsRequest,
) -> Result<Vec<Stream>, CallError> {
    let mut streams = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = connection.request(ListStreamsRequest {
            page_size: PAGE_SIZE,
            page_token,
            ..filter.clone()
        });
        let page = connection
            .answer(connection.streams().list_streams(request))
            .await?;
        streams.extend(page.streams);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(streams);
        }
    }
}

/// Every consumer of a stream that `filter` lets through.
pub(super) async fn consumers(
    connection: &Connection,
    filter: ListConsumersRequest,
) -> Result<Vec<Consumer>, CallError> {
    let mut consumers = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = connection.request(ListConsumersRequest {
            page_size: PAGE_SIZE,
            page_token,
            ..filter.clone()
        });
        let page = connection
            .answer(connection.consumers().list_consumers(request))
            .await?;
        consumers.extend(page.consumers);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(consumers);
        }
    }
}

/// Every session of a stream, or of all where it is empty, and the replicas that were asked.
pub(super) async fn sessions(
    connection: &Connection,
    stream: &str,
) -> Result<(Vec<SessionInfo>, Vec<ReplicaInfo>), CallError> {
    let mut sessions = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = connection.request(ListSessionsRequest {
            page_size: SESSION_PAGE_SIZE,
            page_token,
            stream: stream.to_owned(),
            ..ListSessionsRequest::default()
        });
        let page = connection
            .answer(connection.gateway().list_sessions(request))
            .await?;
        sessions.extend(page.sessions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok((sessions, page.replicas));
        }
    }
}
