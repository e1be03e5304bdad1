//! What a client's certificate says: whom it is for, and until when.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use x509_cert::{
    Certificate, TbsCertificate,
    der::{Decode as _, asn1::Ia5String},
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// The longest name, in bytes.
const LONGEST: usize = 1_024;

/// A client's certificate. Clones share the name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    name: Arc<str>,
    not_after: Option<SystemTime>,
}

impl ClientCertificate {
    /// Reads a certificate that was verified; `None` where it has no name.
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
        is_name(&name).then(|| Self {
            name: name.into(),
            not_after: end(&certificate),
        })
    }

    /// Whom it is for: its first URI (a SPIFFE id, for example), else its first DNS name, else its subject.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it ends; `None` where it does not.
    pub fn not_after(&self) -> Option<SystemTime> {
        self.not_after
    }

    #[cfg(test)]
    pub(crate) fn for_test(name: &str) -> Self {
        Self {
            name: name.into(),
            not_after: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn until(self, not_after: SystemTime) -> Self {
        Self {
            not_after: Some(not_after),
            ..self
        }
    }
}

/// When a certificate ends; `None` where that is beyond what this machine's clock can say.
pub(super) fn end(certificate: &TbsCertificate) -> Option<SystemTime> {
    let end: Duration = certificate.validity.not_after.to_unix_duration();
    SystemTime::UNIX_EPOCH.checked_add(end)
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
        let certificate = ClientCertificate::of(certificate.der()).unwrap();
        certificate.name().to_owned()
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
        assert_eq!(ClientCertificate::of(b"no certificate"), None);
    }

    #[test]
    fn a_certificate_ends_when_it_says() {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ada");
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        params.not_after = end.into();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let certificate = ClientCertificate::of(certificate.der()).unwrap();
        assert_eq!(certificate.not_after(), Some(end));
    }

    #[test]
    fn what_is_no_name_of_a_caller_is_none() {
        for uri in ["", "a:b\nc", &"a".repeat(LONGEST + 1)] {
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(ClientCertificate::of(certificate.der()), None, "{uri:?}");
        }
    }
}
