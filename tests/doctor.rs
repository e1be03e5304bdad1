//! `jetgate doctor` finds what is wrong with real servers, and nothing where all is well.

mod seeing;

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::pki::Authority;
use crate::support::{Jetgate, NatsCluster, NatsServer, SOON, Wire, eventually};

const USER: &str = include_str!("../deploy/nats/gateway-user.conf");
const IMPORT: &str = include_str!("../deploy/nats/api-prefix.conf");

/// The exit codes: all is sound, something is to be mended, and nothing could be looked at.
const SOUND: i32 = 0;
const FOUND: i32 = 1;
const USAGE: i32 = 64;

/// Runs the doctor with this configuration; `nats` and `server` are the lines of these sections.
struct Doctor {
    folder: TempDir,
    flags: String,
}

impl Doctor {
    fn of(config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("jetgate.toml"), config).unwrap();
        Self {
            folder,
            flags: String::new(),
        }
    }

    /// As the documented user of this server.
    fn of_documented_user(url: &str, more: &str) -> Self {
        Self::of(&format!(
            "{more}\n[nats]\nurl = \"{url}\"\nuser = \"jetgate\"\npassword = \"change-me\"\n\
             inbox_prefix = \"_INBOX_jetgate\"\nrequest_timeout = \"10s\"\n"
        ))
    }

    fn with(mut self, flags: &str) -> Self {
        self.flags = flags.to_owned();
        self
    }

    async fn finds(&self, code: i32) -> Vec<Value> {
        self.run("--output json").await.reported(code)
    }

    async fn run(&self, flags: &str) -> crate::support::Ran {
        let file = self.folder.path().join("jetgate.toml");
        let line = format!(
            "jetgate doctor --config {} {flags} {}",
            file.display(),
            self.flags
        );
        Jetgate::at(([127, 0, 0, 1], 1).into()).shell(&line).await
    }
}

/// The only finding of this check about this, or the first that fits.
#[track_caller]
fn about<'a>(findings: &'a [Value], check: &str, about: &str) -> &'a Value {
    let fits = |it: &&Value| it["check"] == check && it["about"].as_str().unwrap().ends_with(about);
    findings
        .iter()
        .find(fits)
        .unwrap_or_else(|| panic!("{check} {about}: {findings:#?}"))
}

/// Checks the level of a finding, and that its text and its fix say so.
#[track_caller]
fn is(finding: &Value, level: &str, text: &str, fix: &str) {
    assert_eq!(finding["level"], level, "{finding}");
    assert!(
        finding["text"].as_str().unwrap().contains(text),
        "{finding}"
    );
    assert!(finding["fix"].as_str().unwrap().contains(fix), "{finding}");
}

#[tokio::test]
async fn the_documented_user_on_a_sound_server_leaves_nothing_to_be_mended() {
    let nats = NatsServer::start_with(USER).await;
    let doctor = Doctor::of_documented_user(
        &nats.url(),
        "[dead_letters]\nletters = \"L\"\nadvisories = \"A\"\n[server]\nmax_connections = 500",
    );

    let findings = doctor.finds(SOUND).await;

    for check in [
        "configuration",
        "open_files",
        "connection",
        "permissions",
        "version",
        "clock",
        "max_payload",
        "jetstream",
    ] {
        assert_eq!(about(&findings, check, "")["level"], "ok");
    }
    is(
        about(&findings, "sync_always", ""),
        "note",
        "cannot be seen",
        "--system-credentials",
    );
    let text = doctor.run("").await.ok();
    assert!(
        text.ends_with("Nothing was found that is to be mended.\n"),
        "{text}"
    );
    assert!(!nats.log().contains("Violation"), "{}", nats.log());
}

#[tokio::test]
async fn missing_permissions_are_found_with_what_they_break() {
    let without = [
        "\"$JS.API.CONSUMER.MSG.NEXT.>\"",
        "\"$JS.API.STREAM.CREATE.*\"",
        "\"$JS.EVENT.ADVISORY.STREAM.>\"",
    ];
    let user = without
        .iter()
        .fold(USER.to_owned(), |user, line| user.replace(line, ""));
    let nats = NatsServer::start_with(&user).await;

    let findings = Doctor::of_documented_user(&nats.url(), "")
        .finds(FOUND)
        .await;

    let permission = |subject: &str| about(&findings, "permissions", subject);
    is(
        permission("$JS.API.CONSUMER.MSG.NEXT.>"),
        "fault",
        "nobody can consume",
        "allow the NATS user to publish",
    );
    is(
        permission("$JS.EVENT.ADVISORY.STREAM.>"),
        "warning",
        "noticed late",
        "to subscribe",
    );
    // Whoever leaves that out means it.
    is(
        permission("$JS.API.STREAM.CREATE.*"),
        "note",
        "nobody can create streams",
        "",
    );
}

