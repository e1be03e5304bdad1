//! The open batch: what it is sent, and when it ends.

use std::task::{Context, Poll};

use super::answer::Operation;
use super::queue::State;
use super::running::Running;
use super::{FastIngest, Phase};
use crate::error::Reason;
use crate::nats::RequestError;
use crate::nats::error::from_request;
use crate::nats::outlet::Sending;

impl FastIngest {
    /// Goes on with the open batch.
    pub(super) fn run(&mut self, cx: &mut Context<'_>) -> bool {
        let Phase::Open(mut running) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return false;
        };
        running.settle(&mut self.queue);
        self.flow = running.flow();
        if self.is_deserted(&mut running, cx) {
            running.lose();
        }
        if running.is_over() {
            self.conclude(&running);
            return true;
        }
        let done = self.transmit(&mut running, cx);
        if done.is_ready() && running.is_unused() {
            // There is nothing that it could carry.
            return true;
        }
        let is_over = running.is_over();
        self.phase = Phase::Open(running);
        is_over
    }

    /// Whether the stream of a batch is gone: then no leader will say what it has.
    fn is_deserted(&mut self, running: &mut Running, cx: &mut Context<'_>) -> bool {
        if running.take_deserted() && self.looking.is_none() {
            let (nats, name) = (self.nats.clone(), self.name.clone());
            self.looking = Some(Box::pin(async move {
                nats.forget_stream(&name);
                let found = nats.recent_stream(&name).await;
                found.is_err_and(|error| error.reason() == Reason::StreamNotFound)
            }));
        }
        let looking = self.looking.as_mut().map(|it| it.as_mut().poll(cx));
        let Some(Poll::Ready(gone)) = looking else {
            return false;
        };
        self.looking = None;
        gone
    }

    /// Hands over to the connection what the batch has room for.
    fn transmit(&mut self, running: &mut Running, cx: &mut Context<'_>) -> Poll<()> {
        let crowded = self.turns.is_contended();
        let wraps_up = self.outlet.is_retiring();
        while let Some(place) = running.next(crowded) {
            let Some(entry) = self.queue.get(place) else {
                break;
            };
            if wraps_up || self.goes_alone(entry) {
                running.finish();
                break;
            }
            std::task::ready!(self.outlet.poll_ready(cx));
            let follows = self
                .queue
                .get(place + 1)
                .is_some_and(|next| !self.goes_alone(next));
            let operation = running.operation(!follows);
            if operation == Operation::Commit && self.lingers(cx) {
                return Poll::Pending;
            }
            match running.send(&mut self.outlet, &mut self.queue, place, operation) {
                Sending::Sent => {}
                Sending::TooLarge => {
                    running.finish();
                    self.refuse_size(place);
                    break;
                }
                // The connection is gone, which is told in a moment.
                Sending::NotSent => break,
            }
        }
        let has_more = self.queue.get(running.place()).is_some();
        if let Some(operation) = running.question(has_more, crowded) {
            if operation == Operation::End && !has_more && self.lingers(cx) {
                return Poll::Pending;
            }
            if self.outlet.poll_ready(cx).is_pending() {
                running.postpone();
                return Poll::Pending;
            }
            running.ask(&mut self.outlet, operation);
        }
        Poll::Ready(())
    }

    fn refuse_size(&mut self, place: usize) {
        if let Some(entry) = self.queue.get_mut(place) {
            let refusal = from_request(RequestError::TooLarge, "publish to this subject");
            let checked = self.nats.check_size(&entry.message);
            entry.state = State::Settled(Err(checked.err().unwrap_or(refusal)));
        }
    }

    /// Lets others run once before a batch ends as the messages have run out: they may bring more.
    fn lingers(&mut self, cx: &Context<'_>) -> bool {
        let first = !std::mem::replace(&mut self.ran_out, true);
        if first {
            cx.waker().wake_by_ref();
        }
        first
    }
}
