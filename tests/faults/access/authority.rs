//! A certificate authority, and connections that trust it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Result;

/// What certificates are for.
const NAME: &str = "gateway.test";

/// How long a connection may take, its handshake included.
const CONNECTING: Duration = Duration::from_secs(2);

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    tls: Tls,
}

impl Authority {
    pub(super) fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            tls: Tls::trusting(certificate.der().clone())?,
            issuer: Issuer::new(params, key),
        })
    }

    /// A certificate and its key (PEM).
    pub(super) fn issue(&self) -> Result<(String, String)> {
        let params = CertificateParams::new(vec![NAME.to_owned()])?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// Opens connections that trust this authority.
    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }
}

/// Opens connections.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    fn trusting(authority: CertificateDer<'static>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        // Each connection shows what it is shown.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> Result<TlsStream<TcpStream>> {
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::try_from(NAME)?;
            Ok(self.0.connect(name, stream).await?)
        };
        timeout(CONNECTING, connecting).await?
    }

    /// The certificate that an address shows.
    pub(crate) async fn shown(&self, address: SocketAddr) -> Option<Vec<u8>> {
        let stream = self.connect(address).await.ok()?;
        let (_, connection) = stream.get_ref();
        Some(connection.peer_certificates()?.first()?.to_vec())
    }
}
