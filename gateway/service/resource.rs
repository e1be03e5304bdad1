//! What the services for streams and consumers share: pages of lists and their tokens, etags, and
//! the outcome of deletions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Reason, Result};
use crate::nats::api::Deleted;

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

/// What a token of this version begins with.
const VERSION: &str = "1:";

/// Which page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    offset: u32,
    size: usize,
}

impl Page {
    /// Reads `page_size` and `page_token` of a request for streams or consumers.
    pub(super) fn parse(size: u32, token: &str) -> Result<Self> {
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
    pub(super) fn offset(self) -> u64 {
        self.offset.into()
    }

    /// How many items the page may have.
    pub(super) fn size(self) -> usize {
        self.size
    }

    /// The token of the page behind this one, which has `taken` of `total` items; empty on the last.
    pub(super) fn next(self, taken: usize, total: u64) -> String {
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        let next = self.offset.saturating_add(taken);
        if taken > 0 && u64::from(next) < total {
            encode(next)
        } else {
            String::new()
        }
    }

    /// Cuts the page out of JetStream's answer, which has items in the order of their names and
    /// names those that it could not ask in time. Also returns the token of the next page.
    pub(super) fn cut<T>(
        self,
        total: u64,
        items: Vec<T>,
        missing: Vec<String>,
        name: impl Fn(&T) -> &str,
    ) -> (Vec<T>, String) {
        let found = items
            .into_iter()
            .map(|item| (name(&item).to_owned(), Some(item)));
        let mut entries: Vec<_> = found
            .chain(missing.into_iter().map(|it| (it, None)))
            .collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.truncate(self.size);

        let token = self.next(entries.len(), total);
        (
            entries.into_iter().filter_map(|(_, item)| item).collect(),
            token,
        )
    }
}

/// Refuses an update that was made for another configuration than the current one.
pub(super) fn check_etag(expected: &str, current: &str) -> Result<()> {
    if expected.is_empty() || expected == current {
        return Ok(());
    }
    let message = "the configuration has changed since this etag was read";
    Err(Error::new(Reason::StaleEtag, message)
        .with("etag", current)
        .at("etag"))
}

/// JetStream answers a failed deletion with an error, and never without success otherwise.
pub(super) fn check_deleted(answer: &Deleted) -> Result<()> {
    if answer.success {
        return Ok(());
    }
    Err(Error::new(
        Reason::Internal,
        "JetStream did not confirm the deletion",
    ))
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

    #[test]
    fn pages_follow_each_other() {
        let page = Page::parse(2, "").unwrap();
        let (items, token) = page.cut(3, names(&["a", "b", "c"]), vec![], |name| name);
        assert_eq!(items, ["a", "b"]);

        let page = Page::parse(2, &token).unwrap();
        assert_eq!(page.offset(), 2);
        let (items, token) = page.cut(3, names(&["c"]), vec![], |name| name);
        assert_eq!((items, token.as_str()), (names(&["c"]), ""));
    }

    #[test]
    fn what_is_missing_keeps_its_place() {
        let page = Page::parse(2, "").unwrap();
        let (items, token) = page.cut(3, names(&["a", "c"]), names(&["b"]), |name| name);
        assert_eq!((items, token), (names(&["a"]), encode(2)));
    }

    #[test]
    fn a_page_behind_the_end_is_the_last() {
        let page = Page::parse(2, &encode(9)).unwrap();
        assert_eq!(
            page.cut(3, vec![], vec![], |name: &String| name),
            (vec![], String::new())
        );
    }

    #[test]
    fn an_empty_etag_checks_nothing() {
        assert!(check_etag("", "a").is_ok() && check_etag("a", "a").is_ok());
        assert_eq!(
            check_etag("b", "a").unwrap_err().reason(),
            Reason::StaleEtag
        );
    }

    proptest! {
        #[test]
        fn tokens_come_back(offset: u32, junk in ".{0,20}") {
            prop_assert_eq!(decode(&encode(offset)), Some(offset));
            let _ = Page::parse(1, &junk);
        }
    }
}
