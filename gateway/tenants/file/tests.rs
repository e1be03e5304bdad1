//! The file of the tenants: what is read from it, what is inherited, and every mistake by its line.

use super::*;
use crate::auth::{Caller, Kind};

fn gateway() -> Config {
    let mut gateway = Config::default();
    gateway.nats.url = "nats://gateway:secret@n1,nats://n2".parse().unwrap();
    gateway.nats.tls_ca_file = Some("ca.pem".into());
    gateway.limits.max_calls = 10;
    gateway
}

fn table(text: &str) -> Table {
    parse(Path::new("tenants.toml"), text, &gateway()).unwrap()
}

fn mistakes(text: &str) -> String {
    let error = parse(Path::new("tenants.toml"), text, &gateway()).unwrap_err();
    error.to_string()
}

#[test]
fn a_tenant_has_the_gateways_settings_but_not_its_login() {
    let table = table(
        r#"
[[tenant]]
name = "acme"
callers = ["acme-*"]
[tenant.nats]
user = "acme"
password = "hunter2"
domain = "hub"
[tenant.limits]
max_sessions = 5
"#,
    );
    let acme = &table.0[0];
    let nats = &acme.login.as_ref().unwrap().nats;
    let urls: Vec<&str> = nats.url.expose().collect();
    assert_eq!(urls, ["nats://n1", "nats://n2"]);
    assert_eq!(nats.tls_ca_file, Some("ca.pem".into()));
    assert_eq!(
        (
            nats.name.as_str(),
            nats.inbox_prefix.as_str(),
            nats.domain.as_deref()
        ),
        ("jetgate-acme", "_INBOX_acme", Some("hub"))
    );
    assert_eq!((acme.limits.max_calls, acme.limits.max_sessions), (10, 5));
    assert!(!format!("{table:?}").contains("hunter2"));
}

#[test]
fn the_first_tenant_that_a_caller_is_among_is_its_own() {
    let table = table(
        r#"
[[tenant]]
name = "certified"
callers = ["acme"]
by = ["certificate"]
[[tenant]]
name = "acme"
callers = ["acme"]
groups = ["staff"]
[[tenant]]
name = "rest"
callers = ["*"]
by = ["api_key"]
"#,
    );
    let of = |caller: Caller| table.of(&caller).map(|it| it.name.to_string());
    let named = |name: &str| Caller::new(Kind::ApiKey, name);
    assert_eq!(of(named("acme")).as_deref(), Some("acme"));
    assert_eq!(
        of(Caller::new(Kind::Certificate, "acme")).as_deref(),
        Some("certified")
    );
    let staff = Caller::new(Kind::Token, "bob").in_groups(vec!["staff".to_owned()]);
    assert_eq!(of(staff).as_deref(), Some("acme"));
    assert_eq!(of(named("x")).as_deref(), Some("rest"));
    assert_eq!(of(Caller::default()), None);
}

#[test]
fn the_gateways_login_is_taken_along_where_that_is_said() {
    let table = table(
        r#"
[[tenant]]
name = "leaf"
callers = ["*"]
[tenant.nats]
gateway_login = true
domain = "leaf"
"#,
    );
    let nats = &table.0[0].login.as_ref().unwrap().nats;
    assert!(nats.url.has_credentials());
}

#[test]
fn whoever_names_another_jetstream_does_not_have_the_gateways() {
    let mut gateway = gateway();
    let mut asked = |of_gateway: (&str, &str), own: &str| {
        let given = |text: &str| Some(text.to_owned()).filter(|it| !it.is_empty());
        gateway.nats.domain = given(of_gateway.0);
        gateway.nats.api_prefix = given(of_gateway.1);
        let text = format!(
            "[[tenant]]\nname = \"a\"\ncallers = [\"*\"]\n[tenant.nats]\ntoken = \"t\"\n{own}"
        );
        let table = parse(Path::new("tenants.toml"), &text, &gateway).unwrap();
        table.0[0].login.as_ref().unwrap().nats.api_prefix()
    };
    for (of_gateway, own, prefix) in [
        (("hub", ""), "", "$JS.hub.API"),
        (("hub", ""), "api_prefix = \"leaf.js\"", "leaf.js"),
        (("hub", ""), "domain = \"leaf\"", "$JS.leaf.API"),
        (("hub", ""), "domain = \"\"", "$JS.API"),
        (("", "hub.js"), "", "hub.js"),
        (("", "hub.js"), "domain = \"leaf\"", "$JS.leaf.API"),
        (("", "hub.js"), "api_prefix = \"\"", "$JS.API"),
        (("", ""), "api_prefix = \"hub.js\"", "hub.js"),
    ] {
        assert_eq!(asked(of_gateway, own), prefix, "{of_gateway:?} {own}");
    }
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let found = mistakes(
        r#"[[tenant]]
name = "a.b"
max_sessions = 3
[[tenant]]
name = "acme"
callers = ["x"]
by = ["magic"]
[tenant.nats]
user = "u"
domain = "a.b"
[tenant.limits]
bytes_per_second = "1KiB"
[[tenant]]
name = "acme"
callers = ["y"]
[tenant.nats]
token = "t"
[[tenant]]
name = "other"
callers = ["z"]
[tenant.nats]
inbox_prefix = "_INBOX_acme.x"
[[tenant]]
name = "hub"
callers = ["h"]
[tenant.nats]
token = "t"
domain = "hub"
api_prefix = "hub.js."
"#,
    );
    for part in [
        "line 1: the tenant needs a name",
        "line 1: the tenant needs callers or groups",
        "line 1: max_sessions, max_buffered_bytes and dead_letters",
        "line 7: by: must be",
        "line 4: nats.user: needs nats.password",
        "line 4: nats.domain",
        "line 4: limits.bytes_per_second",
        "line 13: there is another tenant \"acme\"",
        "line 13: nats.inbox_prefix lies within",
        "line 18: nats: needs credentials_file",
        "line 18: nats.inbox_prefix lies within",
        "line 23: nats.api_prefix: must be a subject without wildcards",
        "line 23: nats.api_prefix: cannot be used together with nats.domain",
    ] {
        assert!(found.contains(part), "{part} is missing in\n{found}");
    }
    assert!(mistakes("[[tenant]]\nnam = 1").contains("line 2"));
}

#[test]
fn the_example_can_be_used() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/config/tenants.toml");
    let table = read(Path::new(example), &Config::default()).unwrap();
    let logins = table.with_logins().map(|(tenant, _)| &*tenant.name);
    assert_eq!(logins.collect::<Vec<_>>(), ["acme", "leaf", "globex"]);
}

#[test]
fn answers_of_others_stay_theirs() {
    let with = |prefix: &str| {
        format!(
            "[[tenant]]\nname = \"a\"\ncallers = [\"*\"]\n[tenant.nats]\ntoken = \"t\"\ninbox_prefix = \"{prefix}\""
        )
    };
    for bad in ["_INBOX", "_INBOX.a", "inbox"] {
        assert!(mistakes(&with(bad)).contains("nats.inbox_prefix"), "{bad}");
    }
    assert_eq!(table(&with("_INBOX_a.b")).0.len(), 1);
}
