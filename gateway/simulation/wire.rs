//! What stands in for async-nats' client: its connections end in the simulated network.

use std::future::Ready;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use async_nats::client::traits::Publisher;
use async_nats::message::OutboundMessage;
use async_nats::subject::ToSubject;
use async_nats::{
    ConnectOptions, Event, Message, PublishError, PublishErrorKind, ServerAddr, ServerInfo,
    Statistics,
};
use bytes::Bytes;
use futures_util::{Sink, SinkExt as _};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::sync::PollSender;

use super::network::Network;

/// As many as async-nats' own queues hold.
const COMMANDS: usize = 2_048;
const MESSAGES: usize = 65_536;

/// The largest message that the servers take.
const MAX_PAYLOAD: usize = 1 << 20;

/// Told what becomes of a connection.
pub(super) type Events = Box<dyn Fn(Event) + Send + Sync>;

/// What a client says to its connection.
pub(super) enum Command {
    Subscribe {
        id: u64,
        subject: String,
        messages: mpsc::Sender<Message>,
    },
    /// Ends a subscription, now or after so many messages.
    Unsubscribe {
        id: u64,
        after: Option<u64>,
    },
    Publish(OutboundMessage),
    Drain,
}

/// The client's end of a connection.
#[derive(Clone)]
pub(crate) struct Client {
    server: usize,
    commands: mpsc::Sender<Command>,
    sink: PollSender<Command>,
    next_id: Arc<AtomicU64>,
    statistics: Arc<Statistics>,
}

/// Connects to the network of the simulation that this thread is in.
pub(crate) async fn connect(
    _: ConnectOptions,
    servers: &[ServerAddr],
    events: impl Fn(Event) -> Ready<()> + Send + Sync + 'static,
) -> io::Result<Client> {
    let network = Network::current().ok_or_else(|| io::Error::other("not in a simulation"))?;
    let host = servers.first().map_or("", ServerAddr::host);
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let statistics = Arc::<Statistics>::default();
    let events = Box::new(move |event| events(event).into_inner());
    let connecting = network.connect(host, receiver, statistics.clone(), events);
    let server = connecting.await?;
    Ok(Client {
        server,
        sink: PollSender::new(commands.clone()),
        commands,
        next_id: Arc::default(),
        statistics,
    })
}

impl Client {
    pub(crate) async fn subscribe<S: ToSubject>(&self, subject: S) -> io::Result<Subscriber> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, messages) = mpsc::channel(MESSAGES);
        let subject = subject.to_subject().to_string();
        let subscribe = Command::Subscribe {
            id,
            subject,
            messages: sender,
        };
        self.command(subscribe).await?;
        Ok(Subscriber {
            id,
            messages,
            commands: self.commands.clone(),
        })
    }

    pub(crate) fn server_info(&self) -> ServerInfo {
        ServerInfo {
            server_id: format!("n{}", self.server),
            version: "2.15.1".to_owned(),
            max_payload: MAX_PAYLOAD,
            headers: true,
            jetstream: true,
            ..ServerInfo::default()
        }
    }

    pub(crate) fn max_payload(&self) -> usize {
        MAX_PAYLOAD
    }

    pub(crate) fn statistics(&self) -> Arc<Statistics> {
        self.statistics.clone()
    }

    pub(crate) async fn drain(&self) -> io::Result<()> {
        self.command(Command::Drain).await
    }

    async fn command(&self, command: Command) -> io::Result<()> {
        let sent = self.commands.send(command).await;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Publisher for Client {
    async fn publish_with_reply<S, R>(
        &self,
        subject: S,
        reply: R,
        payload: Bytes,
    ) -> Result<(), PublishError>
    where
        S: ToSubject,
        R: ToSubject,
    {
        let message = OutboundMessage {
            subject: subject.to_subject(),
            reply: Some(reply.to_subject()),
            payload,
            headers: None,
        };
        self.publish_message(message).await
    }

    async fn publish_message(&self, message: OutboundMessage) -> Result<(), PublishError> {
        let sent = self.commands.send(Command::Publish(message)).await;
        sent.map_err(|_| PublishError::new(PublishErrorKind::Send))
    }
}

impl Sink<OutboundMessage> for Client {
    type Error = PublishError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PublishError>> {
        self.sink.poll_ready_unpin(cx).map_err(failed)
    }

    fn start_send(mut self: Pin<&mut Self>, message: OutboundMessage) -> Result<(), PublishError> {
        let sent = self.sink.start_send_unpin(Command::Publish(message));
        sent.map_err(failed)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PublishError>> {
        self.sink.poll_flush_unpin(cx).map_err(failed)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PublishError>> {
        self.sink.poll_close_unpin(cx).map_err(failed)
    }
}

fn failed<E>(_: E) -> PublishError {
    PublishError::new(PublishErrorKind::Send)
}

/// The client's end of a subscription.
pub struct Subscriber {
    id: u64,
    messages: mpsc::Receiver<Message>,
    commands: mpsc::Sender<Command>,
}

impl Subscriber {
    pub(crate) async fn unsubscribe(&mut self) -> io::Result<()> {
        self.end(None).await?;
        self.messages.close();
        Ok(())
    }

    #[allow(clippy::needless_pass_by_ref_mut, reason = "as async-nats has it")]
    pub(crate) async fn unsubscribe_after(&mut self, messages: u64) -> io::Result<()> {
        self.end(Some(messages)).await
    }

    async fn end(&self, after: Option<u64>) -> io::Result<()> {
        let end = Command::Unsubscribe { id: self.id, after };
        let sent = self.commands.send(end).await;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.messages.close();
        let end = Command::Unsubscribe {
            id: self.id,
            after: None,
        };
        let _ = self.commands.try_send(end);
    }
}

impl Stream for Subscriber {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.poll_recv(cx)
    }
}
