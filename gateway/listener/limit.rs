//! The bounds on open connections, in all and from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Config;
use crate::metrics::{Metrics, Refusal, Share};

/// The slots that connections take.
pub(super) struct Limit {
    slots: Arc<Semaphore>,
    addresses: Addresses,
    metrics: Metrics,
    /// Refused since the last connection that was not.
    refused: Option<Refusal>,
}

/// What an open connection holds.
pub(super) struct Slot {
    _slot: OwnedSemaphorePermit,
    _address: OfAddress,
    _counted: Share,
}

impl Limit {
    pub(super) fn new(config: &Config, metrics: Metrics) -> Self {
        let slots = usize::try_from(config.max_connections).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            addresses: Addresses {
                most: config.max_connections_per_address,
                open: Arc::default(),
            },
            metrics,
            refused: None,
        }
    }

    /// A slot, if one is free. Logs once each time a limit is reached, not for each connection
    /// refused: whoever connects in a loop would fill the log.
    pub(super) fn take(&mut self, address: IpAddr) -> Option<Slot> {
        let taken = self.try_take(address);
        if let Err(refusal) = &taken {
            self.metrics.listener.connection_refused(*refusal);
            if self.refused != Some(*refusal) {
                tracing::warn!(%address, reason = ?refusal, "a limit is reached, refusing connections");
            }
        }
        self.refused = taken.as_ref().err().copied();
        taken.ok()
    }

    fn try_take(&self, address: IpAddr) -> Result<Slot, Refusal> {
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        Ok(Slot {
            _slot: slot.map_err(|_| Refusal::Full)?,
            _address: self.addresses.take(address).ok_or(Refusal::AddressFull)?,
            _counted: self.metrics.listener.connection_opened(),
        })
    }
}

/// How many connections are open from each address.
struct Addresses {
    most: u32,
    open: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl Addresses {
    fn take(&self, address: IpAddr) -> Option<OfAddress> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(OfAddress {
            address,
            open: self.open.clone(),
        })
    }
}

/// One connection of an address.
struct OfAddress {
    address: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl Drop for OfAddress {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
