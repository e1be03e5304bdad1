//! Pages of lists, and the tokens that ask for the next.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};

/// How many items a page may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Where the caller does not say.
    pub(super) default: u32,
    /// At most.
    pub(super) largest: u32,
}

impl Sizes {
    /// The size of a page whose caller asks for `size` items.
    pub(super) fn of(self, size: u32) -> usize {
        let size = if size == 0 { self.default } else { size };
        size.min(self.largest) as usize
    }
}

/// Of streams and consumers JetStream itself puts at most 256 into one answer.
const SIZES: Sizes = Sizes {
    default: 100,
    largest: 256,
};

/// How often JetStream is asked for one page that is narrowed by the gateway.
const MOST_ASKS: u32 = 8;

/// What a token of this version begins with.
const VERSION: &str = "1:";

/// Which page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    offset: u32,
    size: usize,
}

impl Page {
    /// Reads `page_size` and `page_token` of a request for streams or consumers.
    pub(crate) fn parse(size: u32, token: &str) -> Result<Self> {
        Self::within(SIZES, size, token)
    }

    /// Reads `page_size` and `page_token` of a request.
    pub(super) fn within(sizes: Sizes, size: u32, token: &str) -> Result<Self> {
        let invalid = || Error::invalid("page_token", "must be a next_page_token, or empty");
        let offset = if token.is_empty() {
            Some(0)
        } else {
            decode(token)
        };
        Ok(Self {
            offset: offset.ok_or_else(invalid)?,
            size: sizes.of(size),
        })
    }

    /// How many items JetStream shall skip.
    pub(crate) fn offset(self) -> u64 {
        self.offset.into()
    }

    /// How many items the page may have.
    pub(super) fn size(self) -> usize {
        self.size
    }

    /// The token of the page behind this one, which has `taken` of `total` items; empty on the last.
    pub(crate) fn next(self, taken: usize, total: u64) -> String {
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        let next = self.offset.saturating_add(taken);
        if taken > 0 && u64::from(next) < total {
            encode(next)
        } else {
            String::new()
        }
    }
}

/// A page that fills from JetStream's own pages, which know fewer filters than callers may ask for.
pub(super) struct Scan<T> {
    page: Page,
    /// How far JetStream's items were looked at.
    offset: u32,
    is_at_end: bool,
    found: Vec<T>,
    missing: Vec<String>,
    asks_left: u32,
}

/// A page that is done.
#[derive(Debug, PartialEq)]
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    /// The names of those that JetStream could not ask.
    pub(super) missing: Vec<String>,
    /// Empty on the last.
    pub(super) next_page_token: String,
}

impl<T> Scan<T> {
    /// Nothing is asked yet. `is_narrow` tells whether many of JetStream's items may be left out.
    pub(super) fn new(page: Page, is_narrow: bool) -> Self {
        Self {
            page,
            offset: page.offset,
            is_at_end: false,
            found: Vec::new(),
            missing: Vec::new(),
            asks_left: if is_narrow { MOST_ASKS } else { 1 },
        }
    }

    /// From which item on JetStream is to be asked; `None` once the page is done.
    pub(super) fn next_offset(&mut self) -> Option<u64> {
        if self.is_at_end || self.found.len() >= self.page.size {
            return None;
        }
        self.asks_left = self.asks_left.checked_sub(1)?;
        Some(self.offset.into())
    }

    /// Takes what it answered: items in the order of their names, and the names of those that it could
    /// not ask in time. `keep` is told the name, and the item where there is one.
    pub(super) fn take(
        &mut self,
        total: u64,
        items: Vec<T>,
        missing: Vec<String>,
        name: impl Fn(&T) -> &str,
        keep: impl Fn(&str, Option<&T>) -> bool,
    ) {
        let found = items
            .into_iter()
            .map(|item| (name(&item).to_owned(), Some(item)));
        let missing = missing.into_iter().map(|it| (it, None));
        let mut entries: Vec<_> = found.chain(missing).collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.is_at_end = entries.is_empty();
        for (name, item) in entries {
            if self.found.len() >= self.page.size {
                break;
            }
            self.offset = self.offset.saturating_add(1);
            match item {
                _ if !keep(&name, item.as_ref()) => {}
                Some(item) => self.found.push(item),
                None => self.missing.push(name),
            }
        }
        self.is_at_end |= u64::from(self.offset) >= total;
    }

