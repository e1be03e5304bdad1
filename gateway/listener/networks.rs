//! Networks of addresses, as an operator writes them: `10.0.0.0/8, 192.0.2.7`.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Networks in the order in which they were written; none is the empty text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Networks(Vec<Network>);

/// Addresses that agree in their first bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text names no networks.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is neither an address nor a network such as 10.0.0.0/8")]
pub struct ParseNetworksError(String);

impl Networks {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the address is in one of them. IPv4 addresses in the clothes of IPv6 count as what they are.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = ParseNetworksError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseNetworksError(text.to_owned());
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| error())?;
        if bits > most {
            return Err(error());
        }
        Ok(Self { address, bits })
    }
}

impl FromStr for Networks {
    type Err = ParseNetworksError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let networks = text.split(',').map(str::trim);
        let networks = networks.filter(|network| !network.is_empty());
        networks.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Network { address, bits }) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{address}/{bits}")?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contain(networks: &str, address: &str) -> bool {
        let networks: Networks = networks.parse().unwrap();
        networks.contain(address.parse().unwrap())
    }

    #[test]
    fn addresses_are_compared_by_the_first_bits() {
        assert!(contain("10.0.0.0/8, 192.0.2.7", "10.255.0.1"));
        assert!(contain("10.0.0.0/8, 192.0.2.7", "192.0.2.7"));
        assert!(!contain("10.0.0.0/8, 192.0.2.7", "192.0.2.8"));
        assert!(contain("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(contain("2001:db8::/32", "2001:db8:1::1"));
        assert!(!contain("2001:db8::/32", "2001:db9::1"));
        assert!(contain("0.0.0.0/0", "192.0.2.1"));
        assert!(!contain("0.0.0.0/0", "2001:db8::1"));
        assert!(!contain("", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "10.0.0.0/33",
            "::/129",
            "proxy",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Networks>().is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_written_as_they_are_read() {
        let networks: Networks = "10.0.0.0/8, ::1".parse().unwrap();
        assert_eq!(networks.to_string(), "10.0.0.0/8,::1/128");
        assert_eq!(networks.to_string().parse(), Ok(networks));
    }
}
