//! Room that is taken in pieces and waited for: of a budget of bytes, or of a caller's messages.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Hold;

/// What is held of one budget, and what is waited for.
pub struct Pieces {
    budget: Arc<Semaphore>,
    /// All of it.
    most: u64,
    /// What is taken at a time.
    piece: u64,
    held: Hold,
    /// For the next piece.
    waiting: Option<Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>>,
}

impl Pieces {
    /// Nothing yet of a budget of so many units, to be taken so many at a time.
    pub fn of(budget: Arc<Semaphore>, most: u64, piece: u64, held: Hold) -> Self {
        Self {
            budget,
            most,
            piece,
            held,
            waiting: None,
        }
    }

    /// How many units are held.
    pub fn held(&self) -> u64 {
        self.held.units()
    }

    /// Whether the next piece is waited for.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether as many units are held, or are now. If not, a piece of them is waited for from now on.
    pub fn reach(&mut self, units: u64) -> bool {
        let missing = units.saturating_sub(self.held());
        if missing == 0 {
            return true;
        }
        // What there never is is not waited for: others would wait behind it.
        if self.waiting.is_some() || units > self.most {
            return false;
        }
        let piece = missing.max(self.piece).min(self.most - self.held());
        if self.take(piece) || self.take(missing) {
            return true;
        }
        self.held.is_short();
        let piece = u32::try_from(piece).unwrap_or(u32::MAX);
        let piece = self.budget.clone().acquire_many_owned(piece);
        self.waiting = Some(Box::pin(async move { piece.await.ok() }));
        false
    }

    /// Whether so many more are free, and held now.
    fn take(&mut self, units: u64) -> bool {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let taken = self.budget.clone().try_acquire_many_owned(units);
        taken.map(|piece| self.held.add(piece)).is_ok()
    }

    /// Gives back what is more than these units and the next piece.
    pub fn give_back_beyond(&mut self, units: u64) {
        let enough = units + self.piece;
        if self.held() >= enough + self.piece {
            self.held.shrink(enough);
        }
    }

    /// Waits for the next piece; for ever where none is waited for. Safe to drop.
    pub async fn grown(&mut self) {
        let Some(waiting) = &mut self.waiting else {
            return std::future::pending().await;
        };
        let piece = waiting.await;
        self.waiting = None;
        if let Some(piece) = piece {
            self.held.add(piece);
        }
    }

    /// Gives back everything, and waits for nothing.
    pub fn release(&mut self) {
        self.held.shrink(0);
        self.waiting = None;
    }
}