    /// The page.
    pub(super) fn finish(self) -> Listed<T> {
        Listed {
            items: self.found,
            missing: self.missing,
            next_page_token: match self.is_at_end {
                true => String::new(),
                false => encode(self.offset),
            },
        }
    }
}

fn encode(offset: u32) -> String {
    URL_SAFE_NO_PAD.encode(format!("{VERSION}{offset}"))
}

fn decode(token: &str) -> Option<u32> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let offset = text.strip_prefix(VERSION)?.parse().ok()?;
    // Only what `encode` makes: no signs, no leading zeros.
    (encode(offset) == token).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sizes_have_a_default_and_a_limit() {
        assert_eq!(
            Page::parse(0, "").unwrap(),
            Page {
                offset: 0,
                size: 100
            }
        );
        assert_eq!(Page::parse(7, "").unwrap().size, 7);
        assert_eq!(Page::parse(u32::MAX, "").unwrap().size, 256);
    }

    #[test]
    fn only_own_tokens_are_taken() {
        for bad in ["x", "MTo", "MTorNQ", "Mjo1", "MTo1=", "🦀"] {
            assert!(Page::parse(0, bad).is_err(), "{bad}");
        }
        assert_eq!(Page::parse(0, "MTo1").unwrap().offset(), 5);
    }

    /// The page that one answer of JetStream makes.
    fn cut(page: Page, total: u64, items: &[&str], missing: &[&str]) -> Listed<String> {
        let mut scan = Scan::new(page, false);
        assert_eq!(scan.next_offset(), Some(page.offset()));
        scan.take(
            total,
            names(items),
            names(missing),
            |name| name,
            |_, _| true,
        );
        assert_eq!(scan.next_offset(), None);
        scan.finish()
    }

    fn listed(items: &[&str], missing: &[&str], next: Option<u32>) -> Listed<String> {
        Listed {
            items: names(items),
            missing: names(missing),
            next_page_token: next.map(encode).unwrap_or_default(),
        }
    }

    #[test]
    fn pages_follow_each_other() {
        let page = Page::parse(2, "").unwrap();
        let first = cut(page, 3, &["a", "b", "c"], &[]);
        assert_eq!(first, listed(&["a", "b"], &[], Some(2)));

        let page = Page::parse(2, &first.next_page_token).unwrap();
        assert_eq!(page.offset(), 2);
        assert_eq!(cut(page, 3, &["c"], &[]), listed(&["c"], &[], None));
    }

    #[test]
    fn what_is_missing_keeps_its_place() {
        let page = Page::parse(2, "").unwrap();
        let page = cut(page, 4, &["a", "c", "d"], &["b"]);
        assert_eq!(page, listed(&["a", "c"], &["b"], Some(3)));
    }

    #[test]
    fn a_page_behind_the_end_is_the_last() {
        let page = Page::parse(2, &encode(9)).unwrap();
        assert_eq!(cut(page, 3, &[], &[]), listed(&[], &[], None));
    }

    #[test]
    fn a_narrow_page_fills_from_several_answers() {
        let page = Page::parse(2, "").unwrap();
        let mut scan = Scan::new(page, true);
        let keep = |name: &str, _: Option<&String>| name.starts_with('x');
        for items in [["a", "x1"], ["b", "c"], ["x2", "x3"]] {
            assert!(scan.next_offset().is_some());
            scan.take(7, names(&items), vec![], |name| name, keep);
        }
        assert_eq!(scan.next_offset(), None);
        assert_eq!(scan.finish(), listed(&["x1", "x2"], &[], Some(5)));
    }

    #[test]
    fn a_narrow_page_does_not_ask_for_ever() {
        let page = Page::parse(2, "").unwrap();
        let mut scan = Scan::new(page, true);
        let mut asked = 0;
        while scan.next_offset().is_some() {
            scan.take(
                1_000,
                names(&["a"]),
                names(&["b"]),
                |name| name,
                |_, _| false,
            );
            asked += 1;
        }
        assert_eq!(asked, MOST_ASKS);
        assert_eq!(scan.finish(), listed(&[], &[], Some(2 * MOST_ASKS)));
    }

    proptest! {
        #[test]
        fn tokens_come_back(offset: u32, junk in ".{0,20}") {
            prop_assert_eq!(decode(&encode(offset)), Some(offset));
            let _ = Page::parse(1, &junk);
        }
    }
}
