//! A session's id as callers see it, which names the replica that the session lives on.

use crate::error::{Error, Result};
use crate::token::Route;

/// The id: "0123456789abcdef-2a".
pub(crate) fn text(route: Route) -> String {
    format!("{}-{:x}", gateway_text(route.gateway), route.session)
}

/// A replica's id.
pub fn gateway_text(gateway: u64) -> String {
    format!("{gateway:016x}")
}

/// Reads an id; `field` is where it stands in the request.
pub(crate) fn parse(field: &str, id: &str) -> Result<Route> {
    let route = || {
        let (gateway, session) = id.split_once('-')?;
        let route = Route {
            gateway: u64::from_str_radix(gateway, 16).ok()?,
            session: u64::from_str_radix(session, 16).ok()?,
        };
        // Only what `text` makes: no signs, no capitals, no leading zeros.
        (text(route) == id).then_some(route)
    };
    route().ok_or_else(|| Error::invalid(field, "must be the id of a session"))
}

/// Reads a replica's id.
pub(crate) fn parse_gateway(field: &str, id: &str) -> Result<u64> {
    let gateway = u64::from_str_radix(id, 16).ok();
    gateway
        .filter(|gateway| gateway_text(*gateway) == id)
        .ok_or_else(|| Error::invalid(field, "must be a gateway_id"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_ids_are_read() {
        for bad in [
            "",
            "-",
            "1-1",
            "000000000000000a",
            "000000000000000A-1",
            "000000000000000a-01",
            "000000000000000a-+1",
            "000000000000000a-1-1",
        ] {
            assert!(parse("session_id", bad).is_err(), "{bad}");
        }
        assert!(parse_gateway("gateway_id", "a").is_err());
    }

    proptest! {
        #[test]
        fn ids_come_back(gateway: u64, session: u64, junk in ".{0,40}") {
            let route = Route { gateway, session };
            prop_assert_eq!(parse("session_id", &text(route)).unwrap(), route);
            prop_assert_eq!(parse_gateway("g", &gateway_text(gateway)).unwrap(), gateway);
            let _ = parse("session_id", &junk);
        }
    }
}
