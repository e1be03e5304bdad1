//! The name in a client's certificate.

use std::{fmt, sync::Arc};

use x509_cert::{
    Certificate,
    der::{Decode as _, asn1::Ia5String},
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// The longest name, in bytes.
const LONGEST: usize = 1_024;

/// Whom a client's certificate is for: its first URI (a SPIFFE id, for example), else its first
/// DNS name, else its subject.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientName(Arc<str>);

impl ClientName {
    /// Reads it from a certificate that was verified; `None` where it has none.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?.tbs_certificate;
        let names = certificate.get::<SubjectAltName>().ok().flatten();
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        let uri = names.iter().find_map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => Some(text(uri)),
            _ => None,
        });
        let dns = || {
            names.iter().find_map(|name| match name {
                GeneralName::DnsName(name) => Some(text(name)),
                _ => None,
            })
        };
        let name = uri
            .or_else(dns)
            .unwrap_or_else(|| certificate.subject.to_string());
        is_name(&name).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn for_test(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether logs and rules can name it; names in tokens have the same bounds.
fn is_name(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && !text.contains(char::is_control)
}

fn text(name: &Ia5String) -> String {
    name.as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn name_in(names: Vec<SanType>) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ada");
        params.subject_alt_names = names;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        ClientName::of(certificate.der()).unwrap().to_string()
    }

    #[test]
    fn uris_come_before_dns_names_and_these_before_the_subject() {
        let uri = SanType::URI("spiffe://example.org/orders".try_into().unwrap());
        let dns = SanType::DnsName("orders.example.org".try_into().unwrap());

        assert_eq!(
            name_in(vec![dns.clone(), uri]),
            "spiffe://example.org/orders"
        );
        assert_eq!(name_in(vec![dns]), "orders.example.org");
        assert!(name_in(Vec::new()).contains("CN=ada"));
        assert_eq!(ClientName::of(b"no certificate"), None);
    }

    #[test]
    fn what_is_no_name_of_a_caller_is_none() {
        for uri in ["", "a:b\nc", &"a".repeat(LONGEST + 1)] {
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(ClientName::of(certificate.der()), None, "{uri:?}");
        }
    }
}
