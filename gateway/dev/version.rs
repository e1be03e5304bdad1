//! Which nats-server is it, and is it recent enough?

use std::{path::Path, time::Duration};

use tokio::{process::Command, time::timeout};

use super::DevError;
use crate::nats::version::Version;

/// Longest wait for `--version`.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks `program` for its version.
///
/// # Errors
///
/// When it cannot be run, does not answer, or is too old.
pub(super) async fn check(program: &Path) -> Result<(), DevError> {
    let name = program.display().to_string();
    let asking = Command::new(program)
        .arg("--version")
        .kill_on_drop(true)
        .output();
    let output = match timeout(TIMEOUT, asking).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => {
            return Err(DevError::Program {
                program: name,
                source,
            });
        }
        Err(elapsed) => {
            return Err(DevError::Program {
                program: name,
                source: elapsed.into(),
            });
        }
    };
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match parse(&found) {
        Some(version) if version.is_recent_enough() => Ok(()),
        _ => Err(DevError::TooOld {
            program: name,
            found,
        }),
    }
}

/// Reads `nats-server: v2.15.1`.
fn parse(text: &str) -> Option<Version> {
    let (_, version) = text.rsplit_once(' ')?;
    Version::parse(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_nats_server_prints() {
        assert_eq!(parse("nats-server: v2.15.1"), Version::parse("2.15.1"));
        assert!(parse("nats-server: v2.14.0-RC.1").is_some());
        assert_eq!(parse("something else"), None);
    }
}
