//! The real binary as a child process.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{SOON, eventually};

/// A running `jetgate`, killed with this value.
pub(crate) struct Process {
    child: Child,
    /// What it wrote so far, on stdout and on stderr.
    output: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `jetgate` with these arguments and without our environment, which may configure it.
    pub(crate) fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jetgate"));
        command.args(arguments);
        Self::spawn(command)
    }

    /// The same, where it may have only so many files open: at first, and at most.
    pub(crate) fn with_open_files<A: AsRef<OsStr>>(
        (first, most): (u32, u32),
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut command = Command::new("/bin/sh");
        let limited = format!("ulimit -Sn {first} && ulimit -Hn {most} && exec \"$0\" \"$@\"");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_jetgate")]);
        command.args(arguments);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        command.env_clear().kill_on_drop(true);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        tokio::spawn(collect(child.stdout.take().unwrap(), Arc::clone(&output)));
        tokio::spawn(collect(child.stderr.take().unwrap(), Arc::clone(&output)));
        Self { child, output }
    }

    /// What it wrote so far.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits until it has written an address behind `label`, and returns that.
    pub(crate) async fn address_after(&self, label: &str) -> SocketAddr {
        eventually(SOON, async || {
            let output = self.output();
            let (_, rest) = output.split_once(label)?;
            // Only a whole line is sure to hold the whole address.
            let (line, _) = rest.split_once('\n')?;
            let is_of_address = |c: char| c.is_ascii_digit() || ".:".contains(c);
            let address = line.trim_start();
            let end = address.find(|c| !is_of_address(c)).unwrap_or(address.len());
            address[..end].parse().ok()
        })
        .await
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(i32::try_from(self.id()).unwrap()).unwrap();
        kill_process(process, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self, deadline: Duration) -> ExitStatus {
        let ended = timeout(deadline, self.child.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("it does not end:\n{}", self.output()))
            .unwrap()
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- jetgate\n{}\n---", self.output());
        }
    }
}

async fn collect(from: impl AsyncRead + Unpin, output: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut output = output.lock().unwrap();
        output.push_str(&line);
        output.push('\n');
    }
}
