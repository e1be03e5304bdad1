//! HTTP/2 as h2spec checks it, on the public listener: what deviates is known, and why.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{SOON, program, start};

/// How long h2spec waits for a frame, in seconds.
const PATIENCE: &str = "3";

/// How often what fails is tried again: h2spec asks for a page and sends something wrong behind that. Where
/// the answer is faster than the rest, it is taken for the answer to the rest.
const ATTEMPTS: usize = 4;

/// What fails however often it is tried.
const KNOWN: [&str; 3] = [
    // The answer to a call that is none has no DATA frame: its status is in its only HEADERS frame.
    "generic/2: Sends a WINDOW_UPDATE frame on half-closed (remote) stream",
    "generic/2: Sends a PRIORITY frame on half-closed (remote) stream",
    // Whoever speaks HTTP/1.1 is told so in HTTP/1.1 before the connection is closed.
    "http2/3.5: Sends invalid connection preface",
];

/// What fails now and then.
const RACES: [&str; 1] = [
    // A call that is none is answered at once: on a machine that is fast, or slow in the right places, there
    // are never so many at a time.
    "http2/5.1.2: Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded",
];

#[tokio::test]
async fn every_deviation_from_the_protocol_is_known() {
    let Some(h2spec) = program("JETGATE_TEST_H2SPEC") else {
        return;
    };
    let (_nats, gateway) = start().await;
    let first = checked(&h2spec, gateway.public(), &[]).await;
    assert!(first.passed > 100, "{} passed", first.passed);
    let known = BTreeSet::from(KNOWN.map(str::to_owned));
    let mut failed = first.failed;
    failed.retain(|case| !RACES.contains(&case.as_str()));
    for _ in 1..ATTEMPTS {
        let unknown: Vec<_> = failed.difference(&known).cloned().collect();
        for case in unknown {
            let (section, _) = case.split_once(':').unwrap();
            let again = checked(&h2spec, gateway.public(), &[section]).await;
            if !again.failed.contains(&case) {
                failed.remove(&case);
            }
        }
    }
    assert_eq!(failed, known);
}

struct Checked {
    passed: usize,
    failed: BTreeSet<String>,
}

/// Runs some sections of h2spec, or all.
async fn checked(h2spec: &Path, gateway: SocketAddr, sections: &[&str]) -> Checked {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.xml");
    let mut command = Command::new(h2spec);
    command.args(sections).args(["--host", "127.0.0.1"]);
    command.args(["--port", &gateway.port().to_string()]);
    command.args(["--path", "/jetgate.v1.GatewayService/GetInfo"]);
    command.args(["--timeout", PATIENCE]);
    command.arg("--junit-report").arg(&report);
    let output = timeout(3 * SOON, command.kill_on_drop(true).output()).await;
    let output = output.expect("h2spec does not end").unwrap();
    let report = std::fs::read_to_string(report)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stdout)));
    read(&report)
}

/// Reads the report: a test case is empty where it passed, and has an element for what became of it otherwise.
fn read(report: &str) -> Checked {
    let mut checked = Checked {
        passed: 0,
        failed: BTreeSet::new(),
    };
    let attribute = |case: &str, name: &str| {
        let (_, rest) = case.split_once(&format!("{name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    for case in report.split("<testcase ").skip(1) {
        let result = case.split_once('>').unwrap().1.trim_start();
        if result.starts_with("<error") || result.starts_with("<failure") {
            let (section, title) = (attribute(case, "package"), attribute(case, "classname"));
            checked.failed.insert(format!("{section}: {title}"));
        } else if !result.starts_with("<skipped") {
            checked.passed += 1;
        }
    }
    checked
}
