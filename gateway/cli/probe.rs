//! `jetgate probe`: asks `/readyz`, for containers that have no shell and no curl.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use clap::Args;

/// Longest time for the whole exchange; below the timeouts that are usual for health checks.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The answer is a status line, a few headers and one line of text.
const MAX_ANSWER: u64 = 4096;

/// Arguments of `jetgate probe`.
#[derive(Args, Debug)]
pub struct Probe {
    /// The gateway's admin address
    #[arg(
        long,
        value_name = "ADDR",
        env = "JETGATE_ADMIN_LISTEN",
        default_value = "127.0.0.1:50052"
    )]
    admin: SocketAddr,
}

/// Why the gateway does not count as ready.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nobody answered.
    #[error("no answer from {0}: {1}")]
    NoAnswer(SocketAddr, io::Error),
    /// It says so itself, and why.
    #[error("{0}")]
    NotReady(String),
}

impl Probe {
    /// Asks once.
    ///
    /// # Errors
    ///
    /// When the gateway is not ready, or does not answer within 3 s.
    pub fn run(&self) -> Result<(), ProbeError> {
        let address = reachable(self.admin);
        let answer = ask(address).map_err(|error| ProbeError::NoAnswer(address, error))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if head.split(' ').nth(1) == Some("200") {
            return Ok(());
        }
        let reason = if body.is_empty() { head } else { body };
        Err(ProbeError::NotReady(reason.trim().to_owned()))
    }
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    let left = deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))?;
    // One write, so that the request arrives in one piece.
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Where a listener on `address` is reached from this machine.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    fn probe_of(answer: &'static str) -> Result<(), ProbeError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _request = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let result = Probe { admin }.run();
        server.join().unwrap();
        result
    }

    #[test]
    fn ready_is_status_200() {
        assert!(probe_of("HTTP/1.1 200 OK\r\n\r\nready\n").is_ok());
    }

    #[test]
    fn the_reason_is_passed_on() {
        let error = probe_of("HTTP/1.1 503 Service Unavailable\r\n\r\ndraining\n").unwrap_err();

        assert_eq!(error.to_string(), "draining");
    }

    #[test]
    fn any_address_is_reached_over_loopback() {
        assert_eq!(
            reachable("0.0.0.0:1".parse().unwrap()),
            "127.0.0.1:1".parse().unwrap()
        );
        assert_eq!(
            reachable("[::]:1".parse().unwrap()),
            "[::1]:1".parse().unwrap()
        );
        assert_eq!(
            reachable("10.0.0.1:1".parse().unwrap()),
            "10.0.0.1:1".parse().unwrap()
        );
    }
}
