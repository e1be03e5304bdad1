//! Which sessions a `ListSessions` asks for, and where its page begins.

use super::{Inner, id};
use crate::error::{Error, Result};
use crate::proto::{ListSessionsRequest, SessionInfo};
use crate::token::Route;

/// How many sessions a page has where the caller does not say, and at most.
const SIZES: (u32, u32) = (100, 1_000);

/// A request, read.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) size: usize,
    /// The last session of the page before.
    after: Option<Route>,
    pub(super) gateway: Option<u64>,
    stream: String,
    consumer: String,
    client_name: String,
}

impl Query {
    pub(super) fn parse(request: ListSessionsRequest) -> Result<Self> {
        let size = match request.page_size {
            0 => SIZES.0,
            size => size.min(SIZES.1),
        };
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(id::parse("page_token", token).map_err(|_| not_a_token())?),
        };
        let gateway = match request.gateway_id.as_str() {
            "" => None,
            gateway => Some(id::parse_gateway("gateway_id", gateway)?),
        };
        Ok(Self {
            size: size as usize,
            after,
            gateway,
            stream: request.stream,
            consumer: request.consumer,
            client_name: request.client_name,
        })
    }

    /// Whether this replica is meant.
    pub(super) fn means(&self, gateway: u64) -> bool {
        self.gateway.is_none_or(|wanted| wanted == gateway)
    }
}

impl Inner {
    /// The first of this replica's sessions that are asked for: one more than the page holds, where
    /// there are more.
    pub(super) fn page(&self, query: &Query) -> Vec<SessionInfo> {
        let first = match query.after {
            Some(after) if after.gateway > self.gateway => return Vec::new(),
            Some(after) if after.gateway == self.gateway => after.session.saturating_add(1),
            _ => 0,
        };
        let open = self.lock();
        let found = open.range(first..).filter(|(_, open)| {
            open.entry
                .matches(&query.stream, &query.consumer, &query.client_name)
        });
        found
            .take(query.size + 1)
            .map(|(session, open)| {
                let route = Route {
                    gateway: self.gateway,
                    session: *session,
                };
                open.entry.info(route)
            })
            .collect()
    }
}

/// Cuts a page out of what all replicas found, and makes the token of the next.
pub(super) fn cut(mut sessions: Vec<SessionInfo>, size: usize) -> (Vec<SessionInfo>, String) {
    // As numbers: text would put session 10 before 2, and the next page would skip it.
    sessions.sort_by_cached_key(|session| {
        let route = id::parse("session_id", &session.session_id).unwrap_or_default();
        (route.gateway, route.session)
    });
    let has_more = sessions.len() > size;
    sessions.truncate(size);
    let last = sessions.last().filter(|_| has_more);
    let token = last.map(|last| last.session_id.clone()).unwrap_or_default();
    (sessions, token)
}

fn not_a_token() -> Error {
    Error::invalid("page_token", "must be a next_page_token, or empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(gateway: u64, session: u64) -> SessionInfo {
        SessionInfo {
            session_id: id::text(Route { gateway, session }),
            ..SessionInfo::default()
        }
    }

    #[test]
    fn sizes_have_a_default_and_a_limit() {
        let size = |page_size| {
            let request = ListSessionsRequest {
                page_size,
                ..ListSessionsRequest::default()
            };
            Query::parse(request).unwrap().size
        };
        assert_eq!((size(0), size(7), size(u32::MAX)), (100, 7, 1_000));
    }

    #[test]
    fn pages_follow_the_order_of_numbers() {
        let all = vec![session(2, 1), session(1, 10), session(1, 2)];

        let (page, token) = cut(all, 2);

        assert_eq!(page, [session(1, 2), session(1, 10)]);
        assert_eq!(token, session(1, 10).session_id);
        assert_eq!(cut(page, 2).1, "");
    }
}
