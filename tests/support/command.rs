//! The real binary as a command of a person: run to its end, with what it printed.

use std::net::SocketAddr;
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::SOON;

/// `jetgate` with a gateway that its commands call.
pub(crate) struct Jetgate {
    url: String,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Jetgate {
    /// Calls whatever listens there.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            url: format!("http://{address}"),
        }
    }

    /// Where the gateway is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Runs a command: `["stream", "ls"]`.
    pub(crate) async fn run<const N: usize>(&self, arguments: [&str; N]) -> Ran {
        self.run_with(arguments, "").await
    }

    /// Runs a command with this on its stdin.
    pub(crate) async fn run_with<const N: usize>(&self, arguments: [&str; N], stdin: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jetgate"));
        command.args(arguments);
        self.finish(command, stdin).await
    }

    /// Runs a line of shell, in which `jetgate` is the binary.
    pub(crate) async fn shell(&self, line: &str) -> Ran {
        let mut command = Command::new("bash");
        let script = format!(
            "jetgate() {{ {} \"$@\"; }}\n{line}",
            env!("CARGO_BIN_EXE_jetgate")
        );
        command.args(["-c", &script]);
        self.finish(command, "").await
    }

    async fn finish(&self, mut command: Command, stdin: &str) -> Ran {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("JETGATE_URL", &self.url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // A command that reads no stdin may have ended before.
        let _ = pipe.write_all(stdin.as_bytes()).await;
        drop(pipe);
        let output = timeout(SOON * 2, child.wait_with_output()).await;
        output.expect("the command ends").unwrap().into()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// How it ended.
    pub(crate) fn code(&self) -> Option<i32> {
        self.code
    }

    /// What it printed; it must have succeeded without a word on stderr.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// The objects that it printed, one a line; it must have succeeded.
    #[track_caller]
    pub(crate) fn objects(self) -> Vec<Value> {
        self.reported(0)
    }

    /// The objects that it printed, without a word on stderr; it must have ended with this code.
    #[track_caller]
    pub(crate) fn reported(self, code: i32) -> Vec<Value> {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (Some(code), ""),
            "{self:?}"
        );
        let object = |line| serde_json::from_str(line).expect("each line is an object");
        self.stdout.lines().map(object).collect()
    }

    /// The only object that it printed; it must have succeeded.
    #[track_caller]
    pub(crate) fn object(self) -> Value {
        let objects = self.objects();
        assert_eq!(objects.len(), 1, "{objects:?}");
        objects.into_iter().next().unwrap()
    }

    /// What it printed, and what it said on stderr; it must have failed with this code.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> (String, String) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.starts_with("jetgate: "), "{self:?}");
        (self.stdout, self.stderr)
    }
}
