//! Decisions, and files that say what is wrong with them.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::auth::Kind;
use crate::names::subject_matches;

fn policy(text: &str) -> Policy {
    Policy::parse(Path::new("policy.toml"), text).unwrap()
}

fn caller(name: &str) -> Caller {
    Caller::new(Kind::ApiKey, name)
}

const SHOP: &str = r#"
[[rule]]
name = "orders"
callers = ["orders", "spiffe://shop/orders-*"]
publish = [
  "orders.>",
  "audit.orders",
]
consume = [{ streams = ["ORDERS"], consumers = ["worker-*"], filters = ["orders.eu.>", "orders.us.>"] }]
streams = [{ names = ["ORDERS*"], actions = ["write"], subjects = ["orders.>"] }]

[[rule]]
name = "no secrets"
effect = "deny"
callers = ["*"]
publish = ["orders.secret.>"]
consume = [{ streams = ["*"], filters = ["*.secret.>"] }]

[[rule]]
name = "operators"
groups = ["ops"]
by = ["certificate"]
streams = [{ names = ["*"], actions = ["*"] }]
gateway = ["info"]
"#;

fn allowed(caller: &Caller, ask: Ask<'_>) -> bool {
    matches!(policy(SHOP).decide(caller, &ask), Decision::Allowed(_))
}

#[test]
fn what_no_rule_allows_is_denied() {
    let orders = caller("orders");
    assert!(allowed(&orders, Ask::publish("orders.eu.1")));
    assert!(!allowed(&orders, Ask::publish("orders")));
    assert!(!allowed(&orders, Ask::publish("users.1")));
    assert!(!allowed(&caller("other"), Ask::publish("orders.eu.1")));
    assert!(!allowed(&Caller::default(), Ask::publish("orders.eu.1")));
    assert!(allowed(
        &caller("spiffe://shop/orders-7"),
        Ask::publish("orders.eu.1")
    ));
}

#[test]
fn a_rule_that_denies_outweighs_all_others() {
    let (policy, orders) = (policy(SHOP), caller("orders"));
    let decision = policy.decide(&orders, &Ask::publish("orders.secret.1"));
    let place = Place {
        rule: "no secrets",
        line: 16,
    };
    assert_eq!(decision, Decision::Denied(place));
    // A pattern that has a denied subject in it.
    assert!(!allowed(&orders, Ask::publish("orders.>")));
    assert!(allowed(&orders, Ask::publish("orders.eu.>")));
}

#[test]
fn a_decision_says_which_line_made_it() {
    let (policy, orders) = (policy(SHOP), caller("orders"));
    for (subject, line) in [("orders.eu.1", 6), ("audit.orders", 7)] {
        let decision = policy.decide(&orders, &Ask::publish(subject));
        let place = Place {
            rule: "orders",
            line,
        };
        assert_eq!(decision, Decision::Allowed(place));
    }
}

#[test]
fn filters_must_lie_within_those_that_are_allowed() {
    let orders = caller("orders");
    let worker = |filters: &[&str]| {
        let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
        allowed(
            &orders,
            Ask::consume("ORDERS", "worker-1").filters(&filters),
        )
    };
    assert!(worker(&["orders.eu.*"]));
    assert!(worker(&["orders.eu.1", "orders.us.>"]));
    assert!(!worker(&["orders.eu.1", "orders.asia.>"]));
    assert!(!worker(&["orders.*.x"]));
    // Without a filter a consumer reads everything.
    assert!(!worker(&[]));
    assert!(!worker(&["orders.secret.1"]));
}

#[test]
fn names_that_are_not_allowed_are_denied_before_filters_are_known() {
    let orders = caller("orders");
    assert!(allowed(&orders, Ask::consume("ORDERS", "worker-1")));
    assert!(!allowed(&orders, Ask::consume("ORDERS", "other")));
    assert!(!allowed(&orders, Ask::consume("USERS", "worker-1")));
}

#[test]
fn who_may_do_something_with_a_stream_may_see_it() {
    let orders = caller("orders");
    let view = |name| allowed(&orders, Ask::to(Action::ViewStreams).stream(name));
    assert!(view("ORDERS_2"));
    assert!(!view("USERS"));
    assert!(!allowed(
        &orders,
        Ask::to(Action::DeleteStreams).stream("ORDERS")
    ));
    // What names no stream is about all of them.
    assert!(!allowed(&orders, Ask::to(Action::ViewStreams)));
}

