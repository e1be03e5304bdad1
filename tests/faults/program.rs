//! A process under test: started, signalled, watched through `/proc`, and ended with this one.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::Result;

/// How long a process may take to end once it was told to.
const ENDING: Duration = Duration::from_secs(60);

/// How to start a program, again and again.
pub(crate) struct Program {
    command: Vec<PathBuf>,
    log: PathBuf,
    running: Option<Child>,
}

impl Program {
    /// The gateway's binary becomes the program, so that it ends even when this process is killed.
    pub(crate) fn new<A: AsRef<OsStr>>(
        gateway: &Path,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        log: PathBuf,
    ) -> Self {
        let parent = std::process::id().to_string();
        let mut command: Vec<PathBuf> = vec![gateway.into(), "exec-with-parent".into()];
        command.extend([parent.into(), "--".into(), program.into()]);
        command.extend(
            arguments
                .into_iter()
                .map(|argument| PathBuf::from(argument.as_ref())),
        );
        Self {
            command,
            log,
            running: None,
        }
    }

    /// The same behind this beginning of its command line, which must become what follows it.
    pub(crate) fn on(mut self, prefix: Vec<String>) -> Self {
        self.command
            .splice(0..0, prefix.into_iter().map(PathBuf::from));
        self
    }

    /// Starts it, without this process's environment, which may configure it.
    pub(crate) fn start(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let (program, arguments) = self.command.split_first().ok_or("no program")?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        self.running = Some(child);
        Ok(())
    }

    /// Sends a signal; nothing where it does not run.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // It may have ended by itself.
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL);
        self.ended().await
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        if let Some(mut child) = self.running.take() {
            let ended = timeout(ENDING, child.wait()).await;
            ended.map_err(|_| format!("{} does not end", self.log.display()))??;
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        let running = self.running.as_mut();
        running.is_none_or(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    /// Open files and connections, and bytes of memory.
    pub(crate) fn descriptors_and_memory(&self) -> Result<(u64, u64)> {
        let pid = self.pid().ok_or("it does not run")?.as_raw_nonzero();
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
        let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
        let pages = statm.split_whitespace().nth(1).ok_or("statm is cut off")?;
        let page_size = rustix::param::page_size() as u64;
        Ok((descriptors, pages.parse::<u64>()? * page_size))
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Whether the process has panicked at some time, by its log.
    pub(crate) fn panics(&self) -> u64 {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.matches("panicked at").count() as u64
    }

    /// The number of its process, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.running.as_ref()?.id()
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.id()?).ok()?)
    }
}
