//! Messages that async-nats cannot receive: found by raw reads, and handed on like any other.
//!
//! A header value with a bare CR, which any client of the account can publish, panics the
//! library's connection task; other malformed headers make it reconnect for ever. JetStream has
//! then delivered the message, the gateway never sees it, and it comes again after the ack wait. So
//! when a connection for deliveries breaks by itself, its sessions read what they may have missed
//! through the JSON API, whose answers are base64, and pick out what would break the next connection
//! as well. Until that is settled, the sessions of its consumer share a connection of their own.

mod register;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::time::Instant;

use super::Nats;
use super::api::{AckPolicy, ConsumerConfig, ConsumerInfo, StoredMessageAnswer};
use super::malformed::{Raw, is_malformed, split_headers};
use super::pull::Delivery;
use super::supervisor::Connection;
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};
use crate::token::{AckSubject, Origin};
pub(super) use register::Register;

/// No more messages than this are read in one search.
const SEARCH: usize = 512;

/// JetStream's ack wait began when it sent the message, which was found only some time later: the
/// message may be handed out again this much before the ack wait is over by our own clock, but not
/// before half of it.
const FOUND_LATE: Duration = Duration::from_secs(2);

impl Nats {
    /// Whether a link that was lost then may have been broken by a message: when NATS itself was away,
    /// the connections for requests were lost as well.
    pub fn broke_alone(&self, lost_at: Instant) -> bool {
        let links = self.0.requests.iter().filter_map(Connection::link);
        links.into_iter().any(|link| link.since() < lost_at)
    }

    /// Looks for malformed messages among those that a consumer has delivered behind `after`. Sessions
    /// of one consumer take turns, and do not repeat what was searched since the link was lost.
    pub async fn search(
        &self,
        info: &ConsumerInfo,
        after: u64,
        lost_at: Instant,
        deadline: Deadline,
    ) -> Result<()> {
        let register = &self.0.quarantine;
        let has_acks = info.config.ack_policy != AckPolicy::None;
        let after = if has_acks {
            after.max(info.ack_floor.stream_seq)
        } else {
            after
        };
        let turn = register.turn(info);
        let mut last = deadline.bound(turn.lock()).await.map_err(|_| late())?;
        let is_known = last.is_some_and(|(at, from)| at >= lost_at && from <= after);
        if is_known || (has_acks && info.num_ack_pending == 0) {
            return Ok(());
        }
        // What came behind the malformed message may have been received on the next connection.
        let floor = info.ack_floor.stream_seq;
        if !self.search_behind(info, after, deadline).await? && has_acks && floor < after {
            self.search_behind(info, floor, deadline).await?;
        }
        *last = Some((Instant::now(), after));
        Ok(())
    }

    /// Whether there are malformed messages among the next ones.
    async fn search_behind(
        &self,
        info: &ConsumerInfo,
        mut position: u64,
        deadline: Deadline,
    ) -> Result<bool> {
        let mut found = false;
        for _ in 0..SEARCH {
            let next = self
                .next_raw(&info.stream_name, &info.config, position, deadline)
                .await?;
            let Some(message) = next.filter(|next| next.sequence <= info.delivered.stream_seq)
            else {
                break;
            };
            position = message.sequence;
            if is_malformed(&message) {
                found |= self.0.quarantine.enter(info, message.sequence);
            }
        }
        Ok(found)
    }

    /// Takes the malformed messages of a consumer that no other session has. Each is handed to one
    /// session, and again only after `ack_wait`.
    pub async fn claim(
        &self,
        info: &ConsumerInfo,
        ack_wait: Duration,
        deadline: Deadline,
    ) -> Vec<Delivery> {
        let register = &self.0.quarantine;
        let lease = ack_wait - FOUND_LATE.min(ack_wait / 2);
        let mut claimed = Vec::new();
        for sequence in register.open(info) {
            let request = Request {
                seq: sequence,
                next_by_subj: None,
            };
            match self
                .raw_message(&info.stream_name, &request, deadline)
                .await
            {
                Err(error) if error.reason() == Reason::MessageNotFound => {
                    register.settle(&info.stream_name, &info.name, sequence);
                }
                Err(_) => break,
                Ok(message) => {
                    let attempt = register.claim(info, sequence, lease);
                    if info.config.ack_policy == AckPolicy::None {
                        // It never comes again, and nobody settles it.
                        register.settle(&info.stream_name, &info.name, sequence);
                    }
                    claimed.extend(attempt.map(|attempt| claimed_delivery(info, message, attempt)));
                }
            }
        }
        claimed
    }

