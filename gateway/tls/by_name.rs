//! Which certificate a client is shown: the first that is good for the name it asks for.

use std::sync::Arc;

use rustls::{
    client::verify_server_name,
    pki_types::ServerName,
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};

/// Certificates in the order of the configuration.
#[derive(Debug)]
pub(super) struct ByName(Vec<Arc<CertifiedKey>>);

impl ByName {
    pub(super) fn new(keys: Vec<CertifiedKey>) -> Self {
        Self(keys.into_iter().map(Arc::new).collect())
    }

    fn for_name(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = ServerName::try_from(name).ok()?;
        self.0.iter().find(|key| is_good_for(key, &name))
    }
}

impl ResolvesServerCert for ByName {
    /// Clients that ask for no name, or for one that no certificate has, are shown the first: they
    /// judge it themselves, and their error is clearer than a broken handshake.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.for_name(name));
        named.or_else(|| self.0.first()).cloned()
    }
}

fn is_good_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = key.cert.first().map(ParsedCertificate::try_from);
    matches!(leaf, Some(Ok(leaf)) if verify_server_name(&leaf, name).is_ok())
}
