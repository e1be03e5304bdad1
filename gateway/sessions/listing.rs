//! `ListSessions` over all replicas: one question to all, an answer from each.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use prost::Message as _;
use tokio::time::Instant;

use super::query::{Query, cut};
use super::{Sessions, id};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::nats::{Link, Nats};
use crate::proto::{ListSessionsRequest, ListSessionsResponse, ReplicaInfo, SessionInfo};

/// How long the other replicas have.
const PATIENCE: Duration = Duration::from_secs(2);

/// The largest part of an answer: what is on one subscription for long holds up the rest.
const LARGEST_PART: usize = 256 * 1024;

/// Other replicas, and what those have answered that are done.
type Answers = BTreeMap<u64, Option<Answer>>;

/// What one replica has answered.
#[derive(Default)]
struct Answer {
    sessions: Vec<SessionInfo>,
    session_count: u64,
}

impl Sessions {
    /// A page of the sessions of all replicas.
    pub async fn list(
        &self,
        nats: &Nats,
        request: ListSessionsRequest,
        deadline: Deadline,
    ) -> Result<ListSessionsResponse> {
        let query = Query::parse(request.clone())?;
        let (mut sessions, mut replicas) = (Vec::new(), Vec::new());
        if query.means(self.0.gateway) {
            sessions = self.0.page(&query);
            replicas.push(self.itself());
        }
        for (gateway, answer) in self.ask_others(nats, request, &query, deadline).await {
            replicas.push(ReplicaInfo {
                gateway_id: id::gateway_text(gateway),
                answered: answer.is_some(),
                session_count: answer.as_ref().map_or(0, |it| it.session_count),
            });
            sessions.extend(answer.unwrap_or_default().sessions);
        }
        replicas.sort_by(|one, other| one.gateway_id.cmp(&other.gateway_id));
        let (sessions, next_page_token) = cut(sessions, query.size);
        Ok(ListSessionsResponse {
            sessions,
            next_page_token,
            replicas,
        })
    }

    /// What the others answer, as far as they do.
    async fn ask_others(
        &self,
        nats: &Nats,
        request: ListSessionsRequest,
        query: &Query,
        deadline: Deadline,
    ) -> Answers {
        let mut known = match query.gateway {
            Some(gateway) => vec![gateway],
            None => self.0.replicas.known(Instant::now()),
        };
        known.retain(|gateway| *gateway != self.0.gateway);
        let mut answers: Answers = known.into_iter().map(|it| (it, None)).collect();
        if let Some(link) = nats.notices().link()
            && !answers.is_empty()
        {
            let deadline = deadline.at_most(PATIENCE);
            let asking = self.collect(&link, request, deadline, &mut answers);
            // What has come by then counts.
            let _ = deadline.bound(asking).await;
        }
        answers
    }

    /// Asks, and collects until everybody known has answered.
    async fn collect(
        &self,
        link: &Link,
        request: ListSessionsRequest,
        deadline: Deadline,
        answers: &mut Answers,
    ) -> Option<()> {
        let inbox = link.new_inbox();
        let mut parts = link.subscribe(inbox.clone()).await.ok()?;
        let question = request.encode_to_vec().into();
        link.send(
            &self.listing_subject(),
            Some(inbox),
            None,
            question,
            deadline,
        )
        .await
        .ok()?;
        let mut open: BTreeMap<u64, Vec<SessionInfo>> = BTreeMap::new();
        while answers.values().any(Option::is_none) {
            let part = link.lost().run_until_cancelled(parts.next()).await??;
            let Ok(part) = ListSessionsResponse::decode(part.payload) else {
                continue;
            };
            let Some(gateway) = sender(&part).filter(|it| *it != self.0.gateway) else {
                continue;
            };
            let sessions = open.entry(gateway).or_default();
            sessions.extend(part.sessions);
            // The last part says who it is from.
            if let [replica] = part.replicas.as_slice() {
                self.0.replicas.lives(gateway, Instant::now());
                let answer = Answer {
                    sessions: std::mem::take(sessions),
                    session_count: replica.session_count,
                };
                answers.insert(gateway, Some(answer));
            }
        }
        Some(())
    }

    /// This replica's answer, in parts that fit into a message.
    pub(super) fn answer_to(
        &self,
        request: ListSessionsRequest,
        max_payload: usize,
    ) -> Vec<Vec<u8>> {
        // What another replica asks was checked there; what else asks gets no answer.
        let Ok(query) = Query::parse(request) else {
            return Vec::new();
        };
        if !query.means(self.0.gateway) {
            return Vec::new();
        }
        let mut parts = in_parts(self.0.page(&query), LARGEST_PART.min(max_payload / 2));
        let mut last = parts.pop().unwrap_or_default();
        last.replicas.push(self.itself());
        parts.push(last);
        parts
            .iter()
            .map(ListSessionsResponse::encode_to_vec)
            .collect()
    }
}

/// Splits sessions so that no part is much larger than this.
fn in_parts(sessions: Vec<SessionInfo>, largest: usize) -> Vec<ListSessionsResponse> {
    let mut parts: Vec<ListSessionsResponse> = Vec::new();
    let mut room = 0;
    for session in sessions {
        let size = session.encoded_len();
        match parts.last_mut() {
            Some(part) if size <= room => part.sessions.push(session),
            _ => {
                room = largest;
                parts.push(ListSessionsResponse {
                    sessions: vec![session],
                    ..ListSessionsResponse::default()
                });
            }
        }
        room = room.saturating_sub(size);
    }
    parts
}

/// The replica that a part of an answer is from.
fn sender(part: &ListSessionsResponse) -> Option<u64> {
    let session = part.sessions.first().map(|it| &it.gateway_id);
    let gateway = session.or_else(|| part.replicas.first().map(|it| &it.gateway_id))?;
    id::parse_gateway("gateway_id", gateway).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_everything_in_order_and_no_more_than_they_may() {
        let session = |number: usize| SessionInfo {
            session_id: format!("{number}"),
            user_agent: "a".repeat(100),
            ..SessionInfo::default()
        };
        let sessions: Vec<_> = (0..50).map(session).collect();

        let parts = in_parts(sessions.clone(), 1_000);

        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.encoded_len() < 1_200));
        let all: Vec<_> = parts.into_iter().flat_map(|part| part.sessions).collect();
        assert_eq!(all, sessions);
    }
}
