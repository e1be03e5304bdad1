//! Who the claims of a token say that its bearer is.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::entry::Terms;
use crate::auth::caller::{Caller, Kind};

/// The longest name of a caller or a group, in bytes.
const LONGEST: usize = 1_024;

/// The most groups.
const MOST_GROUPS: usize = 200;

/// The caller, whose token is known to be its issuer's.
pub(super) fn caller(terms: &Terms, claims: &Map<String, Value>) -> Result<Caller, &'static str> {
    let prefix = &terms.name_prefix;
    let name = claims.get(&terms.name_claim).and_then(Value::as_str);
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or("the token has no name of its bearer")?;
    let groups = match claims.get(&terms.groups_claim) {
        Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(group)) => vec![group.as_str()],
        _ => Vec::new(),
    };
    let is_wrong = |name: &str| name.len() > LONGEST || name.chars().any(char::is_control);
    if is_wrong(name) || groups.iter().copied().any(is_wrong) {
        return Err("a name in the token is too long, or has control characters");
    }
    if groups.len() > MOST_GROUPS {
        return Err("the token has too many groups");
    }
    let end = end(claims, terms.leeway).ok_or("the token ends at no time that there is")?;
    let groups = groups.iter().map(|group| format!("{prefix}{group}"));
    Ok(Caller::new(Kind::Token, format!("{prefix}{name}"))
        .in_groups(groups.collect())
        .until(Some(end)))
}

fn end(claims: &Map<String, Value>, leeway: Duration) -> Option<SystemTime> {
    let seconds = claims.get("exp")?.as_f64()?;
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    SystemTime::UNIX_EPOCH
        .checked_add(since)?
        .checked_add(leeway)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(claims: Value) -> Result<Caller, &'static str> {
        let text = "[[issuer]]\nissuer = \"https://a.example\"\naudiences = [\"jetgate\"]\n\
                    name_claim = \"email\"\nname_prefix = \"sso:\"";
        let entry = super::super::entry::parse(text).unwrap().remove(0);
        caller(&entry.terms, claims.as_object().unwrap())
    }

    #[test]
    fn names_and_groups_get_the_prefix_and_the_end_some_leeway() {
        let claims = json!({ "email": "ada", "groups": ["ops", 7, "dev"], "exp": 1_000.5 });
        let caller = read(claims).unwrap();
        assert_eq!((caller.kind(), caller.name()), (Kind::Token, "sso:ada"));
        assert_eq!(caller.groups().collect::<Vec<_>>(), ["sso:ops", "sso:dev"]);
        let end = SystemTime::UNIX_EPOCH + Duration::from_millis(1_030_500);
        assert_eq!(caller.expires(), Some(end));

        let one = read(json!({ "email": "ada", "groups": "ops", "exp": 1 })).unwrap();
        assert_eq!(one.groups().collect::<Vec<_>>(), ["sso:ops"]);
    }

    #[test]
    fn what_names_nobody_is_refused() {
        let many = vec!["g"; MOST_GROUPS + 1];
        for claims in [
            json!({ "sub": "ada", "exp": 1 }),
            json!({ "email": "", "exp": 1 }),
            json!({ "email": 7, "exp": 1 }),
            json!({ "email": "a\nb", "exp": 1 }),
            json!({ "email": "a".repeat(LONGEST + 1), "exp": 1 }),
            json!({ "email": "ada", "groups": ["a\u{0}"], "exp": 1 }),
            json!({ "email": "ada", "groups": many, "exp": 1 }),
            json!({ "email": "ada", "exp": 1e19 }),
            json!({ "email": "ada", "exp": -1 }),
            json!({ "email": "ada" }),
        ] {
            assert!(read(claims.clone()).is_err(), "{claims}");
        }
    }
}
