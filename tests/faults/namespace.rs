//! Namespaces of this program's own: what it mounts and the networks that it makes are gone with it, however it
//! ends.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Says that we are in them.
const ENTERED: &str = "JETGATE_FAULTS_NAMESPACE";

/// What is tried, the most first: what `unshare` is told, and what proves that it is of use. A network of its own
/// has no loopback until somebody starts it, and names of further networks are mounts.
const KINDS: [(&[&str], &str); 2] = [
    (
        &["--mount", "--net"],
        "ip link set lo up && mkdir -p /run/netns && mount -t tmpfs jetgate-faults /run/netns \
         && ip link add cable type veth peer name other && tc qdisc add dev cable root blackhole \
         && ip link del cable",
    ),
    (&["--mount"], "true"),
];

/// Becomes the same program in namespaces of its own, as far as the system lets it; otherwise goes on, and
/// nothing can be mounted.
pub(crate) fn enter() {
    if is_entered() {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    for (kinds, proof) in KINDS {
        let mut probe = Command::new("unshare");
        probe.args(kinds).args(["--", "sh", "-c", proof]);
        probe.stdout(Stdio::null()).stderr(Stdio::null());
        if !probe.status().is_ok_and(|status| status.success()) {
            continue;
        }
        // Returns only where it failed.
        let _ = Command::new("unshare")
            .args(kinds)
            .args(["--", "sh", "-c", &format!("{proof} && exec \"$@\""), "sh"])
            .arg(&program)
            .args(std::env::args_os().skip(1))
            .env(ENTERED, kinds.concat())
            .exec();
    }
}

/// Whether this program is in a mount namespace of its own.
pub(crate) fn is_entered() -> bool {
    std::env::var_os(ENTERED).is_some()
}

/// Whether it may make networks.
pub(crate) fn has_network() -> bool {
    std::env::var_os(ENTERED).is_some_and(|kinds| kinds.to_string_lossy().contains("net"))
}
