//! The documents: the README's commands are run as they stand there, and what the documents name is there.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use std::{env, fs, io};

use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::{Clients, Process, SOON, eventually, http_get, nats_server_path};
use crate::walkthrough;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The longest that all commands of the README may take; by themselves they take about 15 s.
const LONGEST: Duration = Duration::from_secs(120);

/// A comment that says that the command after it fails, and how: `# fails: WRONG_STREAM`.
const FAILURES: [&str; 2] = ["# fails: ", "# ends with: "];

/// Metrics that appear once there is something to count, or a tenant.
const RARE_METRICS: [&str; 10] = [
    "jetgate_caller_limits_total",
    "jetgate_policy_denials_total",
    "jetgate_refused_connections_total",
    "jetgate_session_stalls_total",
    "jetgate_stalled_sessions",
    "jetgate_tenant_connected",
    "jetgate_tenant_login_failures_total",
    "jetgate_tenant_reconnects_total",
    "jetgate_tenant_refused_calls_total",
    "jetgate_token_key_lookups_total",
];

#[tokio::test]
async fn the_commands_of_the_readme_do_what_it_says() {
    let folder = TempDir::new().unwrap();
    let process = dev(folder.path());
    let public = process.address_after("gRPC ").await.to_string();
    let admin = process.address_after("http://").await.to_string();
    let ready = format!("http://{admin}/readyz");
    eventually(SOON, async || {
        (http_get(&ready).await?.0 == 200).then_some(())
    })
    .await;
    let Some(grpcurl) = grpcurl() else {
        tell("there is no grpcurl: the README's tour is made by generated clients\n");
        return walkthrough::tour(&Clients::at(public.parse().unwrap()), 1).await;
    };

    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(grpcurl, bin.join("grpcurl")).unwrap();
    let blocks: Vec<String> = commands()
        .iter()
        .map(|block| {
            block
                .replace("127.0.0.1:50051", &public)
                .replace("127.0.0.1:50052", &admin)
                .replace("target/debug/jetgate", env!("CARGO_BIN_EXE_jetgate"))
        })
        .collect();
    let output = run(&script(&blocks), &bin).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");

    check_tour(&Ran::new(&blocks, &text));
    let (_, metrics) = http_get(&format!("http://{admin}/metrics")).await.unwrap();
    let page = fs::read_to_string(Path::new(ROOT).join("deploy/metrics.md")).unwrap();
    let names = ["jetgate_", "grpc_server_"].map(|prefix| words(&page, prefix));
    for name in names.concat() {
        let is_there = metrics.contains(&format!("\n{name}")) || RARE_METRICS.contains(&&*name);
        assert!(is_there, "no {name} in\n{metrics}");
    }
}

