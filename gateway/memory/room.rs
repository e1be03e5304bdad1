//! The room of a session's deliveries, from the pull that asks for them until its caller's connection has taken them.
//!
//! A session never waits for room: what a pull may bring is made as small as there is room, down to its own little.
//! Beyond that it takes an eighth of what is free at most, so that there is some for the next. Those whose consumers
//! have nothing waiting take no more than half of the budget all together, as their pulls stay open for long.

use std::sync::atomic::Ordering;

use super::{Budget, Hold, LEFT, OVERHEAD, OWN, PIECE, UNIT};
use crate::metrics::MemoryKind;

/// How much of what is free a session takes at most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Appetite {
    /// Messages wait.
    Large,
    /// None does, as far as is known.
    Small,
}

/// What one session holds.
#[derive(Debug)]
pub struct Room {
    budget: Budget,
    held: Hold,
}

impl Room {
    pub(super) fn of(budget: Budget) -> Self {
        budget.0.rooms.fetch_add(1, Ordering::Relaxed);
        let held = budget.nothing(MemoryKind::Deliveries);
        Self { budget, held }
    }

    /// The bytes that the session may hold.
    pub fn allowance(&self) -> u64 {
        OWN + self.held.units() * UNIT
    }

    /// The bytes that it could hold now if it asked for them.
    pub fn prospect(&self, appetite: Appetite) -> u64 {
        self.allowance() + self.part(appetite) * UNIT
    }

    /// Takes room for this many bytes in all, as far as there is; how many the session may hold now.
    pub fn grow(&mut self, bytes: u64, appetite: Appetite) -> u64 {
        let missing = units(bytes).saturating_sub(self.held.units());
        let wanted = missing.min(self.part(appetite));
        if wanted < missing {
            self.held.is_short();
        }
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        if wanted > 0
            && let Ok(permit) = self.budget.0.units.clone().try_acquire_many_owned(wanted)
        {
            self.held.add(permit);
        }
        self.allowance()
    }

    /// Gives back what is not needed for these bytes, once that is worth it.
    pub fn fit(&mut self, bytes: u64) {
        let needed = units(bytes);
        let surplus = self.held.units().saturating_sub(needed);
        if surplus >= PIECE / UNIT || (surplus > 0 && bytes == 0) {
            self.held.shrink(needed);
        }
    }

    /// Parts with the room of these bytes, which go on without the session.
    pub fn part_with(&mut self, bytes: u64) -> Hold {
        self.held.split(bytes.div_ceil(UNIT))
    }

