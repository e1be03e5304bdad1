//! gRPC-Web, for pages in browsers: these cannot read HTTP/2's trailers, so the status comes as the last
//! frame of the body, and they ask first whether their page may call at all (CORS).
//!
//! Off unless origins are named. Where it is on, the listener takes HTTP/1.1 as well.

mod body;
mod cors;
mod layer;
mod media_type;
mod origins;
mod text;

use serde::{Deserialize, Serialize};

use crate::config::Checks;

pub(crate) use self::layer::{Answer, Web};
pub use self::origins::{Origins, ParseOriginsError};

/// Which pages may call the gateway.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Origins of pages, separated by commas: `https://app.example.com`, `http://localhost:*` for every
    /// port, or `*` for every page there is. Default: none, no gRPC-Web and no HTTP/1.1.
    pub origins: Origins,
}

impl Config {
    /// Whether gRPC-Web is served.
    pub fn is_enabled(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Every page there is: something in front has judged where they are from.
    pub(crate) fn judged_before() -> Self {
        Self {
            origins: Origins::any(),
        }
    }

    /// These, with the pages of this machine where no others are named.
    #[must_use]
    pub fn or_local(self) -> Self {
        match self.is_enabled() {
            true => self,
            false => Self {
                origins: Origins::local(),
            },
        }
    }

    /// Origins are checked as they are read.
    pub(crate) fn check(&self, _checks: &mut Checks) {}
}