#[tokio::test]
async fn a_user_that_may_not_be_asked_about_is_not_taken_to_be_sound() {
    let nats = NatsServer::start_with(&USER.replace("\"$SYS.REQ.USER.INFO\"", "")).await;

    let findings = Doctor::of_documented_user(&nats.url(), "")
        .finds(FOUND)
        .await;

    is(
        about(&findings, "permissions", "USER.INFO"),
        "warning",
        "cannot be seen",
        "$SYS.REQ.USER.INFO",
    );
}

#[tokio::test]
async fn an_inbox_that_answers_cannot_reach_is_found() {
    let nats = NatsServer::start_with(USER).await;
    let config = format!(
        "[nats]\nurl = \"{}\"\nuser = \"jetgate\"\npassword = \"change-me\"\nrequest_timeout = \"1s\"\n",
        nats.url()
    );

    let findings = Doctor::of(&config).finds(FOUND).await;

    is(
        about(&findings, "permissions", "_INBOX.>"),
        "fault",
        "inbox",
        "nats.inbox_prefix",
    );
}

#[tokio::test]
async fn servers_that_are_not_there_and_users_that_are_unknown_are_found() {
    let nats = NatsServer::start_with(USER).await;
    let url = format!("{},nats://127.0.0.1:1", nats.url());
    let findings = Doctor::of_documented_user(&url, "").finds(FOUND).await;
    is(
        about(&findings, "connection", &nats.url()),
        "ok",
        "connected",
        "",
    );
    is(
        about(&findings, "connection", ":1"),
        "fault",
        "",
        "nats.url must name a nats-server that runs",
    );
    // What the other server says is judged all the same.
    is(about(&findings, "jetstream", "account"), "ok", "", "");

    let stranger = format!(
        "[nats]\nurl = \"{}\"\nuser = \"ada\"\npassword = \"x\"\n",
        nats.url()
    );
    let findings = Doctor::of(&stranger).finds(FOUND).await;
    is(
        about(&findings, "connection", ""),
        "fault",
        "authorization",
        "nats.credentials_file",
    );
}

#[tokio::test]
async fn servers_without_jetstream_are_found() {
    let nats = NatsServer::start_without_jetstream().await;

    let findings = Doctor::of(&format!("[nats]\nurl = \"{}\"\n", nats.url()))
        .finds(FOUND)
        .await;

    is(
        about(&findings, "jetstream", ""),
        "fault",
        "does not answer",
        "store_dir",
    );
    is(
        about(&findings, "permissions", ""),
        "note",
        "may do everything",
        "gateway-user.conf",
    );
}

#[tokio::test]
async fn imports_of_another_accounts_jetstream_are_looked_through() {
    let whole = NatsServer::start_with(IMPORT).await;
    let with_acks = |line: &&str| line.contains("account: HUB") && line.contains("$JS.ACK");
    let line = IMPORT.lines().find(with_acks).unwrap();
    let without_acks = NatsServer::start_with(&IMPORT.replace(line, "")).await;
    let doctor = |nats: &NatsServer, prefix: &str| {
        let login = "user = \"acme\"\npassword = \"change-me\"";
        let url = nats.url();
        Doctor::of(&format!(
            "[nats]\nurl = \"{url}\"\n{login}\napi_prefix = \"{prefix}\"\n"
        ))
    };
    let findings = doctor(&whole, "other.js").finds(FOUND).await;
    is(
        about(&findings, "jetstream", "other.js.INFO"),
        "fault",
        "does not answer",
        "api-prefix.conf",
    );

    for (nats, code, level) in [(&whole, SOUND, "ok"), (&without_acks, FOUND, "fault")] {
        let findings = doctor(nats, "hub.js").finds(SOUND).await;
        is(
            about(&findings, "import", "$JS.ACK.>"),
            "note",
            "there is no consumer",
            "api-prefix.conf",
        );
        let mut hub = Wire::connect_as(nats.address(), "hub", "change-me").await;
        hub.create_stream(json!({ "name": "ORDERS", "subjects": ["orders.>"] }))
            .await;
        let consumer = json!({ "durable_name": "c", "ack_policy": "explicit" });
        hub.create_consumer("ORDERS", consumer).await;
        let findings = doctor(nats, "hub.js").finds(code).await;
        is(
            about(&findings, "import", "$JS.ACK.>"),
            level,
            "acknowledgements",
            "",
        );
    }
}

