//! The bounds on open connections, in all and from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::network;
use crate::metrics::Refusal;

/// The slots that connections take. Clones share them.
#[derive(Clone)]
pub(crate) struct Limit {
    slots: Arc<Semaphore>,
    addresses: Addresses,
}

/// What an open connection holds.
pub(crate) struct Slot {
    _slot: OwnedSemaphorePermit,
    address: Option<OfAddress>,
}

impl Limit {
    pub(crate) fn new(most: u32, most_per_address: u32) -> Self {
        let slots = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            addresses: Addresses {
                most: most_per_address,
                open: Arc::default(),
            },
        }
    }

    /// A slot, if one is free; one of the address as well, where it is known.
    pub(crate) fn take(&self, address: Option<IpAddr>) -> Result<Slot, Refusal> {
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        let slot = slot.map_err(|_| Refusal::Full)?;
        let address = address.map(|address| self.addresses.take(address));
        Ok(Slot {
            _slot: slot,
            address: address.transpose()?,
        })
    }

    /// Takes a slot of the address as well, which was not known before.
    pub(super) fn take_address(&self, slot: &mut Slot, address: IpAddr) -> Result<(), Refusal> {
        slot.address = Some(self.addresses.take(address)?);
        Ok(())
    }
}

/// How many connections are open from each address.
#[derive(Clone)]
struct Addresses {
    most: u32,
    open: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl Addresses {
    fn take(&self, address: IpAddr) -> Result<OfAddress, Refusal> {
        let address = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return Err(Refusal::AddressFull);
        }
        *count += 1;
        Ok(OfAddress {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let limit = Limit::new(10, 1);
        let take = |address: &str| limit.take(Some(address.parse().unwrap()));

        let first = take("2001:db8:1:2::1");
        assert!(first.is_ok());
        assert!(matches!(take("2001:db8:1:2::2"), Err(Refusal::AddressFull)));
        assert!(take("2001:db8:1:3::1").is_ok());

        drop(first);
        assert!(take("2001:db8:1:2::2").is_ok());
    }
}
