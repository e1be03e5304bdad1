//! Ports for what ends and starts again: its callers find it there, and no other test's server.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as Name, UnixDatagram};

/// Below those that the kernel gives to whoever asks for any.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// A port of 127.0.0.1 that no other test chooses while this value lives.
pub(crate) struct Port {
    number: u16,
    /// Says that it is chosen, to the clients' tests as well: a name that goes with its process.
    _mark: UnixDatagram,
}

impl Port {
    /// One that is free.
    pub(crate) fn reserve() -> Self {
        loop {
            let number = fastrand::u16(RANGE);
            let name = format!("jetgate-port-{number}");
            let name = Name::from_abstract_name(name).expect("a short name");
            let Ok(mark) = UnixDatagram::bind_addr(&name) else {
                continue;
            };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Self {
                    number,
                    _mark: mark,
                };
            }
        }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}
