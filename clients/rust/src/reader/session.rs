//! The task of a reader: one session after the other, each behind the last message received.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::Batch;
use crate::client::Client;
use crate::consumer::{Line, open_line};
use crate::delivery::Source;
use crate::error::Error;
use crate::publisher::{HEARTBEAT, SILENCE, interval};
use crate::sync::lock;
use crate::v1::consume_request::Frame;
use crate::v1::{self, ConsumeRequest, DrainingReason, Gap};
use crate::wire::{ConsumeFrame, ConsumeResponse, ReceivedMessage};

/// What the task works with.
pub(super) struct Reading {
    pub(super) client: Client,
    pub(super) open: v1::ConsumeOpen,
    /// What was read already behind the first token.
    pub(super) skip: u64,
    pub(super) batches: mpsc::Sender<Batch>,
    pub(super) gaps: Arc<Mutex<Vec<Gap>>>,
}

/// How a session ended.
enum End {
    /// There is nothing more, or nobody reads.
    Over,
    /// The gateway ends it: another one takes it on.
    Draining,
}

impl Reading {
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let mut backoff = self.client.backoff();
        loop {
            let opened = open_line(self.client.clone(), self.open.clone()).await;
            let ended = match opened {
                Ok(line) => {
                    backoff.reset();
                    self.serve(line).await
                }
                Err(error) => Err(error),
            };
            match ended {
                Ok(End::Over) => return Ok(()),
                Ok(End::Draining) => {}
                Err(error) if error.is_for_good() => return Err(error),
                Err(error) => sleep(backoff.next(Some(&error))).await,
            }
        }
    }

    async fn serve(&mut self, line: Line) -> Result<End, Error> {
        let Line {
            sender,
            mut answers,
            opened,
            served,
        } = line;
        let ping_every = interval(opened.ping_within, 4 * HEARTBEAT) / 3;
        let source = Arc::new(Source {
            stream: opened.stream,
            consumer: opened.consumer,
        });
        if self.open.resume_token.is_empty() {
            self.open.resume_token = opened.resume_token;
        }
        let (mut heard, mut ping_at) = (Instant::now(), Instant::now() + ping_every);
        if !self
            .hand_over(Vec::new(), self.open.resume_token.clone(), &source)
            .await
        {
            return Ok(End::Over);
        }
        loop {
            let answer = tokio::select! {
                answer = answers.message() => answer?,
                () = sleep_until(ping_at.min(heard + SILENCE)) => {
                    let now = Instant::now();
                    if now >= heard + SILENCE {
                        return Err(Error::unavailable("the gateway is silent"));
                    }
                    ping_at = now + ping_every;
                    // The answers say why it cannot be sent, if so.
                    let _ = sender.try_send(ConsumeRequest { frame: Some(Frame::Ping(v1::Ping::default())) });
                    continue;
                }
            };
            let Some(ConsumeResponse { frame }) = answer else {
                return Ok(End::Over);
            };
            let (messages, token) = match frame {
                Some(ConsumeFrame::Messages(batch)) => (batch.messages, batch.resume_token),
                Some(ConsumeFrame::Heartbeat(heartbeat)) => (Vec::new(), heartbeat.resume_token),
                Some(ConsumeFrame::Gap(gap)) => {
                    self.note(gap);
                    (Vec::new(), String::new())
                }
                Some(ConsumeFrame::Draining(draining)) => {
                    if draining.reason() == DrainingReason::Shutdown {
                        self.client.connection().rest(served);
                    }
                    if !draining.resume_token.is_empty() {
                        self.open.resume_token = draining.resume_token;
                    }
                    return Ok(End::Draining);
                }
                _ => (Vec::new(), String::new()),
            };
            if !token.is_empty() {
                self.open.resume_token.clone_from(&token);
                let pinging = ping(&sender, ping_every);
                // While the reader does not read, nothing is heard of the gateway, and that is no fault.
                let is_read = tokio::select! {
                    is_read = self.hand_over(messages, token, &source) => is_read,
                    () = pinging => false,
                };
                if !is_read {
                    return Ok(End::Over);
                }
            }
            heard = Instant::now();
        }
    }

    /// False where nobody reads any more.
    async fn hand_over(
        &mut self,
        mut messages: Vec<ReceivedMessage>,
        mut token: String,
        source: &Arc<Source>,
    ) -> bool {
        messages.retain(|message| message.stream_sequence > self.skip);
        if messages.is_empty() && self.skip > 0 {
            // The reader's own position is behind what this token resumes at.
            token.clear();
        } else {
            self.skip = 0;
        }
        let source = Arc::clone(source);
        self.batches
            .send(Batch {
                messages,
                token,
                source,
            })
            .await
            .is_ok()
    }

    fn note(&mut self, gap: Gap) {
        if gap.stream_recreated {
            self.skip = 0;
        }
        lock(&self.gaps).push(gap);
    }
}

/// Says again and again that the caller lives.
async fn ping(sender: &mpsc::Sender<ConsumeRequest>, every: Duration) {
    loop {
        sleep(every).await;
        let _ = sender.try_send(ConsumeRequest {
            frame: Some(Frame::Ping(v1::Ping::default())),
        });
    }
}
