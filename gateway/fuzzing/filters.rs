//! Filters over a small alphabet, compared with every subject that there is in it.

use crate::names::{NamePattern, filter_covers, filters_overlap, subject_matches};

/// What a filter's tokens are, the last one excepted, which may be `>` as well.
const TOKENS: [&str; 3] = ["a", "b", "*"];

/// Two filters, and two patterns of names with a name.
pub fn filters(input: &[u8]) {
    let mut bytes = input.iter().copied();
    let (one, other) = (filter(&mut bytes), filter(&mut bytes));
    let matches = |filter: &str| {
        subjects(4)
            .filter(|it| matches_by_hand(filter, it))
            .collect()
    };
    let (of_one, of_other): (Vec<_>, Vec<_>) = (matches(&one), matches(&other));
    for subject in subjects(4) {
        assert_eq!(
            subject_matches(&one, &subject),
            of_one.contains(&subject),
            "{one} {subject}"
        );
    }
    let covered = of_other.iter().all(|it| of_one.contains(it));
    assert_eq!(filter_covers(&one, &other), covered, "{one} {other}");
    let overlap = of_other.iter().any(|it| of_one.contains(it));
    assert_eq!(filters_overlap(&one, &other), overlap, "{one} {other}");

    let mut letters = |alphabet: &[u8]| -> String {
        let length = usize::from(bytes.next().unwrap_or_default()) % 7;
        let letters = bytes.by_ref().take(length);
        let letters = letters.map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()]));
        letters.collect()
    };
    let (pattern, name) = (letters(b"ab*"), letters(b"ab"));
    let parsed = NamePattern::parse("field", &pattern).unwrap();
    let expected = pattern.is_empty() || glob(pattern.as_bytes(), name.as_bytes());
    assert_eq!(parsed.matches(&name), expected, "{pattern} {name}");
}

/// The filter that the next bytes stand for.
pub(super) fn filter(bytes: &mut impl Iterator<Item = u8>) -> String {
    let mut next = || usize::from(bytes.next().unwrap_or_default());
    let mut tokens: Vec<_> = (0..next() % 3).map(|_| TOKENS[next() % 3]).collect();
    tokens.push(*TOKENS.get(next() % 4).unwrap_or(&">"));
    tokens.join(".")
}

/// Every subject of up to so many tokens, of which `c` is in no filter.
pub(super) fn subjects(longest: u32) -> impl Iterator<Item = String> {
    (1..=longest).flat_map(|length| {
        (0..3_usize.pow(length)).map(move |number| {
            let token = |at: u32| ["a", "b", "c"][number / 3_usize.pow(at) % 3];
            (0..length).map(token).collect::<Vec<_>>().join(".")
        })
    })
}

/// Whether a subject matches, by the definition, token by token.
pub(super) fn matches_by_hand(filter: &str, subject: &str) -> bool {
    fn tail(filter: &[&str], subject: &[&str]) -> bool {
        match (filter, subject) {
            ([], []) => true,
            ([">"], [_, ..]) => true,
            ([wanted, filter @ ..], [token, subject @ ..]) => {
                (*wanted == "*" || wanted == token) && tail(filter, subject)
            }
            _ => false,
        }
    }
    let (filter, subject): (Vec<_>, Vec<_>) =
        (filter.split('.').collect(), subject.split('.').collect());
    tail(&filter, &subject)
}

/// Whether a name matches a pattern, by trying every split.
pub(super) fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| glob(rest, &name[at..])),
        Some((byte, rest)) => name
            .split_first()
            .is_some_and(|(first, name)| first == byte && glob(rest, name)),
    }
}
