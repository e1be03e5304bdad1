//! Pulls: what they ask for, and how they end.

use std::time::Duration;

use async_nats::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::Consumer;
use crate::simulation::jetstream::{Out, Turn};

/// A pull that waits.
pub(super) struct Pull {
    pub(super) reply: String,
    pub(super) messages: u64,
    pub(super) bytes: Option<u64>,
    pub(super) no_wait: bool,
    pub(super) has_had: bool,
    pub(super) expires: Instant,
    pub(super) heartbeat: Option<Duration>,
    pub(super) beats: Instant,
}

impl Consumer {
    pub(in crate::simulation::jetstream) fn pull(
        &mut self,
        now: Instant,
        reply: &str,
        request: &Bytes,
    ) {
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let time = |name: &str| {
            let time = request[name].as_u64().filter(|time| *time > 0);
            time.map(Duration::from_nanos)
        };
        let no_wait = request["no_wait"] == true;
        let far = Duration::from_secs(3_600);
        let heartbeat = time("idle_heartbeat");
        self.pulls.push_back(Pull {
            reply: reply.to_owned(),
            messages: request["batch"].as_u64().unwrap_or(1),
            bytes: request["max_bytes"].as_u64(),
            no_wait,
            has_had: false,
            expires: match no_wait {
                true => now,
                false => now + time("expires").unwrap_or(far),
            },
            heartbeat,
            beats: now + heartbeat.unwrap_or(far),
        });
    }

    /// Ends the pulls whose time is up, and says that others live.
    pub(super) fn end_pulls(&mut self, turn: &mut Turn<'_>) {
        let (last, delivered) = (self.next - 1, self.delivered);
        let agreeing = &mut self.agreeing;
        self.pulls.retain_mut(|pull| {
            if pull.expires <= turn.now {
                match pull.no_wait && !pull.has_had {
                    true => turn
                        .out
                        .push(Out::status(&pull.reply, status(404), "No Messages")),
                    // It waits for the last messages.
                    false => agreeing.push(turn.now, pull.ended(408, "Request Timeout")),
                }
                return false;
            }
            if pull.beats <= turn.now {
                let mut beat = Out::status(&pull.reply, status(100), "Idle Heartbeat");
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Last-Consumer", delivered.to_string());
                headers.insert("Nats-Last-Stream", last.to_string());
                beat.message.headers = Some(headers);
                turn.out.push(beat);
                pull.beats = turn.now + pull.heartbeat.unwrap_or(Duration::from_secs(3_600));
            }
            true
        });
    }
}

impl Pull {
    /// The end of the pull, with what it did not bring.
    pub(super) fn ended(&self, code: u16, text: &str) -> Out {
        let mut end = Out::status(&self.reply, status(code), text);
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Pending-Messages", self.messages.to_string());
        let bytes = self.bytes.unwrap_or_default();
        headers.insert("Nats-Pending-Bytes", bytes.to_string());
        end.message.headers = Some(headers);
        end
    }
}

pub(super) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or_default()
}
