//! What the certificate files hold, and the TLS settings made of it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use thiserror::Error;
use x509_cert::der::Decode as _;
use zeroize::Zeroize as _;

use super::{Config, by_name::ByName, client_certificate};

/// Certificates, keys and authorities, as they were read.
#[derive(PartialEq)]
pub(super) struct Material {
    chains: Vec<Chain>,
    client_authorities: Option<Vec<CertificateDer<'static>>>,
}

#[derive(PartialEq)]
struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// For messages: where it is from.
    file: PathBuf,
}

/// Why certificates cannot be used.
#[derive(Debug, Error)]
pub enum MaterialError {
    /// The file cannot be read, or is no PEM.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file without certificates.
    #[error("{} has no certificate", .0.display())]
    Empty(PathBuf),
    /// Certificate, key or authorities that do not go together or cannot be used.
    #[error("cannot use {}: {why}", file.display())]
    Unusable {
        /// Which file.
        file: PathBuf,
        /// Why not.
        why: String,
    },
}

impl Material {
    pub(super) fn read(config: &Config) -> Result<Self, MaterialError> {
        let pairs = config.cert_file.iter().zip(config.key_file.iter());
        let chains = pairs.map(|(certificate, key)| Chain::read(certificate, key));
        Ok(Self {
            chains: chains.collect::<Result<_, _>>()?,
            client_authorities: config
                .client_ca_file
                .as_deref()
                .map(certificates)
                .transpose()?,
        })
    }

    /// TLS 1.2 and 1.3 with these certificates.
    pub(super) fn server_config(
        &self,
        require_client: bool,
    ) -> Result<ServerConfig, MaterialError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let keys = self.chains.iter().map(Chain::certified_key);
        let keys = ByName::new(keys.collect::<Result<_, _>>()?);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| self.unusable(&error))?;
        let builder = match &self.client_authorities {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in authorities {
                    roots
                        .add(authority.clone())
                        .map_err(|error| self.unusable(&error))?;
                }
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                if !require_client {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier.build().map_err(|error| self.unusable(&error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(keys));
        if self.client_authorities.is_some() {
            // A session that is resumed is not verified again, whatever its certificate has come to.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }

    /// When the first of the certificates ends.
    pub(super) fn earliest_expiry(&self) -> Option<SystemTime> {
        self.chains.iter().filter_map(Chain::expiry).min()
    }

    /// The fault lies in what the first file names, or in the authorities that belong to it.
    fn unusable(&self, error: &dyn std::error::Error) -> MaterialError {
        let file = self.chains.first().map(|chain| chain.file.clone());
        MaterialError::Unusable {
            file: file.unwrap_or_default(),
            why: error.to_string(),
        }
    }
}

impl Chain {
    fn read(certificate: &Path, key: &Path) -> Result<Self, MaterialError> {
        Ok(Self {
            certificates: certificates(certificate)?,
            key: PrivateKeyDer::from_pem_file(key).map_err(|source| unreadable(key, source))?,
            file: certificate.to_owned(),
        })
    }

    fn certified_key(&self) -> Result<CertifiedKey, MaterialError> {
        let (chain, key) = (self.certificates.clone(), self.key.clone_key());
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| {
            MaterialError::Unusable {
                file: self.file.clone(),
                why: error.to_string(),
            }
        })
    }

    fn expiry(&self) -> Option<SystemTime> {
        let leaf = x509_cert::Certificate::from_der(self.certificates.first()?).ok()?;
        client_certificate::end(&leaf.tbs_certificate)
    }
}

/// Our copy of the key leaves nothing in memory; the library's own is its own affair.
impl Drop for Chain {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// The certificates of a file (PEM), one at least.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(file, source))?;
    if found.is_empty() {
        return Err(MaterialError::Empty(file.to_owned()));
    }
    Ok(found)
}

fn unreadable(file: &Path, source: pem::Error) -> MaterialError {
    MaterialError::Unreadable {
        file: file.to_owned(),
        source,
    }
}
