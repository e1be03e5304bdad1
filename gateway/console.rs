//! The console: pages for people in browsers, on a listener of their own. What the pages ask goes through the
//! same stack as everybody's calls.
//!
//! They are made of `clients/console` by `make console`, and are inside a binary that was built afterwards.

mod files;
mod layer;
mod origin;

use std::net::{SocketAddr, TcpListener};

use serde::{Deserialize, Serialize};

pub(crate) use self::layer::Console;
use crate::config::Checks;
use crate::web::Origins;

/// The port beside those of gRPC, probes and metrics.
const USUAL: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 50053);

/// Where the console is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port; port 0 takes a free one. Default: none, no console.
    pub listen: Option<SocketAddr>,
    /// How browsers reach it where that is neither an address nor localhost, separated by commas:
    /// `https://console.example.com`. Other names are refused, so that no page on the web can have a browser
    /// take its name for this machine's. Default: none.
    pub origins: Origins,
    /// Connections open at a time, no more than `server.max_connections`; more are closed at once. Default 256.
    pub max_connections: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            origins: Origins::default(),
            max_connections: 256,
        }
    }
}

impl Config {
    /// This, with a port of this machine where none is named: the usual one, or any if that is taken.
    #[must_use]
    pub fn or_local(self) -> Self {
        let free = || match TcpListener::bind(USUAL) {
            Ok(_) => USUAL,
            Err(_) => SocketAddr::new(USUAL.ip(), 0),
        };
        Self {
            listen: self.listen.or_else(|| Some(free())),
            ..self
        }
    }

    /// Whether only this machine reaches it, if anybody.
    pub(crate) fn is_local(&self) -> bool {
        self.listen.is_none_or(|listen| listen.ip().is_loopback())
    }

    /// Notes what cannot work.
    pub(crate) fn check(&self, checks: &mut Checks) {
        let why = "must name the console's own origins: `*` would let every page on the web call";
        checks.within("max_connections", self.max_connections, 1..=1_000_000);
        checks.require(!self.origins.allow_any(), "origins", why);
    }
}
