//! Whether one leader alone speaks for a stream: asked while a refusal may be that of a leader of the past.
//!
//! A leader that was parted from the others leads on until it hears of the new one, and both answer what reaches both.
//! So all answers are gathered, and the one leader must have heard of most servers since: those that follow another
//! would have told it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::error::Result;
use crate::nats::api::{PeerInfo, StreamInfo};
use crate::nats::error::too_late;
use crate::nats::link::{Link, RequestError};
use crate::nats::{AsOf, Nats};

/// How long the first leader has to answer, and how long after it another one.
const FIRST: Duration = Duration::from_secs(1);
const ANOTHER: Duration = Duration::from_millis(200);

/// The pause before asking again. Followers of a stream that takes nothing are heard of once a second.
const PAUSE: Duration = Duration::from_millis(100);

impl Nats {
    /// Waits until one leader of a stream alone answers, who has heard of most servers since this moment; false where the
    /// time is up before. Those who ask at the same time share the question.
    pub(in crate::nats) async fn one_leader(&self, stream: &str, deadline: Deadline) -> bool {
        let now = AsOf::since(Instant::now());
        let leaders = &self.lookups().leaders;
        let ask = self.until_one_leads(stream, deadline);
        let known = deadline.bound(leaders.get(stream.to_owned(), now, ask));
        known.await.is_ok_and(|known| known.is_ok())
    }

    async fn until_one_leads(&self, stream: &str, deadline: Deadline) -> Result<()> {
        let since = Instant::now();
        while !deadline.has_passed() {
            let age = since.elapsed();
            let answers = self.ask_all_leaders(stream, deadline).await;
            if answers.is_ok_and(|answers| leads_alone(&answers, age)) {
                return Ok(());
            }
            let _ = deadline.bound(tokio::time::sleep(PAUSE)).await;
        }
        Err(too_late("the leader of a stream"))
    }

    async fn ask_all_leaders(
        &self,
        stream: &str,
        deadline: Deadline,
    ) -> Result<Vec<StreamInfo>, RequestError> {
        let link = self.request_link(deadline).await;
        let link = link.map_err(|_| RequestError::NotSent)?;
        let subject = format!("{}.STREAM.INFO.{stream}", self.api_prefix());
        gather(&link, &subject, deadline).await
    }
}

async fn gather(
    link: &Link,
    subject: &str,
    deadline: Deadline,
) -> Result<Vec<StreamInfo>, RequestError> {
    let inbox = link.new_inbox();
    let subscribing = deadline.bound(link.subscribe(inbox.clone()));
    let mut subscriber = subscribing.await.map_err(|_| RequestError::NotSent)??;
    link.send(subject, Some(inbox), None, Bytes::new(), deadline)
        .await?;
    let mut answers = Vec::new();
    let mut until = deadline.at_most(FIRST);
    while let Ok(Some(answer)) = until.bound(subscriber.next()).await {
        let info = serde_json::from_slice::<StreamInfo>(&answer.payload);
        answers.extend(info.ok().filter(|info| info.cluster.is_some()));
        until = until.at_most(ANOTHER);
    }
    Ok(answers)
}

/// Whether there is one answer, of somebody who has heard of most servers in this time.
fn leads_alone(answers: &[StreamInfo], age: Duration) -> bool {
    let [info] = answers else {
        return false;
    };
    let Some(cluster) = &info.cluster else {
        return false;
    };
    let was_heard = |peer: &&PeerInfo| {
        let active = u64::try_from(peer.active).ok().filter(|time| *time > 0);
        active.is_some_and(|time| Duration::from_nanos(time) <= age)
    };
    let servers = cluster.replicas.len() + 1;
    let heard = cluster.replicas.iter().filter(was_heard).count() + 1;
    !cluster.leader.is_empty() && 2 * heard > servers
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn info(leader: &str, active: &[i64]) -> StreamInfo {
        let peers = active
            .iter()
            .map(|active| json!({ "active": active * 1_000_000 }));
        let peers: Vec<_> = peers.collect();
        let info = json!({
            "config": { "name": "S" },
            "created": "2026-01-01T00:00:00Z",
            "cluster": { "leader": leader, "replicas": peers },
        });
        serde_json::from_value(info).unwrap()
    }

    #[test]
    fn who_leads_alone_has_heard_of_most_servers_and_nobody_else_answers() {
        let age = Duration::from_millis(500);
        assert!(leads_alone(&[info("n1", &[20, 900])], age));
        assert!(leads_alone(&[info("n1", &[500, 0])], age));
        assert!(leads_alone(&[info("n1", &[])], age));
        assert!(!leads_alone(&[info("n1", &[501, 900])], age));
        assert!(!leads_alone(&[info("n1", &[0, 0])], age));
        assert!(!leads_alone(&[info("", &[20, 20])], age));
        assert!(!leads_alone(&[info("n1", &[20, 900, 900, 900])], age));
        assert!(!leads_alone(&[], age));
        let two = [info("n1", &[20, 20]), info("n2", &[20, 20])];
        assert!(!leads_alone(&two, age));
    }
}
