//! A program that is measured: started, watched through `/proc`, and ended with this process.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::Result;

/// How long a program may take until it listens.
const STARTING: Duration = Duration::from_secs(20);

/// A child process, killed with this value.
pub(crate) struct Program(Child);

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
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", gateway.display()))?;
        let log = child.stderr.take();
        let started = Self(child);
        let (found, finding) = oneshot::channel();
        std::thread::spawn(move || log.map(|log| read(log, label, found)));
        let address = timeout(STARTING, finding)
            .await
            .map_err(|_| format!("{} does not start", program.display()))???;
        Ok((started, address))
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
        let id = self.0.id();
        Ok(fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        // Its files are removed next: it must not write any more.
        let _ = self.0.wait();
    }
}

/// Reads a log to its end, so that the program never waits for a reader, and reports the address in it.
fn read(log: ChildStderr, label: &str, found: oneshot::Sender<Result<String>>) {
    let mut lines = BufReader::new(log)
        .lines()
        .map_while(std::result::Result::ok);
    let mut before = String::new();
    let address = lines.find_map(|line| {
        before = format!("{before}{line}\n");
        let (_, rest) = line.split_once(label)?;
        rest.split_whitespace().next().map(str::to_owned)
    });
    // Fails where nobody waits any more.
    let _ = found.send(address.ok_or_else(|| format!("a program ended early:\n{before}").into()));
    lines.for_each(drop);
}
