//! What the caller gets with each delivery of a session: its number, its token, its deadline.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::terms::Terms;
use crate::convert::received::{Labels, received};
use crate::nats::pull::Delivery;
use crate::proto::{PayloadFormat, ReceivedMessage};
use crate::token::{AckToken, Route};

/// What a delivery takes in a response beyond what JetStream counts: token, names, times and numbers.
pub(super) const OVERHEAD: u64 = 320;

/// Labels the deliveries of one session.
pub(super) struct Labeller {
    account: u32,
    route: Route,
    delivered: u64,
}

impl Labeller {
    pub(super) fn new(account: u32, route: Route) -> Self {
        Self {
            account,
            route,
            delivered: 0,
        }
    }

    /// The message for the caller. `Fetch` has no session and numbers nothing.
    pub(super) fn label(
        &mut self,
        delivery: Delivery,
        terms: &Terms,
        format: PayloadFormat,
    ) -> ReceivedMessage {
        self.delivered += 1;
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
        let deadline = SystemTime::now() + terms.lease(delivery.ack.delivered);
        let token = AckToken {
            subject: delivery.ack.clone(),
            account: self.account,
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
