//! How sources are laid over each other, and what is said about bad ones.

use std::{collections::HashSet, fs};

use super::*;
use crate::config::ByteSize;

fn environment(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn with_environment(variables: &[(&str, &str)]) -> Sources {
    Sources {
        environment: environment(variables),
        ..Sources::default()
    }
}

/// Loads `text` as the configuration file, beside `variables`.
fn load_file(text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jetgate.toml");
    fs::write(&path, text).unwrap();
    load(&Sources {
        file: Some(path),
        ..with_environment(variables)
    })
}

fn messages(result: Result<Config, Problems>) -> Vec<String> {
    result
        .unwrap_err()
        .iter()
        .map(|problem| problem.message.clone())
        .collect()
}

#[test]
fn nothing_given_is_the_default() {
    assert_eq!(load(&Sources::default()), Ok(Config::default()));
}

#[test]
fn later_sources_win() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jetgate.toml");
    fs::write(
        &path,
        "[nats]\nname = \"file\"\ndomain = \"file\"\nurl = \"nats://file:4222\"\n",
    )
    .unwrap();
    let sources = Sources {
        file: Some(path),
        environment: environment(&[
            ("JETGATE_NATS_URL", "nats://environment:4222"),
            ("JETGATE_NATS_DOMAIN", "environment"),
        ]),
        flags: vec![("--nats-url", "nats.url", "nats://flag:4222".to_owned())],
    };

    let nats = load(&sources).unwrap().nats;

    assert_eq!(nats.name, "file");
    assert_eq!(nats.domain.as_deref(), Some("environment"));
    assert_eq!(nats.url, "nats://flag:4222".parse().unwrap());
}

#[test]
fn every_mistake_of_a_key_has_its_source() {
    let problems = load(&with_environment(&[
        ("JETGATE_NATS_DOMAIN", "hub"),
        ("JETGATE_NATS_API_PREFIX", "hub."),
    ]));

    let text = problems.unwrap_err().to_string();
    let named = text.matches("(environment JETGATE_NATS_API_PREFIX)");
    assert_eq!(named.count(), 2, "{text}");
}

#[test]
fn plain_nats_url_is_weaker_than_ours() {
    let plain = ("NATS_URL", "nats://plain:4222");
    let ours = ("JETGATE_NATS_URL", "nats://ours:4222");

    let only_plain = load(&with_environment(&[plain])).unwrap();
    let both = load(&with_environment(&[ours, plain])).unwrap();

    assert_eq!(only_plain.nats.url, "nats://plain:4222".parse().unwrap());
    assert_eq!(both.nats.url, "nats://ours:4222".parse().unwrap());
}

#[test]
fn environment_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jetgate.toml");
    fs::write(&path, "[nats]\nname = \"from file\"\n").unwrap();

    let config = load(&with_environment(&[(
        "JETGATE_CONFIG",
        path.to_str().unwrap(),
    )]))
    .unwrap();

    assert_eq!(config.nats.name, "from file");
}

#[test]
fn text_becomes_the_type_of_its_key() {
    let config = load(&with_environment(&[
        ("JETGATE_SERVER_LISTEN", "[::1]:1234"),
        ("JETGATE_SERVER_REFLECTION", "false"),
        ("JETGATE_SERVER_MAX_CONNECTIONS", "7"),
        ("JETGATE_SERVER_MAX_REQUEST_BYTES", "1MiB"),
        ("JETGATE_SERVER_MAX_RESPONSE_BYTES", "2097152"),
        ("JETGATE_SHUTDOWN_DRAIN", "1m 30s"),
        ("JETGATE_NATS_USER", "ada"),
        ("JETGATE_NATS_PASSWORD", "12345"),
    ]))
    .unwrap();

    assert_eq!(config.server.listen, "[::1]:1234".parse().unwrap());
    assert!(!config.server.reflection);
    assert_eq!(config.server.max_connections, 7);
    assert_eq!(config.server.max_request_bytes, ByteSize::mib(1));
    assert_eq!(config.server.max_response_bytes, ByteSize::mib(2));
    assert_eq!(config.shutdown.drain.as_secs(), 90);
    assert_eq!(config.nats.password.unwrap().expose(), "12345");
}

