//! A program that is measured: started, watched through `/proc`, and ended with this process.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::Result;

/// How long a program may take until it listens.
const STARTING: Duration = Duration::from_secs(20);

/// A child process, killed with this value.
pub(crate) struct Program {
    id: u32,
    _child: Child,
}

impl Program {
    /// Starts `program` without this process's environment, which may configure it, and waits until
    /// it has logged its address: what follows `label`.
    ///
    /// The gateway's binary becomes the program, so that it ends even when this process is killed.
    pub(crate) async fn start<A: AsRef<OsStr>>(
        gateway: &Path,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
        label: &'static str,
    ) -> Result<(Self, String)> {
        let mut child = Command::new(gateway)
            .arg("exec-with-parent")
            .arg(std::process::id().to_string())
            .arg("--")
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", gateway.display()))?;
        let id = child.id().ok_or("a program ended at once")?;
        let log = child.stderr.take().ok_or("a program has no log")?;
        let (found, finding) = oneshot::channel();
        tokio::spawn(read(log, label, found));
        let address = timeout(STARTING, finding)
            .await
            .map_err(|_| format!("{} does not start", program.display()))???;
        Ok((Self { id, _child: child }, address))
    }

    /// The processor time that it has used, in user and kernel mode, by all its threads.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        // The second field is the program's name in parentheses and may hold anything.
        let stat = self.read("stat")?;
        let (_, fields) = stat.rsplit_once(')').ok_or("/proc/PID/stat is cut off")?;
        let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        let (Some(Ok(user)), Some(Ok(system))) = (times.next(), times.next()) else {
            return Err("/proc/PID/stat is not understood".into());
        };
        let seconds = (user + system) as f64 / clock_ticks_per_second() as f64;
        Ok(Duration::from_secs_f64(seconds))
    }

    /// The bytes of memory that it has resident.
    pub(crate) fn resident(&self) -> Result<u64> {
        let statm = self.read("statm")?;
        let pages = statm.split_whitespace().nth(1);
        let pages: u64 = pages.ok_or("/proc/PID/statm is cut off")?.parse()?;
        Ok(pages * page_size() as u64)
    }

    fn read(&self, file: &str) -> Result<String> {
        Ok(fs::read_to_string(format!("/proc/{}/{file}", self.id))?)
    }
}

/// Reads a log to its end, so that the program never waits for a reader, and reports the address in it.
async fn read(log: ChildStderr, label: &str, found: oneshot::Sender<Result<String>>) {
    let mut found = Some(found);
    let mut before = String::new();
    let mut lines = BufReader::new(log).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(sender) = found.take() else { continue };
        let address = line.split_once(label).map(|(_, rest)| rest.trim_start());
        match address.and_then(|rest| rest.split_whitespace().next()) {
            Some(address) => drop(sender.send(Ok(address.to_owned()))),
            None => {
                before = before + &line + "\n";
                found = Some(sender);
            }
        }
    }
    if let Some(sender) = found {
        let _ = sender.send(Err(format!("a program ended early:\n{before}").into()));
    }
}
