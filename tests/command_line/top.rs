//! `jetgate top`.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

use super::{orders, worker};
use crate::support::{Process, SOON, eventually};

#[tokio::test]
async fn one_look_has_streams_and_consumers_with_their_lag() {
    let (_nats, _gateway, mut wire, jetgate) = orders(3).await;
    worker(&mut wire).await;

    let table = jetgate.run(["top", "--once"]).await.ok();
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert!(table.starts_with("jetgate "), "{table}");
    assert!(
        lines.iter().any(|it| it.starts_with(&["ORDERS", "3"])),
        "{table}"
    );
    assert!(
        lines
            .iter()
            .any(|it| it.starts_with(&["worker", "ORDERS", "3", "0"])),
        "{table}"
    );

    let object = jetgate.run(["top", "--once", "-o", "json"]).await.object();
    assert_eq!(object["gateway"]["state"], "ready");
    assert_eq!(object["streams"][0]["stream"]["state"]["messages"], 3);
    assert_eq!(object["streams"][0]["messages_per_second"], Value::Null);
    assert_eq!(
        object["consumers"][0]["consumer"]["state"]["num_pending"],
        3
    );
}

#[tokio::test]
async fn later_looks_say_how_fast_messages_come() {
    let (_nats, _gateway, mut wire, jetgate) = orders(0).await;
    let url = jetgate.url();
    let mut process = Process::start(["top", "-i", "200ms", "-o", "json", "-s", url]);

    eventually(SOON, async || {
        wire.store("orders.new", b"x").await;
        let output = process.output();
        let last: Value = serde_json::from_str(output.lines().next_back()?).ok()?;
        let rate = last["streams"][0]["messages_per_second"].as_f64()?;
        (rate > 0.0).then_some(())
    })
    .await;
    process.signal(Signal::INT);

    assert_eq!(process.ended(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn sessions_are_there_with_their_lag() {
    let (_nats, _gateway, _wire, jetgate) = orders(1).await;
    let process = Process::start(["sub", "ORDERS", "--server", jetgate.url()]);
    eventually(SOON, async || {
        process.output().contains("#1 ").then_some(())
    })
    .await;

    let table = jetgate.run(["top", "--once"]).await.ok();
    let session = table.lines().find(|line| line.starts_with("jetgate sub "));
    let session = session.unwrap_or_else(|| panic!("no session in {table}"));
    assert!(session.contains(" ORDERS "), "{table}");

    let object = jetgate.run(["top", "--once", "-o", "json"]).await.object();
    assert_eq!(object["sessions"][0]["client_name"], "jetgate sub");
    assert_eq!(object["sessions"][0]["message_count"], 1);
    assert_eq!(object["silent_replicas"], serde_json::json!([]));
}

#[tokio::test]
async fn trouble_is_told_and_passes() {
    let (mut nats, _gateway, _wire, jetgate) = orders(1).await;
    let arguments = ["top", "-i", "200ms", "--timeout", "1s", "-s", jetgate.url()];
    let process = Process::start(arguments);
    eventually(SOON, async || {
        process.output().contains("ORDERS").then_some(())
    })
    .await;

    nats.kill();
    eventually(SOON, async || {
        process.output().contains("NATS_DISCONNECTED").then_some(())
    })
    .await;
    nats.restart().await;

    let before = process.output().len();
    eventually(SOON, async || {
        process.output()[before..].contains("ready").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_terminal_is_drawn_over_and_given_back() {
    let (_nats, _gateway, mut wire, jetgate) = orders(1).await;
    for number in 0..20 {
        let config =
            serde_json::json!({"durable_name": format!("c{number}"), "ack_policy": "explicit"});
        wire.create_consumer("ORDERS", config).await;
    }
    let (terminal, screen) = terminal(10, 30);
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetgate"));
    command
        .args(["top", "-i", "200ms", "-s", jetgate.url()])
        .env_clear()
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::from(terminal.try_clone().unwrap()))
        .stderr(Stdio::from(terminal));
    let mut child = command.spawn().unwrap();
    drop(command); // Only the child holds the terminal now.
    let shown = || screen.lock().unwrap().clone();

    // Two looks, one over the other.
    eventually(SOON, async || {
        (shown().matches("\x1b[H").count() >= 2).then_some(())
    })
    .await;
    let text = shown();
    assert!(text.starts_with("\x1b[?1049h\x1b[?25l"), "{text:?}");
    let look = text.split("\x1b[H").nth(1).unwrap();
    let lines: Vec<&str> = look.split("\r\n").collect();
    assert!(lines.len() <= 10, "{lines:?}");
    assert!(look.contains("more"), "{look:?}");

    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let code = tokio::task::spawn_blocking(move || child.wait().unwrap().code())
        .await
        .unwrap();
    assert_eq!(code, Some(0));
    eventually(SOON, async || {
        shown().ends_with("\x1b[?25h\x1b[?1049l").then_some(())
    })
    .await;
}

/// A terminal of this size, and what it was sent so far.
fn terminal(rows: u16, columns: u16) -> (File, Arc<Mutex<String>>) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let name = name.to_str().unwrap();
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name)
        .unwrap();

    let screen = Arc::new(Mutex::new(String::new()));
    let sent = Arc::clone(&screen);
    let mut master = File::from(master);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // It ends with an error once nobody holds the terminal any more.
        while let Ok(count) = master.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
            sent.lock().unwrap().push_str(&text);
        }
    });
    (terminal, screen)
}
