//! Room that is taken of a budget, and goes back when it is dropped.

use tokio::sync::OwnedSemaphorePermit;

use super::UNIT;
use crate::metrics::{Memory, MemoryKind};

/// What is held of one budget, in its units.
#[derive(Debug, Default)]
pub struct Hold {
    permit: Option<OwnedSemaphorePermit>,
    /// What it is counted as; `None` where the budget is one of messages.
    kind: Option<(Memory, MemoryKind)>,
    counted: u64,
}

impl Hold {
    /// Nothing yet, for this use of memory.
    pub(super) fn of(metrics: &Memory, kind: MemoryKind) -> Self {
        Self {
            permit: None,
            kind: Some((metrics.clone(), kind)),
            counted: 0,
        }
    }

    /// How many units.
    pub fn units(&self) -> u64 {
        self.permit
            .as_ref()
            .map_or(0, |permit| permit.num_permits() as u64)
    }

    /// Takes these as well; they are of the same budget.
    pub(super) fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        self.count();
    }

    /// Parts with as many units as there are of these.
    pub(super) fn split(&mut self, units: u64) -> Self {
        let units = usize::try_from(units.min(self.units())).unwrap_or(usize::MAX);
        let mut part = Self {
            permit: self.permit.as_mut().and_then(|held| held.split(units)),
            kind: self.kind.clone(),
            counted: 0,
        };
        part.count();
        self.count();
        part
    }

    /// Gives back what is more than these units.
    pub(super) fn shrink(&mut self, units: u64) {
        match units {
            0 => self.permit = None,
            units => drop(self.split(self.units().saturating_sub(units))),
        }
        self.count();
    }

    /// Notes that there was less than is needed.
    pub(super) fn is_short(&self) {
        if let Some((metrics, kind)) = &self.kind {
            metrics.short(*kind);
        }
    }

    fn count(&mut self) {
        let units = self.units();
        if let Some((metrics, kind)) = self.kind.as_ref().filter(|_| units != self.counted) {
            metrics.held(*kind, self.counted * UNIT, units * UNIT);
            self.counted = units;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shrink(0);
    }
}
