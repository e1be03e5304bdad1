//! Finds by a subject what was entered under subjects with wildcards, however much that is: a tree of
//! tokens, whose depth alone counts.

use std::collections::HashMap;

/// What is entered, by subject.
#[derive(Debug)]
pub(super) struct SubjectIndex<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    /// Under subjects that end here.
    ends: Vec<T>,
    /// Under subjects whose next token is the last and `>`.
    rests: Vec<T>,
    any: Option<Box<Self>>,
    tokens: HashMap<Box<str>, Self>,
}

impl<T> Default for SubjectIndex<T> {
    fn default() -> Self {
        Self {
            root: Node::default(),
        }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            ends: Vec::new(),
            rests: Vec::new(),
            any: None,
            tokens: HashMap::new(),
        }
    }
}

impl<T: PartialEq> SubjectIndex<T> {
    /// Enters something under a subject.
    pub(super) fn insert(&mut self, filter: &str, what: T) {
        self.root.insert(filter.split('.'), what);
    }

    /// Takes out what was entered under this very subject.
    pub(super) fn remove(&mut self, filter: &str, what: &T) {
        self.root.remove(filter.split('.'), what);
    }

    /// The first of what was entered under subjects that match this one for which `choose` finds something.
    pub(super) fn find<R>(
        &self,
        subject: &str,
        mut choose: impl FnMut(&T) -> Option<R>,
    ) -> Option<R> {
        self.root.find(subject.split('.'), &mut choose)
    }
}

impl<T: PartialEq> Node<T> {
    fn insert<'a>(&mut self, mut filter: impl Iterator<Item = &'a str>, what: T) {
        match filter.next() {
            None => self.ends.push(what),
            Some(">") => self.rests.push(what),
            Some("*") => self.any.get_or_insert_default().insert(filter, what),
            Some(token) => {
                let node = self.tokens.entry(token.into()).or_default();
                node.insert(filter, what);
            }
        }
    }

    fn remove<'a>(&mut self, mut filter: impl Iterator<Item = &'a str>, what: &T) {
        match filter.next() {
            None => self.ends.retain(|other| other != what),
            Some(">") => self.rests.retain(|other| other != what),
            Some("*") => {
                if let Some(node) = &mut self.any {
                    node.remove(filter, what);
                    self.any.take_if(|node| node.is_empty());
                }
            }
            Some(token) => {
                if let Some(node) = self.tokens.get_mut(token) {
                    node.remove(filter, what);
                    if node.is_empty() {
                        self.tokens.remove(token);
                    }
                }
            }
        }
    }

    fn find<'a, R>(
        &self,
        mut subject: impl Iterator<Item = &'a str> + Clone,
        choose: &mut impl FnMut(&T) -> Option<R>,
    ) -> Option<R> {
        let Some(token) = subject.next() else {
            return self.ends.iter().find_map(choose);
        };
        if let Some(found) = self.rests.iter().find_map(&mut *choose) {
            return Some(found);
        }
        let nodes = [self.tokens.get(token), self.any.as_deref()];
        let mut nodes = nodes.into_iter().flatten();
        nodes.find_map(|node| node.find(subject.clone(), choose))
    }

    fn is_empty(&self) -> bool {
        self.ends.is_empty()
            && self.rests.is_empty()
            && self.any.is_none()
            && self.tokens.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::names::subject_matches;

    fn filter() -> impl Strategy<Value = String> {
        let token = prop_oneof![Just("a"), Just("b"), Just("*")];
        let tail = proptest::option::of(Just(">"));
        (proptest::collection::vec(token, 0..4), tail)
            .prop_map(|(mut tokens, tail)| {
                tokens.extend(tail);
                tokens.join(".")
            })
            .prop_filter("a subject has a token", |filter| !filter.is_empty())
    }

    proptest! {
        #[test]
        fn finds_what_matches_and_nothing_else(
            filters in proptest::collection::vec(filter(), 0..12),
            removed in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
            subject in "[ab](\\.[abc]){0,4}",
        ) {
            let mut index = SubjectIndex::default();
            let mut kept: Vec<_> = filters.into_iter().enumerate().collect();
            for (number, filter) in &kept {
                index.insert(filter, *number);
            }
            for removed in removed {
                if !kept.is_empty() {
                    let (number, filter) = kept.swap_remove(removed.index(kept.len()));
                    index.remove(&filter, &number);
                }
            }

            let mut found = Vec::new();
            let none = index.find(&subject, |number| { found.push(*number); None::<()> });

            prop_assert_eq!(none, None);
            found.sort_unstable();
            let matching = kept.iter().filter(|(_, filter)| subject_matches(filter, &subject));
            let mut matching: Vec<_> = matching.map(|(number, _)| *number).collect();
            matching.sort_unstable();
            prop_assert_eq!(found, matching);
            for (number, filter) in &kept {
                index.remove(filter, number);
            }
            prop_assert!(index.root.is_empty());
        }
    }
}