    /// How many units of those that are free the session would take.
    fn part(&self, appetite: Appetite) -> u64 {
        let left = self.budget.0.most / LEFT;
        let most = self.budget.free().saturating_sub(left) / 8;
        match appetite {
            Appetite::Large => most,
            Appetite::Small => {
                let rooms = self.budget.0.rooms.load(Ordering::Relaxed).max(1);
                most.min(self.budget.0.most / 2 / rooms)
            }
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.budget.0.rooms.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many messages and bytes to ask for, of those that are wanted, where these fit into so many bytes of memory.
pub fn portion(memory: u64, messages: u32, bytes: u64) -> (u32, u64) {
    if u64::from(messages) * OVERHEAD + bytes <= memory {
        return (messages, bytes);
    }
    let most = u32::try_from(memory / 2 / OVERHEAD).unwrap_or(u32::MAX);
    let messages = messages.min(most).max(1);
    let rest = memory.saturating_sub(u64::from(messages) * OVERHEAD);
    (messages, bytes.min(rest).max(1))
}

/// What is needed of the budget for these bytes, beyond the session's own.
fn units(bytes: u64) -> u64 {
    bytes.saturating_sub(OWN).div_ceil(UNIT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::ByteSize;
    use crate::metrics::Metrics;

    fn budget(size: ByteSize) -> Budget {
        Budget::new(size, Metrics::new().memory)
    }

    #[test]
    fn a_session_takes_what_it_wants_while_there_is_plenty() {
        let budget = budget(ByteSize::mib(512));
        let mut room = budget.room();
        assert!(room.grow(8 << 20, Appetite::Small) >= 8 << 20);
        room.fit(0);
        assert_eq!(room.allowance(), OWN);
        assert_eq!(budget.free(), budget.0.most);
    }

    #[test]
    fn sessions_that_wait_leave_room_for_those_that_work() {
        let budget = budget(ByteSize::mib(64));
        let rooms = |count| std::iter::repeat_with(|| budget.room()).take(count);
        let mut idle: Vec<Room> = rooms(1).collect();
        idle[0].grow(8 << 20, Appetite::Small);
        idle.extend(rooms(99));
        // Pulls are made anew some time.
        for room in &mut idle {
            room.fit(0);
            room.grow(8 << 20, Appetite::Small);
        }
        assert!(budget.free() >= budget.0.most / 2);
        assert!(idle.iter().all(|it| it.allowance() >= OWN + 256 * 1024));
        for mut room in rooms(8).collect::<Vec<_>>() {
            assert!(room.grow(8 << 20, Appetite::Large) >= 512 << 10);
        }
    }

    #[test]
    fn however_many_stop_with_all_they_could_take_the_next_has_its_own() {
        let budget = budget(ByteSize::mib(64));
        let mut stopped: Vec<Room> = std::iter::repeat_with(|| budget.room()).take(200).collect();
        for room in &mut stopped {
            room.grow(64 << 20, Appetite::Large);
        }
        let mut next = budget.room();
        assert_eq!(next.grow(8 << 20, Appetite::Large), OWN);
        assert!(budget.pieces().reach(budget.0.most / LEFT));
        assert_eq!(portion(OWN, 256, 8 << 20), (64, OWN / 2));
        stopped.remove(0);
        assert!(next.grow(8 << 20, Appetite::Large) > OWN);
    }

    #[test]
    fn what_leaves_with_a_frame_is_free_only_when_the_frame_is_gone() {
        let budget = budget(ByteSize::mib(64));
        let mut room = budget.room();
        room.grow(1 << 20, Appetite::Large);
        let before = budget.free();
        let frame = room.part_with(300_000);
        room.fit(0);
        assert!(budget.free() > before);
        drop(frame);
        assert_eq!(budget.free(), budget.0.most);
    }

    proptest! {
        #[test]
        fn a_portion_fits_and_is_never_nothing(
            memory in OWN / 2..1u64 << 30,
            messages in 1u32..1_000_000,
            bytes in 1u64..1 << 32,
        ) {
            let (some, few) = portion(memory, messages, bytes);
            prop_assert!(some >= 1 && few >= 1 && some <= messages && few <= bytes);
            prop_assert!(u64::from(some) * OVERHEAD + few <= memory);
        }

        /// Whatever is asked for, held, sent and dropped: the room of all is never more than the budget, and all of it
        /// comes back.
        #[test]
        fn nothing_is_taken_twice_and_nothing_is_lost(
            size in 64u64..100_000,
            steps in prop::collection::vec((0usize..4, 0u8..4, 0u64..20_000_000), 1..60),
        ) {
            let budget = budget(ByteSize::kib(size));
            let mut rooms: Vec<Room> = std::iter::repeat_with(|| budget.room()).take(4).collect();
            let mut frames = Vec::new();
            for (which, what, bytes) in steps {
                let room = &mut rooms[which];
                match what {
                    0 => {
                        let may = room.grow(bytes, Appetite::Large);
                        prop_assert!(may >= OWN && may == room.allowance());
                    }
                    1 => {
                        room.fit(bytes);
                        let needed = bytes.max(OWN).div_ceil(UNIT) * UNIT;
                        prop_assert!(room.allowance() < needed + PIECE + UNIT);
                    }
                    2 => frames.push(room.part_with(bytes)),
                    _ => {
                        frames.pop();
                    }
                }
                let held: u64 = rooms.iter().map(|it| it.held.units()).sum();
                let sent: u64 = frames.iter().map(Hold::units).sum();
                let free = budget.free();
                prop_assert_eq!(held + sent + free, budget.0.most);
            }
            drop((rooms, frames));
            prop_assert_eq!(budget.free(), budget.0.most);
        }
    }
}