#[test]
fn groups_count_as_proven() {
    let operator = |kind| Caller::new(kind, "ada").in_groups(vec!["dev".into(), "ops".into()]);
    assert!(allowed(&operator(Kind::Certificate), Ask::to(Action::Info)));
    assert!(allowed(
        &operator(Kind::Certificate),
        Ask::to(Action::DeleteStreams)
    ));
    assert!(!allowed(&operator(Kind::ApiKey), Ask::to(Action::Info)));
}

#[test]
fn everything_that_is_wrong_is_said_with_its_line() {
    let text = r#"
[[rule]]
name = "a"
callers = ["x", ""]
by = ["charm"]
publish = ["a.>.b"]
consume = [{ streams = [] }]
streams = [{ names = ["S"], actions = ["look"] }]

[[rule]]
name = "a"
"#;
    let error = Policy::parse(Path::new("p.toml"), text).unwrap_err();
    let text = error.to_string();
    for expected in [
        "line 4: callers",
        "line 5: by",
        "line 6: publish",
        "line 7: consume.streams",
        "line 8: streams: \"look\" is none of view, read",
        "line 10: there is another rule \"a\"",
        "line 10: the rule needs callers or groups",
        "line 10: the rule allows and denies nothing",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn unknown_keys_are_mistakes() {
    let wrong = "[[rule]]\nname = \"a\"\ncallers = [\"*\"]\npublishes = [\"a\"]\n";
    let error = Policy::parse(Path::new("p.toml"), wrong).unwrap_err();
    assert!(error.to_string().contains("line 4"), "{error}");
    let wrong = "[[rule]]\nname = \"a\"\nstreams = [{ names = [\"*\"] }]\n";
    assert!(Policy::parse(Path::new("p.toml"), wrong).is_err());
    assert!(policy("").is_empty());
}

fn filter() -> impl Strategy<Value = String> {
    let token = || prop::sample::select(vec!["a", "b", "*"]);
    let last = prop::sample::select(vec!["a", "b", "*", ">"]);
    (prop::collection::vec(token(), 0..2), last).prop_map(|(mut tokens, last)| {
        tokens.push(last);
        tokens.join(".")
    })
}

/// Subjects of up to three tokens.
fn subjects() -> impl Iterator<Item = String> {
    let tokens = ["a", "b", "c"];
    (1..=3_u32).flat_map(move |length| {
        (0..3_usize.pow(length)).map(move |number| {
            let place = |at: u32| tokens[number / 3_usize.pow(at) % 3];
            (0..length).map(place).collect::<Vec<_>>().join(".")
        })
    })
}

proptest! {
    /// Against every subject: what is allowed reaches nothing that is not allowed, or that is denied.
    #[test]
    fn no_allowed_filter_reaches_beyond_the_rules(
        allow in prop::collection::vec(filter(), 1..3),
        deny in prop::collection::vec(filter(), 0..2),
        asked in prop::collection::vec(filter(), 1..3),
    ) {
        let rule = |effect: &str, filters: &[String]| match filters {
            [] => String::new(),
            filters => format!(
                "[[rule]]\nname = \"{effect}\"\neffect = \"{effect}\"\ncallers = [\"*\"]\n\
                 consume = [{{ streams = [\"S\"], filters = {filters:?} }}]\n"
            ),
        };
        let policy = policy(&format!("{}{}", rule("allow", &allow), rule("deny", &deny)));
        let ask = Ask::consume("S", "c").filters(&asked);
        let is_allowed = matches!(policy.decide(&Caller::default(), &ask), Decision::Allowed(_));

        let any = |filters: &[String], subject: &str| filters.iter().any(|it| subject_matches(it, subject));
        let reached = || subjects().filter(|it| any(&asked, it));
        if is_allowed {
            prop_assert!(reached().all(|it| any(&allow, &it) && !any(&deny, &it)));
        }
        // One subject is judged exactly.
        for subject in subjects() {
            let decision = policy.decide(&Caller::default(), &Ask::consume("S", "c").subject(&subject));
            let expected = any(&allow, &subject) && !any(&deny, &subject);
            prop_assert_eq!(matches!(decision, Decision::Allowed(_)), expected, "{}", subject);
        }
    }

    #[test]
    fn nonsense_is_refused_and_not_a_panic(text in ".{0,200}") {
        let _ = Policy::parse(Path::new("p.toml"), &text);
    }
}
