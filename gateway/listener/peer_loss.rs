//! Finds peers that vanished without a word, by TCP: HTTP/1.1 has no pings.

use std::time::Duration;

use rustix::io::Result;
use rustix::net::sockopt;
use tokio::net::TcpStream;

/// Silence after which the system asks whether the peer is there, and how often it asks.
const ASK_AFTER: Duration = Duration::from_secs(15);

/// How long the peer's system may take nothing of what is sent, answers to that question included.
/// A page that reads nothing for so long is gone, too.
const GONE_AFTER: Duration = Duration::from_secs(60);

/// Has the system end the connection when its peer is gone.
pub(super) fn watch(stream: &TcpStream) -> Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, ASK_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, ASK_AFTER)?;
    let questions = GONE_AFTER.as_secs() / ASK_AFTER.as_secs();
    sockopt::set_tcp_keepcnt(stream, u32::try_from(questions).unwrap_or(1))?;
    give_up_after(stream)
}

#[cfg(target_os = "linux")]
fn give_up_after(stream: &TcpStream) -> Result<()> {
    let milliseconds = u32::try_from(GONE_AFTER.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, milliseconds)
}

/// Elsewhere the system has a bound of its own for what is not taken, of minutes.
#[cfg(not(target_os = "linux"))]
fn give_up_after(_stream: &TcpStream) -> Result<()> {
    Ok(())
}
