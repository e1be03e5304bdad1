//! How the replicas of an installation talk: signs of life, and answers to each other's questions.
//!
//! They share a NATS account and an inbox prefix, below which their subjects are. Questions and
//! answers are those of the public contract, so that replicas of different versions understand
//! each other as callers do.

use async_nats::Message;
use futures_util::StreamExt as _;
use prost::Message as _;
use tokio::time::{Instant, sleep_until};

use super::{Sessions, TELLING, id, replicas};
use crate::deadline::Deadline;
use crate::nats::{Link, Nats};
use crate::proto::{ListSessionsRequest, ReplicaInfo, TerminateSessionRequest};

/// What is said to all replicas.
const HELLO: &str = "hello";
const HERE: &str = "here";
const BYE: &str = "bye";
const LIST: &str = "list";

/// What is said to one.
const TERMINATE: &str = "terminate";

impl Sessions {
    /// Gives signs of life and answers other replicas, for as long as the gateway runs.
    pub async fn attend(self, nats: Nats) {
        let connection = nats.notices();
        loop {
            let link = connection.wait_forever().await;
            link.lost().run_until_cancelled(self.converse(&link)).await;
            // A subscription that fails is the end of its link.
            link.lost().cancelled().await;
        }
    }

    /// Tells the other replicas that this one ends. Best effort: a silent one is forgotten as well.
    pub async fn say_goodbye(&self, nats: &Nats) {
        if let Some(link) = nats.notices().link() {
            self.show_itself(&link, self.subject_of_all(BYE)).await;
        }
    }

    async fn converse(&self, link: &Link) {
        let Ok(mut to_all) = link.subscribe(self.subject_of_all("*")).await else {
            return;
        };
        let own = format!("{}.*", self.subject(self.0.gateway));
        let Ok(mut to_this) = link.subscribe(own).await else {
            return;
        };
        self.show_itself(link, self.subject_of_all(HELLO)).await;
        let mut sign_of_life = Instant::now() + replicas::SIGN_OF_LIFE;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(sign_of_life) => {
                    self.show_itself(link, self.subject_of_all(HERE)).await;
                    sign_of_life = Instant::now() + replicas::SIGN_OF_LIFE;
                }
                message = to_this.next() => match message {
                    Some(message) => self.answer(link, message).await,
                    None => return,
                },
                message = to_all.next() => match message {
                    Some(message) => self.hear(link, message).await,
                    None => return,
                },
            }
        }
    }

    async fn hear(&self, link: &Link, message: Message) {
        let verb = message.subject.rsplit('.').next().unwrap_or_default();
        if verb == LIST {
            return self.answer_listing(link, message).await;
        }
        let Some(other) = self.read_replica(&message) else {
            return;
        };
        match verb {
            HELLO => {
                self.0.replicas.lives(other, Instant::now());
                // The newcomer knows nobody yet. Others are not told: after a lost connection all
                // replicas are newcomers at once.
                self.show_itself(link, self.subject_of(other, HERE)).await;
            }
            HERE => self.0.replicas.lives(other, Instant::now()),
            BYE => self.0.replicas.ended(other),
            _ => {}
        }
    }

    /// Takes what is said to this replica alone.
    async fn answer(&self, link: &Link, message: Message) {
        if message.subject.ends_with(HERE) {
            if let Some(other) = self.read_replica(&message) {
                self.0.replicas.lives(other, Instant::now());
            }
            return;
        }
        let Some(reply) = message.reply else { return };
        if !message.subject.ends_with(TERMINATE) {
            return;
        }
        if let Ok(request) = TerminateSessionRequest::decode(message.payload) {
            let status = self.terminate_here_as_asked(&request).encode_to_vec();
            let deadline = Deadline::within(TELLING);
            let _ = link.send(&reply, None, None, status.into(), deadline).await;
        }
    }

    async fn answer_listing(&self, link: &Link, message: Message) {
        let Some(reply) = message.reply else { return };
        if let Ok(request) = ListSessionsRequest::decode(message.payload) {
            for part in self.answer_to(request, link.max_payload()) {
                let deadline = Deadline::within(TELLING);
                let sent = link.send(&reply, None, None, part.into(), deadline).await;
                if sent.is_err() {
                    return;
                }
            }
        }
    }

    /// Another replica that says something of itself.
    fn read_replica(&self, message: &Message) -> Option<u64> {
        let replica = ReplicaInfo::decode(message.payload.clone()).ok()?;
        let gateway = id::parse_gateway("gateway_id", &replica.gateway_id).ok()?;
        (gateway != self.0.gateway).then_some(gateway)
    }

    /// Says there who this replica is.
    async fn show_itself(&self, link: &Link, subject: String) {
        let payload = self.itself().encode_to_vec().into();
        let deadline = Deadline::within(TELLING);
        let _ = link.send(&subject, None, None, payload, deadline).await;
    }

    /// This replica, as it shows itself to others.
    pub(super) fn itself(&self) -> ReplicaInfo {
        ReplicaInfo {
            gateway_id: id::gateway_text(self.0.gateway),
            answered: true,
            session_count: self.count() as u64,
        }
    }

    /// Where all replicas are asked for their sessions.
    pub(super) fn listing_subject(&self) -> String {
        self.subject_of_all(LIST)
    }

    /// Where one replica is asked to end a session.
    pub(super) fn termination_subject(&self, gateway: u64) -> String {
        self.subject_of(gateway, TERMINATE)
    }

    fn subject_of(&self, gateway: u64, verb: &str) -> String {
        format!("{}.{verb}", self.subject(gateway))
    }

    fn subject_of_all(&self, verb: &str) -> String {
        format!("{}.all.{verb}", self.0.prefix)
    }
}