#[tokio::test]
async fn messages_that_the_servers_do_not_take_are_found() {
    let nats = NatsServer::start_with("max_payload: 4096").await;
    let config = format!("[nats]\nurl = \"{}\"\n", nats.url());
    let findings = Doctor::of(&config).finds(FOUND).await;
    is(
        about(&findings, "max_payload", ""),
        "warning",
        "4KiB",
        "set max_payload",
    );

    let config = format!("{config}[limits]\nmax_message_bytes = \"8KiB\"\n");
    let findings = Doctor::of(&config).finds(FOUND).await;
    is(
        about(&findings, "max_payload", ""),
        "fault",
        "8KiB",
        "set max_payload: 8192",
    );
}

#[tokio::test]
async fn streams_of_a_cluster_with_one_replica_are_found() {
    let cluster = NatsCluster::start().await;
    let mut wire = cluster.wire().await;
    for (name, replicas) in [("ONE", 1), ("THREE", 3)] {
        let subject = name.to_lowercase();
        wire.create_stream(json!({"name": name, "subjects": [subject], "num_replicas": replicas}))
            .await;
    }
    eventually(SOON, async || {
        let info = wire.try_api("STREAM.INFO.THREE", Value::Null).await?;
        let replicas = info["cluster"]["replicas"].as_array()?;
        replicas
            .iter()
            .all(|it| it["current"] == true)
            .then_some(())
    })
    .await;

    let findings = Doctor::of(&format!("[nats]\nurl = \"{}\"\n", cluster.url()))
        .finds(FOUND)
        .await;

    is(
        about(&findings, "streams", "ONE"),
        "warning",
        "on one server of 3",
        "nats stream edit ONE --replicas 3",
    );
    let troubles = findings
        .iter()
        .filter(|it| it["level"] == "warning" || it["level"] == "fault");
    assert_eq!(troubles.count(), 1, "{findings:#?}");
    for check in ["version", "clock"] {
        let seen = findings.iter().filter(|it| it["check"] == check);
        assert_eq!(seen.count(), 3, "{findings:#?}");
    }
}

#[tokio::test]
async fn certificates_that_end_or_name_another_host_are_found() {
    let nats = NatsServer::start().await;
    let authority = Authority::new();
    let day = Duration::from_secs(24 * 60 * 60);
    let now = SystemTime::now();
    for (name, end, level) in [
        ("past", now - day, "fault"),
        ("soon", now + 5 * day, "warning"),
        ("later", now + 50 * day, "ok"),
    ] {
        let identity = authority.issue_until(name, "gateway.test", end);
        let (certificate, key) = (identity.certificate, identity.key);
        let config = format!(
            "[tls]\ncert_file = \"{}\"\nkey_file = \"{}\"\n[nats]\nurl = \"{}\"\n",
            certificate.display(),
            key.display(),
            nats.url()
        );
        let findings = Doctor::of(&config)
            .with("--name gateway.test --name other.test")
            .finds(FOUND)
            .await;

        is(
            about(&findings, "certificates", &format!("{name}.pem")),
            level,
            "",
            "",
        );
        is(
            about(&findings, "certificates", "gateway.test"),
            "ok",
            "",
            "",
        );
        is(
            about(&findings, "certificates", "other.test"),
            "fault",
            "gateway.test",
            "subject alternative name",
        );
    }
}

#[tokio::test]
async fn a_configuration_that_is_invalid_cannot_be_examined() {
    let (_, stderr) = Doctor::of("[nats]\npull_slots = 0\n")
        .run("")
        .await
        .failed(USAGE);

    assert!(stderr.contains("nats.pull_slots"), "{stderr}");
}
