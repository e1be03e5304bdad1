//! Which nats-server is it, and is it recent enough?

use std::{path::Path, time::Duration};

use tokio::{process::Command, time::timeout};

use super::DevError;

/// The oldest major and minor version that the gateway works with.
const OLDEST: (u32, u32) = (2, 14);

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
        Some(version) if version >= OLDEST => Ok(()),
        _ => Err(DevError::TooOld {
            program: name,
            found,
        }),
    }
}

/// Reads `nats-server: v2.15.1`.
fn parse(text: &str) -> Option<(u32, u32)> {
    let version = text.rsplit_once(' ').map_or(text, |(_, version)| version);
    let mut numbers = version.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_nats_server_prints() {
        assert_eq!(parse("nats-server: v2.15.1"), Some((2, 15)));
        assert_eq!(parse("nats-server: v2.14.0-RC.1"), Some((2, 14)));
        assert_eq!(parse("something else"), None);
    }

    #[test]
    fn minor_versions_are_numbers() {
        assert!(parse("nats-server: v2.9.25") < Some(OLDEST));
        assert!(parse("nats-server: v3.0.0") > Some(OLDEST));
    }
}
