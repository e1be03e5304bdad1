//! What counts as one address where addresses are counted.

use std::net::IpAddr;

/// The address, and of IPv6 the network that one customer has (a /64).
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_has_one_address_or_one_network() {
        let is_same = |one: &str, other: &str| {
            network(one.parse().unwrap()) == network(other.parse().unwrap())
        };
        assert!(is_same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!is_same("192.0.2.1", "192.0.2.2"));
        assert!(is_same("2001:db8:1:2::1", "2001:db8:1:2:ffff::"));
        assert!(!is_same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    }
}
