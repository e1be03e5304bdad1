//! A mount namespace of this program's own: what it mounts is gone with it, however it ends.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Says that we are in it.
const ENTERED: &str = "JETGATE_FAULTS_NAMESPACE";

/// Becomes the same program in a namespace of its own, where the system lets it; otherwise goes on, and
/// nothing can be mounted.
pub(crate) fn enter() {
    if is_entered() || !is_allowed() {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    // Returns only where it failed.
    let _ = Command::new("unshare")
        .args(["--mount", "--"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(ENTERED, "1")
        .exec();
}

/// Whether this program is in a namespace of its own.
pub(crate) fn is_entered() -> bool {
    std::env::var_os(ENTERED).is_some()
}

fn is_allowed() -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["--mount", "--", "true"]).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