#[test]
fn empty_variables_are_not_set() {
    let config = load(&with_environment(&[
        ("JETGATE_NATS_USER", ""),
        ("JETGATE_SERVER_LISTEN", ""),
        ("JETGATE_CONFIG", ""),
        ("NATS_URL", ""),
    ]));

    assert_eq!(config, Ok(Config::default()));
}

#[test]
fn every_problem_is_reported_with_its_source() {
    let result = load_file(
        "[server]\nlistn = \"x\"\nlisten = \"nowhere\"\nmax_connections = 0\n[sever]\nlisten = \"x\"\n",
        &[
            ("JETGATE_NATS_PING_INTERVAL", "soon"),
            ("JETGATE_NATS_URLS", "x"),
        ],
    );

    let problems = result.unwrap_err();
    let found: HashSet<(String, bool)> = problems
        .iter()
        .map(|problem| {
            (
                problem.key.clone(),
                matches!(problem.source, Source::File(_)),
            )
        })
        .collect();
    let expected = [
        ("server.listn", true),
        ("server.listen", true),
        ("server.max_connections", true),
        ("sever", true),
        ("nats.ping_interval", false),
        ("", false),
    ];
    assert_eq!(
        found,
        expected.map(|(key, file)| (key.to_owned(), file)).into()
    );
    let text = problems.to_string();
    assert!(
        text.contains("(environment JETGATE_NATS_PING_INTERVAL)"),
        "{text}"
    );
}

#[test]
fn a_bad_value_is_reported_even_when_a_later_source_overrides_it() {
    let result = load_file(
        "[shutdown]\ndrain = 30\n",
        &[("JETGATE_SHUTDOWN_DRAIN", "20s")],
    );

    assert_eq!(result.unwrap_err().keys(), ["shutdown.drain"]);
}

#[test]
fn unknown_names_come_with_a_suggestion() {
    for (text, suggested) in [
        ("[server]\nlistn = 1", "`server.listen`"),
        ("[sever]\nlisten = 1", "`server`"),
        ("[server]\ndrain = \"1s\"", "`shutdown.drain`"),
    ] {
        let messages = messages(load_file(text, &[]));
        assert!(messages[0].contains(suggested), "{text}: {messages:?}");
    }

    let messages = messages(load(&with_environment(&[("JETGATE_SERVER_LISTN", "x")])));
    assert!(
        messages[0].contains("`JETGATE_SERVER_LISTEN`"),
        "{messages:?}"
    );
}

#[test]
fn names_like_nothing_known_come_without_a_suggestion() {
    let messages = messages(load_file("[server]\nquux_of_doom = 1", &[]));

    assert_eq!(messages, ["unknown key"]);
}

#[test]
fn flags_name_themselves_in_problems() {
    let sources = Sources {
        flags: vec![("--listen", "server.listen", "nowhere".to_owned())],
        ..Sources::default()
    };

    let problems = load(&sources).unwrap_err();

    assert_eq!(
        problems.iter().next().unwrap().source,
        Source::Flag("--listen")
    );
}

#[test]
fn syntax_errors_name_the_line_and_quote_nothing() {
    let messages = messages(load_file("[nats]\npassword = \"hunter2\n", &[]));

    assert!(messages[0].starts_with("line 2: "), "{messages:?}");
    assert!(!messages[0].contains("hunter2"), "{messages:?}");
}

#[test]
fn a_missing_file_is_a_problem() {
    let sources = Sources {
        file: Some("/nowhere/jetgate.toml".into()),
        ..Sources::default()
    };

    assert_eq!(load(&sources).unwrap_err().iter().count(), 1);
}

#[test]
fn each_key_has_a_variable_of_its_own() {
    let keys = known_keys();
    let names: HashSet<String> = keys.iter().map(|key| environment::variable(key)).collect();

    assert_eq!(names.len(), keys.len());
    assert!(
        keys.iter()
            .all(|key| environment::sets_a_key(&environment::variable(key), "value"))
    );
}

#[test]
fn what_is_wiped_has_no_text_left() {
    let mut value = serde_json::json!({ "a": ["x", { "b": "y" }], "c": 7 });
    wipe(&mut value);
    assert_eq!(value, serde_json::json!({ "a": ["", { "b": "" }], "c": 7 }));
}