    /// The message behind `after` that a reader without acknowledgements comes to next, if that is
    /// malformed.
    pub async fn next_malformed(
        &self,
        stream: &str,
        config: &ConsumerConfig,
        after: u64,
        deadline: Deadline,
    ) -> Result<Option<Delivery>> {
        let next = self.next_raw(stream, config, after, deadline).await?;
        Ok(next.filter(is_malformed).map(|message| {
            self.0.quarantine.mark(stream);
            delivery(stream, "", config.headers_only, 0, message)
        }))
    }

    /// Whether sessions of this consumer must keep to a connection of their own.
    pub fn is_quarantined(&self, stream: &str, consumer: &str) -> bool {
        self.0.quarantine.is_quarantined(stream, consumer)
    }

    /// Whether a stream had malformed messages lately: those who read it anew keep apart.
    pub fn is_marked(&self, stream: &str) -> bool {
        self.0.quarantine.is_marked(stream)
    }

    /// A message is settled for good: it need not be handed out any more.
    pub fn suspect_settled(&self, stream: &str, consumer: &str, sequence: u64) {
        self.0.quarantine.settle(stream, consumer, sequence);
    }

    /// A message was given back: the next session may have it as soon as JetStream delivers it.
    pub fn suspect_returned(&self, stream: &str, consumer: &str, sequence: u64) {
        self.0.quarantine.give_back(stream, consumer, sequence);
    }

    /// The connection that the sessions of a consumer share while others must not be broken by it.
    pub fn quarantine_connection(&self, stream: &str, consumer: &str) -> Connection {
        let start = || self.own_connection("quarantine");
        self.0.quarantine.connection(stream, consumer, start)
    }

    /// The next message behind `after` that the filters let through.
    async fn next_raw(
        &self,
        stream: &str,
        config: &ConsumerConfig,
        after: u64,
        deadline: Deadline,
    ) -> Result<Option<Raw>> {
        let mut next: Option<Raw> = None;
        let everything = config.filters().next().is_none().then_some(">");
        for filter in config.filters().chain(everything) {
            let request = Request {
                seq: after + 1,
                next_by_subj: Some(filter),
            };
            match self.raw_message(stream, &request, deadline).await {
                Ok(found) => next = [found].into_iter().chain(next).min_by_key(|it| it.sequence),
                Err(error) if error.reason() == Reason::MessageNotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(next)
    }

    async fn raw_message(
        &self,
        stream: &str,
        request: &Request<'_>,
        deadline: Deadline,
    ) -> Result<Raw> {
        let operation = format!("STREAM.MSG.GET.{stream}");
        let answer: StoredMessageAnswer = self.api(&operation, request, deadline).await?;
        Raw::decode(answer.message)
            .ok_or_else(|| Error::new(Reason::Internal, "a stored message is not base64"))
    }
}

/// What sessions of one consumer hold while they search: when the last search ended, and from where.
type Turn = Arc<tokio::sync::Mutex<Option<(Instant, u64)>>>;

/// Asks for the message of a sequence, or for the next one from there whose subject matches.
#[derive(Serialize)]
struct Request<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
}

/// JetStream finds a message by its stream sequence; the consumer sequence must only lie between the
/// ack floor and the last delivery.
fn claimed_delivery(info: &ConsumerInfo, message: Raw, attempt: u64) -> Delivery {
    let headers_only = info.config.headers_only;
    let mut delivery = delivery(
        &info.stream_name,
        &info.name,
        headers_only,
        attempt,
        message,
    );
    delivery.ack.consumer_sequence = info.delivered.consumer_seq;
    delivery.ack.pending = info.num_pending;
    delivery
}

/// The delivery that the connection could not take.
fn delivery(
    stream: &str,
    consumer: &str,
    headers_only: bool,
    attempt: u64,
    message: Raw,
) -> Delivery {
    let payload = if headers_only {
        Bytes::new()
    } else {
        message.payload
    };
    let size = message.subject.len() + message.headers.len() + payload.len();
    Delivery {
        ack: AckSubject {
            origin: Arc::new(Origin::new(stream, consumer)),
            delivered: attempt,
            stream_sequence: message.sequence,
            consumer_sequence: 0,
            timestamp: message.timestamp,
            pending: 0,
        },
        subject: message.subject,
        headers: split_headers(&message.headers),
        payload,
        size: size as u64,
    }
}

fn late() -> Error {
    super::error::too_late("the search for malformed messages")
}
