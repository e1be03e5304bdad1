//! Certificates made for one test, and channels that trust them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion,
};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// A certificate authority whose files live as long as it does.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    folder: TempDir,
}

/// A certificate and its key, in files.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &certificate).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
            folder,
        }
    }

    /// Its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for one name, in files called after `file`; those that are there are replaced.
    pub(crate) fn issue(&self, file: &str, name: &str) -> Identity {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        self.sign(file, &params)
    }

    /// A certificate for one name that ends at a time.
    pub(crate) fn issue_until(&self, file: &str, name: &str, end: SystemTime) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = end.into();
        self.sign(file, &params)
    }

    /// A certificate with these names beside the subject, whose common name is the file's.
    pub(crate) fn issue_with(&self, file: &str, names: Vec<SanType>) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, file);
        params.subject_alt_names = names;
        self.sign(file, &params)
    }

    fn sign(&self, file: &str, params: &CertificateParams) -> Identity {
        let identity = Identity {
            certificate: self.folder.path().join(format!("{file}.pem")),
            key: self.folder.path().join(format!("{file}.key")),
        };
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        replace(&identity.key, &key.serialize_pem());
        replace(&identity.certificate, &certificate.pem());
        identity
    }

    /// What a client needs that trusts this authority.
    pub(crate) fn client(&self, identity: Option<&Identity>) -> TlsClient {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        roots.add(certificate).unwrap();
        let roots = Arc::new(roots);
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone());
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(&identity.certificate).unwrap()],
                    PrivateKeyDer::from_pem_file(&identity.key).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        // Each connection shows what it is shown.
        config.resumption = rustls::client::Resumption::disabled();
        TlsClient {
            connector: TlsConnector::from(Arc::new(config)),
            roots,
            source: Ipv4Addr::LOCALHOST.into(),
        }
    }
}

impl Identity {
    /// What a server needs that shows this certificate.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let chain = vec![CertificateDer::from_pem_file(&self.certificate).unwrap()];
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(&self.key).unwrap())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Opens TLS connections.
#[derive(Clone)]
pub(crate) struct TlsClient {
    connector: TlsConnector,
    /// What it trusts.
    roots: Arc<RootCertStore>,
    /// Where its connections come from.
    source: IpAddr,
}

impl TlsClient {
    /// The same, and it speaks this protocol.
    pub(crate) fn speaking(&self, protocol: &[u8]) -> Self {
        let mut config = ClientConfig::clone(self.connector.config());
        config.alpn_protocols = vec![protocol.to_vec()];
        Self {
            connector: TlsConnector::from(Arc::new(config)),
            ..self.clone()
        }
    }

    /// The same, and it knows this version of TLS alone.
    pub(crate) fn of_version(&self, version: &'static SupportedProtocolVersion) -> Self {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            connector: TlsConnector::from(Arc::new(config)),
            ..self.clone()
        }
    }

    /// The same from another address of this machine.
    pub(crate) fn from(&self, source: IpAddr) -> Self {
        Self {
            source,
            ..self.clone()
        }
    }

    /// A connection to `address` that asks for `name`.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.source, 0).into())?;
        let stream = socket.connect(address).await?;
        self.connector.connect(name, stream).await
    }

    /// How a connection begins that asks for `name`: a whole ClientHello.
    pub(crate) fn hello(&self, name: &'static str) -> Vec<u8> {
        let config = self.connector.config().clone();
        let name = ServerName::try_from(name).unwrap();
        let mut hello = Vec::new();
        let mut connection = ClientConnection::new(config, name).unwrap();
        connection.write_tls(&mut hello).unwrap();
        hello
    }

    /// The certificate that `address` shows to whoever asks for `name`.
    pub(crate) async fn shown(&self, address: SocketAddr, name: &str) -> Vec<u8> {
        let stream = self.connect(address, name).await.unwrap();
        let (_, connection) = stream.get_ref();
        connection.peer_certificates().unwrap()[0].to_vec()
    }

    /// A channel whose connections are opened when they are needed.
    pub(crate) fn channel(&self, address: SocketAddr, name: &'static str) -> Channel {
        let client = self.clone();
        channel_of(move || client.clone(), address, name)
    }

    /// The same, and it takes up TLS sessions again where it can (RFC 8446, section 2.2).
    pub(crate) fn resuming(&self) -> Self {
        let mut config = ClientConfig::clone(self.connector.config());
        config.resumption = rustls::client::Resumption::default();
        Self {
            connector: TlsConnector::from(Arc::new(config)),
            ..self.clone()
        }
    }
}

/// A channel each of whose connections is another client's, as of one whose certificate is renewed.
pub(crate) fn channel_of(
    client: impl Fn() -> TlsClient + Send + Sync + 'static,
    address: SocketAddr,
    name: &'static str,
) -> Channel {
    Endpoint::from_shared(format!("http://{name}"))
        .unwrap()
        .connect_with_connector_lazy(service_fn(move |_| {
            let client = client();
            async move { client.connect(address, name).await.map(TokioIo::new) }
        }))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Readers see the old file or the new one, as with the mounts of a Kubernetes Secret.
fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, path).unwrap();
}
