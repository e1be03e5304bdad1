//! Which known name was meant by one that is not known.

/// How much a known name must be like an unknown one to be suggested in its place.
const ALIKE: f64 = 0.7;

/// `, did you mean ...?` for the known name that is most like `name`, if any is.
pub(crate) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|candidate| (likeness(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| format!(", did you mean `{candidate}`?"))
        .unwrap_or_default()
}

/// Compares whole names, and last parts with a small handicap, as a key may be in the wrong section.
fn likeness(a: &str, b: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(a, b);
    match (a.rsplit_once('.'), b.rsplit_once('.')) {
        (Some((_, a)), Some((_, b))) => {
            whole.max(0.9 * strsim::normalized_damerau_levenshtein(a, b))
        }
        _ => whole,
    }
}
