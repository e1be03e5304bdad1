//! A publisher's place on a connection: messages out, answers in, and on to the next link when it
//! ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_nats::client::PublishErrorKind;
use async_nats::message::OutboundMessage;
use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::link::Link;
use super::supervisor::Connection;
use super::wire::{Client, Subscriber};

/// Where messages are sent and answered.
pub(super) struct Outlet {
    connection: Connection,
    state: State,
}

enum State {
    Attaching(Pin<Box<dyn Future<Output = Option<Attached>> + Send>>),
    Attached(Box<Attached>),
}

/// A link with an inbox on it.
struct Attached {
    link: Arc<Link>,
    sink: Client,
    inbox: String,
    replies: Subscriber,
    denied: BroadcastStream<Arc<str>>,
    lost: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// What comes back.
pub(super) enum Answer {
    Reply(Message),
    /// The NATS user may not publish to this subject.
    Denied(Arc<str>),
    /// The link is lost, and every answer with it.
    Lost,
}

/// What became of a message that was to be sent.
pub(super) enum Sending {
    Sent,
    NotSent,
    TooLarge,
}

impl Outlet {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            state: State::attaching(&connection),
            connection,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.inbox().is_some()
    }

    /// The subject below which the present link is answered; `None` while there is no link.
    pub(super) fn inbox(&self) -> Option<&str> {
        match &self.state {
            State::Attached(attached) => Some(&attached.inbox),
            State::Attaching(_) => None,
        }
    }

    /// What has come back.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        loop {
            let attached = match &mut self.state {
                State::Attached(attached) => attached,
                State::Attaching(attaching) => {
                    self.state = match ready!(attaching.as_mut().poll(cx)) {
                        Some(attached) => State::Attached(Box::new(attached)),
                        None => State::attaching(&self.connection),
                    };
                    continue;
                }
            };
            match attached.poll(cx) {
                Poll::Ready(Some(answer)) => return Poll::Ready(answer),
                Poll::Ready(None) => {
                    self.state = State::attaching(&self.connection);
                    return Poll::Ready(Answer::Lost);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Goes over to the next link where the server asked for that; true when it has. The old one is
    /// kept while messages on it are `open`: their answers come there.
    pub(super) fn move_on(&mut self, open: bool) -> bool {
        let moves = !open && self.is_retiring();
        if moves {
            self.state = State::attaching(&self.connection);
        }
        moves
    }

    /// Whether the next link is there already: nothing more shall be sent on this one.
    pub(super) fn is_retiring(&self) -> bool {
        let State::Attached(attached) = &self.state else {
            return false;
        };
        attached.link.retiring().is_cancelled()
            && self
                .connection
                .link()
                .is_some_and(|next| !Arc::ptr_eq(&next, &attached.link))
    }

    /// Whether the connection takes a message now.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Attached(attached) => match ready!(attached.sink.poll_ready_unpin(cx)) {
                Ok(()) => Poll::Ready(()),
                // The link is about to be lost.
                Err(_) => Poll::Pending,
            },
            State::Attaching(_) => Poll::Pending,
        }
    }

    /// Sends a message that is answered at `reply`, once the connection is ready for it.
    pub(super) fn send(
        &mut self,
        subject: Subject,
        reply: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Sending {
        let State::Attached(attached) = &mut self.state else {
            return Sending::NotSent;
        };
        let sending = attached.sink.start_send_unpin(OutboundMessage {
            subject,
            reply: Some(reply.into()),
            payload,
            headers,
        });
        match sending {
            Ok(()) => Sending::Sent,
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => Sending::TooLarge,
            Err(_) => Sending::NotSent,
        }
    }
}

impl State {
    fn attaching(connection: &Connection) -> Self {
        let connection = connection.clone();
        Self::Attaching(Box::pin(async move {
            let link = connection.wait_forever().await;
            let inbox = link.new_inbox();
            let replies = link.subscribe(format!("{inbox}.>")).await.ok()?;
            Some(Attached {
                sink: link.sink(),
                inbox,
                replies,
                denied: BroadcastStream::new(link.denied()),
                lost: Box::pin(link.lost().clone().cancelled_owned()),
                link,
            })
        }))
    }
}

impl Attached {
    /// `None` when the link is lost. What arrived before that comes first.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        if let Poll::Ready(reply) = self.replies.poll_next_unpin(cx) {
            return Poll::Ready(reply.map(Answer::Reply));
        }
        while let Poll::Ready(Some(denied)) = self.denied.poll_next_unpin(cx) {
            // Those that were missed are most likely the same again.
            if let Ok(subject) = denied {
                return Poll::Ready(Some(Answer::Denied(subject)));
            }
        }
        self.lost.as_mut().poll(cx).map(|()| None)
    }
}
