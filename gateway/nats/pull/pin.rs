//! The pin of a client in a priority group (ADR-42): an id that JetStream gives with its messages, and
//! wants back with every further pull.

use std::sync::{Arc, Mutex, PoisonError};

/// JetStream's header for the id.
pub(super) const HEADER: &str = "Nats-Pin-Id";

/// A client's pin. It outlives connections; clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub struct Pin(Arc<Mutex<Option<Arc<str>>>>);

impl Pin {
    /// A pin that a client got before; empty is none.
    pub fn new(id: &str) -> Self {
        let pin = Self::default();
        if !id.is_empty() {
            pin.learn(id);
        }
        pin
    }

    /// The id; `None` while another client is pinned, or nobody.
    pub fn id(&self) -> Option<Arc<str>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A message came with this id.
    pub(super) fn learn(&self, id: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != Some(id) {
            *known = Some(id.into());
        }
    }

    /// A pull that was sent with `sent` was refused. One that was sent with an earlier id says nothing of
    /// the present one.
    pub(super) fn refused(&self, sent: Option<&str>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.is_none() || known.as_deref() == sent {
            *known = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_the_pin_that_it_refuses() {
        let pin = Pin::new("a");
        pin.learn("b");
        pin.refused(Some("a"));
        assert_eq!(pin.id().as_deref(), Some("b"));

        pin.refused(Some("b"));
        assert_eq!(pin.id(), None);
        assert_eq!(Pin::new("").id(), None);
    }
}
