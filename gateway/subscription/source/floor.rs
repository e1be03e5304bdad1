//! Up to where everything that a consumer of one session delivered is settled: pure book-keeping, from
//! which a consumer that is lost can be made anew.

use std::collections::BTreeSet;

/// More unsettled messages than this are not told apart.
const CAPACITY: usize = 65_536;

/// What is settled of the messages of one consumer.
#[derive(Clone, Debug, Default)]
pub(super) struct Floor {
    /// Everything up to here is settled, by JetStream's word.
    settled: u64,
    /// The last message delivered.
    last: u64,
    /// Delivered and not settled.
    open: BTreeSet<u64>,
    /// Those of them that will not come again.
    last_chances: BTreeSet<u64>,
    /// From here on what is open is not known.
    unknown: Option<u64>,
}

impl Floor {
    /// Nothing is delivered behind `settled`.
    pub(super) fn new(settled: u64) -> Self {
        Self {
            settled,
            ..Self::default()
        }
    }

    /// A consumer that exists has delivered up to `last`, and which of that is open is not known.
    pub(super) fn adopt(&mut self, ack_floor: u64, last: u64) {
        self.last = self.last.max(last);
        self.unknown = (last > ack_floor).then_some(ack_floor + 1);
        self.settle_through(ack_floor);
    }

    /// Takes note of a delivery, which may be the last of its message.
    pub(super) fn deliver(&mut self, sequence: u64, is_last_chance: bool) {
        self.last = self.last.max(sequence);
        if sequence <= self.settled {
            return;
        }
        if self.open.len() < CAPACITY {
            self.open.insert(sequence);
            if is_last_chance {
                self.last_chances.insert(sequence);
            }
        } else {
            self.unknown = Some(self.unknown.map_or(sequence, |it| it.min(sequence)));
        }
    }

    /// Takes note of a delivery that needs no acknowledgement.
    pub(super) fn pass(&mut self, sequence: u64) {
        self.last = self.last.max(sequence);
    }

    /// Takes note that a message is settled.
    pub(super) fn settle(&mut self, sequence: u64) {
        self.open.remove(&sequence);
        self.last_chances.remove(&sequence);
    }

    /// Takes note that everything up to a sequence is settled.
    pub(super) fn settle_through(&mut self, sequence: u64) {
        self.settled = self.settled.max(sequence);
        let first_left = sequence.saturating_add(1);
        self.open = self.open.split_off(&first_left);
        self.last_chances = self.last_chances.split_off(&first_left);
        if self.unknown.is_some_and(|unknown| unknown <= sequence) {
            self.unknown = (self.last > sequence).then_some(sequence + 1);
        }
    }

    /// Everything up to here is settled.
    pub(super) fn sequence(&self) -> u64 {
        let open = self.open.first().copied().into_iter().chain(self.unknown);
        match open.min() {
            Some(first) => first.saturating_sub(1).max(self.settled),
            None => self.last.max(self.settled),
        }
    }

    /// Whether something that was delivered may come again.
    pub(super) fn is_open(&self) -> bool {
        self.open.len() > self.last_chances.len() || self.unknown.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Deliver(u64, bool),
        Settle(u64),
        SettleThrough(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (1..40_u64, any::<bool>()).prop_map(|(it, last)| Step::Deliver(it, last)),
            3 => (1..40_u64).prop_map(Step::Settle),
            1 => (1..40_u64).prop_map(Step::SettleThrough),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        /// What is open lies behind the floor, whatever happens; and it is the highest such floor.
        #[test]
        fn nothing_open_lies_below(steps in steps()) {
            let mut floor = Floor::new(0);
            let mut open = BTreeMap::new();
            let (mut last, mut settled) = (0, 0);
            for step in steps {
                match step {
                    Step::Deliver(sequence, is_last) => {
                        floor.deliver(sequence, is_last);
                        last = last.max(sequence);
                        if sequence > settled {
                            *open.entry(sequence).or_default() |= is_last;
                        }
                    }
                    Step::Settle(sequence) => {
                        floor.settle(sequence);
                        open.remove(&sequence);
                    }
                    Step::SettleThrough(sequence) => {
                        floor.settle_through(sequence);
                        settled = settled.max(sequence);
                        open.retain(|it, _| *it > sequence);
                    }
                }
                let first = open.first_key_value();
                let expected = first.map_or(last, |(first, _)| first - 1).max(settled);
                prop_assert_eq!(floor.sequence(), expected);
                prop_assert_eq!(floor.is_open(), open.values().any(|is_last: &bool| !is_last));
            }
        }
    }

    #[test]
    fn what_is_too_much_to_know_keeps_the_floor() {
        let mut floor = Floor::new(0);
        let more = CAPACITY as u64 + 10;
        (1..=more).for_each(|sequence| floor.deliver(sequence, false));
        (1..=more).for_each(|sequence| floor.settle(sequence));
        assert_eq!(floor.sequence(), CAPACITY as u64);
        assert!(floor.is_open());

        floor.settle_through(more);
        assert_eq!(floor.sequence(), more);
        assert!(!floor.is_open());
    }
}
