//! A real nats-server on a port and in a folder of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use super::{Port, SOON, Wire};

/// How much of its log a failed test shows.
const SHOWN_LOG_LINES: usize = 60;

/// A nats-server that ends with this value.
pub(crate) struct NatsServer {
    folder: TempDir,
    jetstream: bool,
    /// A restart takes the same.
    port: Port,
    /// Chosen anew by each start.
    monitoring_port: u16,
    running: Option<Running>,
}

struct Running {
    server: Child,
    /// Ends the server when the test process is killed and cannot do so itself.
    watchdog: Child,
}

impl NatsServer {
    /// A server with JetStream and otherwise its own defaults.
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// A server with JetStream and these lines in its configuration: `max_payload: 65536`.
    pub(crate) async fn start_with(config: &str) -> Self {
        Self::start_or_panic(config, true).await
    }

    /// A server without JetStream.
    pub(crate) async fn start_without_jetstream() -> Self {
        Self::start_or_panic("", false).await
    }

    async fn start_or_panic(config: &str, jetstream: bool) -> Self {
        let mut server = Self::prepare(config, jetstream);
        if let Err(problem) = server.launch().await {
            panic!("nats-server did not start: {problem}");
        }
        server
    }

    /// A server that is not started yet.
    pub(crate) fn prepare(config: &str, jetstream: bool) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("jetgate-test-")
            .tempdir()
            .unwrap();
        fs::write(folder.path().join("nats.conf"), config).unwrap();
        Self {
            folder,
            jetstream,
            port: Port::reserve(),
            monitoring_port: 0,
            running: None,
        }
    }

    /// Where clients connect to.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Where clients connect to, as a socket address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Where its monitoring is: `http://127.0.0.1:PORT`.
    pub(crate) fn monitoring_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitoring_port)
    }

    /// A client of our own, independent of the gateway.
    pub(crate) async fn wire(&self) -> Wire {
        Wire::connect(self.address()).await
    }

    /// Whether the server runs.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Ends the server as a crash does (SIGKILL). Its data stays.
    pub(crate) fn kill(&mut self) {
        let Some(Running {
            mut server,
            mut watchdog,
        }) = self.running.take()
        else {
            return;
        };
        for process in [&mut watchdog, &mut server] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts the server again, on the same port and with the same data. Kills it first if it runs.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        // The port may still be a closed connection's for a moment.
        let started = Instant::now();
        while let Err(problem) = self.launch().await {
            assert!(
                started.elapsed() < SOON,
                "nats-server did not start again: {problem}"
            );
        }
    }

    /// Stops the server as a hung machine does: its connections stay and nothing is answered.
    pub(crate) fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        // The signal is sent, not yet obeyed: wait for the news that every thread has stopped.
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).unwrap();
    }

    /// Lets a paused server go on.
    pub(crate) fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// Goes on with other lines in its configuration, as an operator changes it.
    pub(crate) fn reconfigure(&self, config: &str) {
        fs::write(self.folder.path().join("nats.conf"), config).unwrap();
        kill_process(self.pid(), Signal::HUP).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.running.as_ref().expect("the server runs").server)
    }

    /// Starts the process and waits until it takes connections.
    pub(crate) async fn launch(&mut self) -> Result<(), String> {
        let folder = self.folder.path();
        let mut command = Command::new(nats_server_path());
        command.arg("--config").arg(folder.join("nats.conf"));
        command.args(["--addr", "127.0.0.1"]);
        command.args([
            "--port",
            &self.port.number().to_string(),
            "--http_port",
            // Another one after a restart: only clients must find the server where it was.
            "-1",
        ]);
        command.arg("--ports_file_dir").arg(folder);
        command.arg("--log").arg(folder.join("nats.log"));
        if self.jetstream {
            command
                .arg("--jetstream")
                .arg("--store_dir")
                .arg(folder.join("store"));
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = command.spawn().map_err(|error| error.to_string())?;
        let watchdog = watchdog(server.id());
        self.running = Some(Running { server, watchdog });

        let started = Instant::now();
        while !self.is_listening() {
            let running = self.running.as_mut().expect("just started");
            let ended = running
                .server
                .try_wait()
                .map_err(|error| error.to_string())?;
            if ended.is_some() || started.elapsed() > SOON {
                self.kill();
                return Err(self.log());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Reads the file of its ports, which the server writes once it listens.
    fn is_listening(&mut self) -> bool {
        let running = self.running.as_ref().expect("started");
        let name = nats_server_path().file_name().unwrap().to_string_lossy();
        let file = self
            .folder
            .path()
            .join(format!("{name}_{}.ports", running.server.id()));
        let Ok(text) = fs::read_to_string(file) else {
            return false;
        };
        let Ok(ports) = serde_json::from_str::<Value>(&text) else {
            return false;
        };
        let url = ports["monitoring"][0].as_str();
        let port = url.and_then(|url| url.rsplit_once(':')?.1.parse().ok());
        self.monitoring_port = port.unwrap_or_default();
        port.is_some()
    }

    /// The server's log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("nats.log")).unwrap_or_default()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(SHOWN_LOG_LINES)..].join("\n");
            eprintln!("--- nats-server at {}\n{end}\n---", self.address());
        }
    }
}

/// The nats-server of the tests: the one named by `JETGATE_TEST_NATS_SERVER`, otherwise the pinned one.
pub(crate) fn nats_server_path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("JETGATE_TEST_NATS_SERVER") {
            return path.into();
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/dev/nats-server.sh");
        let output = Command::new(script).arg("--pinned").output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim_end().into()
    })
}

/// Waits for the end of its input, which is the end of this process, and then kills `pid`.
fn watchdog(pid: u32) -> Child {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "read -r _; kill -9 \"$0\" 2>/dev/null",
        &pid.to_string(),
    ]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}
