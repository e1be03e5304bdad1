//! One TCP connection to NATS, from its handshake to its end.
//!
//! A link never reconnects: when its connection ends, for whatever reason, the link is lost for good
//! and `supervisor.rs` makes the next one. So there is one way to notice a lost connection, requests
//! in flight fail at once, and a client whose task panicked (a bare CR in a received header does
//! that to async-nats 0.51) is replaced like any other.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::client::PublishErrorKind;
use async_nats::client::traits::Publisher as _;
use async_nats::message::OutboundMessage;
use async_nats::{Event, HeaderMap, Message, ServerAddr, ServerError, ServerInfo, Subject};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use super::config::Config;
use super::refusals::Refusals;
use super::replies::{Expected, Replies, Reply};
use super::wire::{self, Client, Subscriber};
use crate::deadline::Deadline;

/// Unanswered pings before a link is lost: one may be held up by a burst of messages.
const MISSED_PINGS: u32 = 2;

/// How long telling the client to end may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Refused subjects that a slow listener may be behind by.
const DENIALS: usize = 64;

/// A connection that works until [`Link::lost`] fires.
pub struct Link {
    client: Client,
    inbox: String,
    replies: Replies,
    lost: CancellationToken,
    retiring: CancellationToken,
    since: Instant,
    denied: broadcast::Sender<Arc<str>>,
    inboxes: AtomicU64,
    /// Ends the link's tasks when nobody uses the link any more.
    _guard: DropGuard,
}

/// Why there is no link.
pub(crate) type ConnectError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// It was not sent.
    NotSent,
    /// The connection broke after it was sent.
    Lost,
    /// It was sent and nothing came in time.
    TimedOut,
    /// Nobody listens: it reached no stream, consumer or API.
    NoResponders,
    /// The NATS user may not publish there.
    Denied,
    /// It is larger than the server takes, and was not sent.
    TooLarge,
}

impl Link {
    /// Connects to one of the configured servers, or of `discovered`: one attempt each. `round_trip` is told how
    /// long the round trips take that prove the link alive.
    pub(crate) async fn connect(
        config: &Config,
        discovered: &[ServerAddr],
        round_trip: impl Fn(Duration) + Send + Sync + 'static,
    ) -> Result<Arc<Self>, ConnectError> {
        let mut servers = config.servers()?;
        servers.extend(discovered.iter().cloned());
        let options = config.connect_options().await?;
        // Waiting and repeating is the business of whoever connects.
        let options = options.max_reconnects(servers.len());
        // Tells this link's inboxes from those of all others.
        let id = uuid::Uuid::now_v7().simple();
        let inbox = format!("{}.{id}", config.inbox_prefix);
        let replies = Replies::new(&format!("{inbox}.r"));
        let lost = CancellationToken::new();
        let retiring = CancellationToken::new();
        let (denied, _) = broadcast::channel(DENIALS);

        let events = watch_events(
            replies.clone(),
            denied.clone(),
            lost.clone(),
            retiring.clone(),
        );
        let client = wire::connect(options, &servers, events).await?;
        let answers = client.subscribe(replies.wildcard()).await?;
        tokio::spawn(route_replies(answers, replies.clone(), lost.clone()));

        let link = Arc::new(Self {
            client,
            inbox,
            replies,
            denied,
            inboxes: AtomicU64::new(0),
            retiring,
            since: Instant::now(),
            _guard: lost.clone().drop_guard(),
            lost,
        });
        tokio::spawn(keep_checking(
            Arc::downgrade(&link),
            link.lost.clone(),
            config.ping_interval,
            round_trip,
        ));
        Ok(link)
    }

    /// When it was made.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Fires when the server asks its clients to go elsewhere (lame duck mode). The link still works.
    pub(super) fn retiring(&self) -> &CancellationToken {
        &self.retiring
    }

    /// Ends a client that would otherwise reconnect for as long as anybody holds the link.
    pub(super) async fn close(&self) {
        self.lost.cancel();
        let draining = tokio::time::timeout(CLOSING, self.client.drain());
        let _ = draining.await;
    }

    /// Fires when the connection has ended.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// The subjects that the server refuses from now on: what is sent there is never answered.
    pub(super) fn denied(&self) -> broadcast::Receiver<Arc<str>> {
        self.denied.subscribe()
    }

    /// What the server said of itself.
    pub fn server_info(&self) -> ServerInfo {
        self.client.server_info()
    }

    /// The largest message that the server takes, headers included.
    pub fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    /// A subject of this link that nobody else uses.
    pub fn new_inbox(&self) -> String {
        format!(
            "{}.p{}",
            self.inbox,
            self.inboxes.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Sends in bulk; what comes back is the user's own business.
    pub(super) fn sink(&self) -> Client {
        self.client.clone()
    }

    /// Subscribes; messages come until the link is lost.
    pub async fn subscribe(&self, subject: String) -> Result<Subscriber, RequestError> {
        let subscribing = self.client.subscribe(subject);
        tokio::select! {
            biased;
            () = self.lost.cancelled() => Err(RequestError::Lost),
            subscriber = subscribing => subscriber.map_err(|_| RequestError::Lost),
        }
    }

    /// Sends a message and waits for its reply. Safe to drop at any point.
    pub async fn request(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        payload: Bytes,
        deadline: Deadline,
    ) -> Result<Message, RequestError> {
        let open = self.begin(subject, headers, payload, deadline).await?;
        open.answer(deadline).await
    }

    /// Sends a message that will be replied to. What is begun one after the other is sent in that
    /// order.
    pub(super) async fn begin(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        payload: Bytes,
        deadline: Deadline,
    ) -> Result<OpenRequest, RequestError> {
        let expected = self.replies.expect(subject);
        let reply = Some(expected.subject());
        self.send(subject, reply, headers, payload, deadline)
            .await?;
        Ok(OpenRequest { expected })
    }

    /// Sends a message. OK means that it was handed to the connection.
    pub async fn send(
        &self,
        subject: &str,
        reply: Option<String>,
        headers: Option<HeaderMap>,
        payload: Bytes,
        deadline: Deadline,
    ) -> Result<(), RequestError> {
        if self.lost.is_cancelled() {
            return Err(RequestError::NotSent);
        }
        let message = OutboundMessage {
            subject: subject.into(),
            reply: reply.map(Subject::from),
            payload,
            headers,
        };
        let mut sending = pin!(self.client.publish_message(message));
        // Nearly always there is room, and a timer would cost more than the sending.
        let sent = match sending.as_mut().now_or_never() {
            Some(sent) => sent,
            None => match deadline.bound(self.unless_lost(sending)).await {
                Ok(Some(sent)) => sent,
                Ok(None) | Err(_) => return Err(RequestError::NotSent),
            },
        };
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => RequestError::TooLarge,
            _ => {
                debug!(%error, "could not send");
                RequestError::NotSent
            }
        })
    }

