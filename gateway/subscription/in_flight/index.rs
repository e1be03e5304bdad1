//! Another order of what is out, by number or by time: entries nearly always come in that order.
//!
//! What is not out any more is left in it until that is most of it, so taking something out costs
//! nothing here; whoever looks something up checks that it is still so.

use std::collections::VecDeque;

use super::Key;

/// Room that is kept although nothing is out.
const KEPT: usize = 64;

/// The order.
#[derive(Debug)]
pub(super) struct Index<T>(VecDeque<(T, Key)>);

impl<T: Copy + Ord> Index<T> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Enters a delivery at its place.
    pub(super) fn insert(&mut self, place: T, key: Key) {
        let entry = (place, key);
        match self.0.back() {
            Some(last) if *last > entry => {
                let place = self.0.partition_point(|other| *other < entry);
                self.0.insert(place, entry);
            }
            _ => self.0.push_back(entry),
        }
    }

    /// The first place, which may be one of something that is not out any more.
    pub(super) fn first(&self) -> Option<T> {
        self.0.front().map(|(place, _)| *place)
    }

    /// Takes out the first entry where its place is at most `last`.
    pub(super) fn pop_through(&mut self, last: T) -> Option<(T, Key)> {
        let (place, _) = self.0.front()?;
        match *place <= last {
            true => self.0.pop_front(),
            false => None,
        }
    }

    /// The entries from one place to another.
    pub(super) fn range(&self, first: T, last: T) -> impl Iterator<Item = (T, Key)> {
        let begin = self.0.partition_point(|(place, _)| *place < first);
        let entries = self.0.range(begin..).copied();
        entries.take_while(move |(place, _)| *place <= last)
    }

    /// Forgets what is not out any more once that is most of it. There are at most `most` that are.
    pub(super) fn tidy(&mut self, most: usize, out: impl Iterator<Item = (T, Key)>) {
        if most == 0 {
            self.0.clear();
            self.0.shrink_to(KEPT);
        } else if self.0.len() > 2 * most + KEPT {
            self.0.clear();
            self.0.extend(out);
            self.0.make_contiguous().sort_unstable();
            self.0.shrink_to(2 * most + KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key {
            stream_sequence: number,
            consumer_sequence: number,
        }
    }

    #[test]
    fn what_comes_out_of_order_finds_its_place() {
        let mut index = Index::new();
        for place in [2, 3, 1, 5, 4] {
            index.insert(place, key(place));
        }

        assert_eq!(
            index
                .range(2, 4)
                .map(|(place, _)| place)
                .collect::<Vec<_>>(),
            [2, 3, 4]
        );
        assert_eq!(index.first(), Some(1));
        assert_eq!(index.pop_through(1), Some((1, key(1))));
        assert_eq!(index.pop_through(1), None);
    }

    #[test]
    fn it_holds_little_more_than_what_is_out() {
        let mut index = Index::new();
        for place in 1..100_000 {
            index.insert(place, key(place));
            // The first and the last are out.
            let out = [1, place].into_iter();
            index.tidy(2, out.map(|place| (place, key(place))));
            assert!(index.0.len() <= 4 + KEPT + 1);
        }
        assert!(index.0.capacity() <= 4 * KEPT, "{}", index.0.capacity());

        index.tidy(0, std::iter::empty());
        assert_eq!(index.first(), None);
    }
}
