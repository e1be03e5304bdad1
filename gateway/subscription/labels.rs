//! What the caller gets with each delivery of a session: its number, its token, its deadline.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::terms::Terms;
use crate::clock;
use crate::convert::received::{Labels, received};
use crate::nats::Account;
use crate::nats::pull::Delivery;
use crate::proto::{PayloadFormat, ReceivedMessage};
use crate::token::{AckToken, Route};
use crate::traces::Trace;

/// What a delivery takes in a response for token, times and numbers, beside its names.
const OVERHEAD: usize = 240;

/// What a header takes beside its name and value.
const HEADER_OVERHEAD: usize = 10;

/// The least that a delivery takes in a response.
pub(super) const LIGHTEST: u64 = OVERHEAD as u64;

/// No less than a delivery takes in a response: its names stand there themselves and in the token.
pub(super) fn weight(delivery: &Delivery) -> u64 {
    let headers = delivery.headers.iter();
    let headers: usize = headers
        .map(|(name, value)| name.len() + value.len() + HEADER_OVERHEAD)
        .sum();
    let origin = &delivery.ack.origin;
    let names = origin.stream().len() + origin.consumer().len();
    let size = OVERHEAD + delivery.subject.len() + 3 * names + headers + delivery.payload.len();
    size as u64
}

/// What time it is, by both clocks: looked at once for all that is labelled together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The clock that leases are kept by.
    pub(super) steady: Instant,
    wall: SystemTime,
}

impl Now {
    /// Looks.
    pub(super) fn read() -> Self {
        Self {
            steady: Instant::now(),
            wall: clock::now(),
        }
    }

    /// How the other clock shows a moment to come; the past is now.
    fn shown(self, moment: Instant) -> SystemTime {
        self.wall + moment.saturating_duration_since(self.steady)
    }
}

/// Labels the deliveries of one session.
pub(super) struct Labeller {
    account: Account,
    route: Route,
    delivered: u64,
    trace: Trace,
}

impl Labeller {
    pub(super) fn new(account: Account, route: Route, trace: Trace) -> Self {
        Self {
            account,
            route,
            delivered: 0,
            trace,
        }
    }

    /// A fingerprint of the NATS account.
    pub(super) fn account(&self) -> u32 {
        self.account.fingerprint()
    }

    /// The number of the last delivery.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether a token with this fingerprint is one of the account.
    pub(super) fn is_account(&self, account: u32) -> bool {
        self.account.is(account)
    }

    /// A token that brings what is said of its delivery to this session.
    pub(super) fn readdress(&self, token: &AckToken) -> AckToken {
        AckToken {
            route: self.route,
            ..token.clone()
        }
    }

    /// The message for the caller. `Fetch` has no session and numbers nothing.
    pub(super) fn label(
        &mut self,
        delivery: Delivery,
        (arrival, now): (Instant, Now),
        terms: &Terms,
        format: PayloadFormat,
    ) -> ReceivedMessage {
        self.delivered += 1;
        self.trace
            .delivers(&delivery, now.steady.saturating_duration_since(arrival));
        let delivery_id = if self.route.session == 0 {
            0
        } else {
            self.delivered
        };
        if !terms.has_acks() {
            let labels = Labels {
                delivery_id,
                ack_token: String::new(),
                deadline: None,
            };
            return received(delivery, labels, format);
        }
        let deadline = now.shown(arrival + terms.lease(delivery.ack.delivered));
        let token = AckToken {
            subject: delivery.ack.clone(),
            account: self.account.fingerprint(),
            incarnation: terms.incarnation,
            deadline: milliseconds(deadline),
            route: self.route,
        };
        let labels = Labels {
            delivery_id,
            ack_token: token.encode(),
            deadline: Some(deadline),
        };
        received(delivery, labels, format)
    }
}

/// A time as tokens hold it.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::token::{AckSubject, Origin};
    use bytes::Bytes;
    use prost::Message as _;

    #[test]
    fn a_weight_is_never_too_small() {
        let name = "n".repeat(255);
        for (name, headers, payload) in [("S", 0, 0), ("S", 200, 10), (&name, 3, 100_000)] {
            let header = || ("a".to_owned(), Bytes::from_static(b"b"));
            let delivery = Delivery {
                ack: AckSubject {
                    origin: Arc::new(Origin::new(name, name)),
                    delivered: u64::MAX,
                    stream_sequence: u64::MAX,
                    consumer_sequence: u64::MAX,
                    timestamp: u64::MAX / 2,
                    pending: u64::MAX,
                },
                subject: "users.login".to_owned(),
                headers: std::iter::repeat_with(header).take(headers).collect(),
                payload: Bytes::from(vec![0; payload]),
                size: 0,
            };
            let weight = weight(&delivery);
            let mut labeller = Labeller::new(
                Account::of_gateway(u32::MAX, false),
                Route {
                    gateway: u64::MAX,
                    session: u64::MAX,
                },
                Trace::default(),
            );
            let terms = Terms::example();
            let now = Now::read();
            let times = (now.steady, now);
            let message = labeller.label(delivery, times, &terms, PayloadFormat::Bytes);
            assert!(
                weight >= message.encoded_len() as u64,
                "{weight} {}",
                message.encoded_len()
            );
        }
    }
}
