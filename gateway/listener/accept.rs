//! The next connection of a listener, whatever the system refuses meanwhile.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The shortest and the longest pause after `accept` failed for want of resources.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// The next connection, or `None` when it is time to stop.
pub(crate) async fn accept(
    listener: &TcpListener,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr)> {
    let (mut pause, longest) = PAUSE;
    loop {
        let error = match stop.run_until_cancelled(listener.accept()).await? {
            Ok(accepted) => return Some(accepted),
            Err(error) => error,
        };
        if concerns_one_connection(&error) {
            continue;
        }
        // Out of file descriptors or memory: the connection stays in the kernel's queue and
        // `accept` fails again at once, so that without a pause this loop would take a whole core.
        tracing::warn!(%error, ?pause, "cannot accept connections");
        stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
        pause = (pause * 2).min(longest);
    }
}

/// Whether the client went away between connecting and being accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    [
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        Interrupted,
    ]
    .contains(&error.kind())
}