/// What each block of the tour must have printed.
fn check_tour(ran: &Ran) {
    let created = ran.output("StreamService/CreateStream");
    assert_contains(created, r#""maxAge": "604800s""#);

    let refused = ran.output(r#""max_age": "86400s""#);
    assert_contains(refused, r#""differs": "max_age""#);
    for line in shown_error().lines() {
        // What is for people may change.
        if !line.trim_start().starts_with("Message:") {
            assert_contains(refused, line.trim());
        }
    }

    assert_contains(ran.output("users.registration"), r#""sequence": "1""#);
    let twice = ran.output("unique-msg-id-123");
    assert_eq!(twice.matches(r#""sequence": "2""#).count(), 2, "{twice}");
    assert_eq!(twice.matches(r#""duplicate": true"#).count(), 1, "{twice}");
    assert_contains(ran.output("CreateConsumer"), r#""maxDeliver": "5""#);

    let fetched = ran.output("SubscriberService/Fetch");
    assert_contains(fetched, r#"\"user_id\":42"#);
    assert_contains(fetched, r#""text": "ada logged in""#);
    let settled = ran.output("ACK_KIND_NAK");
    let settled: String = settled.split_whitespace().collect();
    assert_eq!(settled, r#"{"results":[{},{}]}"#);

    // Fetch names the consumer as well.
    let subscribed = ran.output("-max-time 5 -d '{\"stream\": \"USER_EVENTS\", \"consumer\"");
    assert_contains(subscribed, r#""deliveryAttempt": 2"#);
    assert_contains(subscribed, r#""text": "ada logged in""#);
    assert!(!subscribed.contains("user_id"), "{subscribed}");
    let terminated = ran.output("ACK_KIND_TERM");
    let terminated: String = terminated.split_whitespace().collect();
    assert_eq!(terminated, r#"{"results":[{}]}"#);
    let replayed = ran.output("ReplayDeadLetters");
    assert_contains(replayed, r#""reason": "unknown user""#);
    assert_contains(replayed, r#""published": "1""#);
    let streamed = ran.output("PublishStream");
    assert_contains(streamed, r#""lastNumber": "2""#);
    assert_contains(streamed, "NO_STREAM_FOR_SUBJECT");
    let ordered = ran.output(r#""ordered": "#);
    assert_contains(ordered, "ACK_POLICY_NONE");
    assert_contains(ordered, "user_id");
    assert_contains(ordered, "ada logged in");

    assert_contains(ran.output("GetStream"), r#""messages": "2""#);
    check_command_line(ran);
    assert_contains(ran.output("Health/Check"), "SERVING");
    assert_contains(ran.output("GetInfo"), "GATEWAY_STATE_READY");
    assert_contains(
        ran.output("config print"),
        r#"url = "nats://127.0.0.1:4222""#,
    );
}

/// What the client commands must have printed.
fn check_command_line(ran: &Ran) {
    let looked = ran.output("jetgate stream ls");
    assert_contains(looked, "stored in USER_EVENTS at ");
    assert_contains(looked, "grace logged in");
    assert_contains(
        looked,
        "Consumer user-event-processor of stream USER_EVENTS",
    );
    assert_contains(looked, "SESSION OF");
    // The tour's stream has no description, and otherwise what the file describes.
    let applied = ran.output("jetgate stream apply");
    let updated = "UPDATED    stream USER_EVENTS\n             description: What users do\n";
    assert_eq!(applied.matches(updated).count(), 2, "{applied}");
    assert_contains(
        applied,
        "UNCHANGED  consumer USER_EVENTS/user-event-processor",
    );
}

#[test]
fn make_has_the_targets_of_the_readme() {
    let blocks = blocks(&readme());
    let targets: Vec<&str> = blocks
        .iter()
        .filter_map(|block| make_target(block))
        .collect();

    assert_eq!(targets, ["run", "test"]);
    for target in targets {
        let mut make = Command::new("make");
        make.args(["--dry-run", target]).current_dir(ROOT);
        let output = make.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn the_documents_name_only_what_is_there() {
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "clients/README.md",
    ];
    for document in documents {
        let text = fs::read_to_string(Path::new(ROOT).join(document)).unwrap();
        let folder = Path::new(ROOT).join(document);
        let folder = folder.parent().unwrap();
        for link in links(&text) {
            assert!(folder.join(&link).exists(), "{document} links to {link}");
        }
        for path in paths(&text) {
            let path = Path::new(ROOT).join(path);
            assert!(path.exists(), "{document} names {}", path.display());
        }
    }
}

/// `jetgate dev` on free ports.
fn dev(folder: &Path) -> Process {
    let store = folder.join("store");
    Process::start([
        "dev".into(),
        "--listen=127.0.0.1:0".into(),
        "--admin-listen=127.0.0.1:0".into(),
        "--console-listen=127.0.0.1:0".into(),
        "--store-dir".into(),
        store.into_os_string(),
        "--nats-server".into(),
        nats_server_path().clone().into_os_string(),
    ])
}

/// The grpcurl of `make test`, or an installed one.
fn grpcurl() -> Option<PathBuf> {
    if let Some(path) = env::var_os("JETGATE_TEST_GRPCURL") {
        return Some(path.into());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join("grpcurl"))
        .find(|program| program.is_file())
}

/// Prints even where the output of tests that pass is not shown.
fn tell(text: &str) {
    io::Write::write_all(&mut io::stderr(), text.as_bytes()).unwrap();
}

/// What the README shows as commands, but for `make`.
fn commands() -> Vec<String> {
    let mut blocks = blocks(&readme());
    blocks.retain(|block| make_target(block).is_none());
    assert!(blocks.len() > 10, "the README has its tour");
    blocks
}

fn make_target(block: &str) -> Option<&str> {
    block.trim().strip_prefix("make ")
}

/// One script, so that a block sees the variables of those before it, as it does in a terminal.
fn script(blocks: &[String]) -> String {
    let mut script = String::from("set -euo pipefail\n");
    for (number, block) in blocks.iter().enumerate() {
        script += &format!("echo '{}'\n", mark(number));
        script += &match expected_failure(block) {
            None => format!("{{\n{block}\n}} 2>&1\n"),
            Some(_) => {
                format!("if {{\n{block}\n}} 2>&1; then echo 'this should fail'; exit 1; fi\n")
            }
        };
    }
    script
}

async fn run(script: &str, bin: &Path) -> Output {
    let path = env::var("PATH").unwrap_or_default();
    let mut bash = tokio::process::Command::new("bash");
    bash.args(["-c", script])
        .current_dir(ROOT)
        .env("PATH", format!("{}:{path}", bin.display()))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // What configures our own environment is not the README's.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("JETGATE_") {
            bash.env_remove(name);
        }
    }
    let output = timeout(LONGEST, bash.output()).await;
    output.expect("the commands end").unwrap()
}

/// What each block printed.
struct Ran(Vec<(String, String)>);

impl Ran {
    /// Checks as well that what must fail failed as it says.
    fn new(blocks: &[String], output: &str) -> Self {
        let mut ran = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            let (_, printed) = output.split_once(&mark(number)).unwrap();
            let end = printed.find(&mark(number + 1)).unwrap_or(printed.len());
            if let Some(failure) = expected_failure(block) {
                assert_contains(&printed[..end], failure);
            }
            ran.push((block.clone(), printed[..end].to_owned()));
        }
        Self(ran)
    }

    /// What the first block printed that contains `command`.
    fn output(&self, command: &str) -> &str {
        let block = self.0.iter().find(|(block, _)| block.contains(command));
        &block.unwrap_or_else(|| panic!("no block with {command}")).1
    }
}

fn mark(number: usize) -> String {
    format!("--- block {number} ---")
}

fn expected_failure(block: &str) -> Option<&str> {
    let first = block.lines().next()?;
    FAILURES
        .iter()
        .find_map(|prefix| first.strip_prefix(prefix))
}

#[track_caller]
fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "no {part} in\n{text}");
}

fn readme() -> String {
    fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap()
}

/// The blocks between ```` ```sh ```` and ```` ``` ````.
fn blocks(text: &str) -> Vec<String> {
    let begins = text.split("\n```sh\n").skip(1);
    begins
        .map(|rest| rest.split_once("\n```").unwrap().0.to_owned())
        .collect()
}

fn shown_error() -> String {
    let readme = readme();
    let (_, rest) = readme.split_once("\n```text\n").unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// The targets of links into this repository.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .map(str::to_owned)
        .collect()
}

/// The paths in backticks that begin with a folder of this repository.
fn paths(text: &str) -> Vec<String> {
    let folders = [
        "gateway/", "proto/", "deploy/", "tests/", "clients/", ".ci/",
    ];
    let is_path = |word: &&str| folders.iter().any(|folder| word.starts_with(folder));
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_whitespace().next())
        .filter(is_path)
        .map(str::to_owned)
        .collect()
}

/// The words in backticks that begin with `prefix`.
fn words(text: &str, prefix: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|word| word.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}