    async fn unless_lost<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.lost.cancelled() => None,
        }
    }
}

/// A request that was sent. Safe to drop at any point.
pub(super) struct OpenRequest {
    expected: Expected,
}

impl OpenRequest {
    /// Waits for the reply. A link that is lost fails its requests itself.
    pub(super) async fn answer(mut self, deadline: Deadline) -> Result<Message, RequestError> {
        match deadline.bound(self.expected.reply()).await {
            Err(_) => Err(RequestError::TimedOut),
            Ok(None) => Err(RequestError::Lost),
            Ok(Some(Reply::Denied)) => Err(RequestError::Denied),
            Ok(Some(Reply::Message(message))) if is_no_responders(&message) => {
                Err(RequestError::NoResponders)
            }
            Ok(Some(Reply::Message(message))) => Ok(message),
        }
    }
}

/// Whether nobody listened to a request.
pub(super) fn is_no_responders(message: &Message) -> bool {
    message
        .status
        .is_some_and(|status| status == async_nats::StatusCode::NO_RESPONDERS)
}

fn watch_events(
    replies: Replies,
    denied: broadcast::Sender<Arc<str>>,
    lost: CancellationToken,
    retiring: CancellationToken,
) -> impl Fn(Event) -> std::future::Ready<()> + Send + Sync + 'static {
    let refusals = Refusals::default();
    move |event| {
        match &event {
            Event::Disconnected | Event::Closed => lost.cancel(),
            Event::LameDuckMode => retiring.cancel(),
            Event::ServerError(ServerError::Other(text)) => {
                refusals.log(text);
                if let Some(subject) = denied_subject(text) {
                    replies.deny(subject);
                    // Nobody listens where no pull is open.
                    let _ = denied.send(subject.into());
                }
            }
            Event::SlowConsumer(subscription) => {
                warn!(subscription, "slow consumer: messages dropped")
            }
            _ => debug!(%event, "connection event"),
        }
        std::future::ready(())
    }
}

/// The subject in `Permissions Violation for Publish to "subject"`.
fn denied_subject(error: &str) -> Option<&str> {
    let lower = error.to_ascii_lowercase();
    let place = lower.find("permissions violation for publish to")?;
    error[place..].split('"').nth(1)
}

/// Ends with the subscription: its sender lives in the connection's task, so this notices a task
/// that panicked, of which async-nats says nothing.
async fn route_replies(mut answers: Subscriber, replies: Replies, lost: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            message = answers.next() => match message {
                Some(message) => replies.resolve(message),
                None => break,
            },
            // What came before is heard.
            () = lost.cancelled() => break,
        }
    }
    lost.cancel();
    replies.abandon();
}

/// A real round trip through the server now and then: async-nats' state says Connected for a
/// connection whose task is gone, and TCP says nothing of a server that hangs.
async fn keep_checking(
    link: std::sync::Weak<Link>,
    lost: CancellationToken,
    interval: Duration,
    round_trip: impl Fn(Duration),
) {
    let mut missed = 0;
    loop {
        tokio::select! {
            biased;
            () = lost.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        let Some(link) = link.upgrade() else {
            return;
        };
        let (received, asked) = (link.received_bytes(), Instant::now());
        let answered = link.echo(interval).await;
        if answered {
            round_trip(asked.elapsed());
        }
        // An echo waits behind whatever arrives; where something does, the connection lives.
        if answered || link.received_bytes() > received {
            missed = 0;
            continue;
        }
        missed += 1;
        if missed >= MISSED_PINGS {
            warn!(
                missed,
                "nats-server does not answer, replacing the connection"
            );
            link.lost.cancel();
            return;
        }
    }
}

impl Link {
    fn received_bytes(&self) -> u64 {
        self.client.statistics().in_bytes.load(Ordering::Relaxed)
    }

    /// Publishes to its own reply inbox and waits for the message to come back.
    async fn echo(&self, timeout: Duration) -> bool {
        let deadline = Deadline::within(timeout);
        let mut expected = self.replies.expect_echo();
        let subject = expected.subject();
        if self
            .send(&subject, None, None, Bytes::new(), deadline)
            .await
            .is_err()
        {
            return false;
        }
        matches!(deadline.bound(expected.reply()).await, Ok(Some(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_subject_of_a_permission_violation() {
        let text = r#"Permissions Violation for Publish to "orders.new""#;
        assert_eq!(denied_subject(text), Some("orders.new"));
        assert_eq!(denied_subject("maximum payload exceeded"), None);
        assert_eq!(
            denied_subject(r#"Permissions Violation for Subscription to "a""#),
            None
        );
    }
}
