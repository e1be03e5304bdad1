//! Certificates that clients show: whatever is in one, who shows it has a name like other callers, or none.

use crate::tls::ClientCertificate;

/// A certificate in DER.
pub fn client_certificates(input: &[u8]) {
    let Some(certificate) = ClientCertificate::of(input) else {
        return;
    };
    let name = certificate.name();
    assert!((1..=1_024).contains(&name.len()), "{name:?}");
    assert!(!name.contains(char::is_control), "{name:?}");
}
