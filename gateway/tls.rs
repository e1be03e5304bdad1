//! TLS on the public listener: whom it proves itself to, and certificates that change under way.
//!
//! The files are read again every few seconds. New connections use what was read last; those that
//! are open keep what they were made with. Files that cannot be used change nothing: what was read
//! before stays in force, and the log and a metric say so.

mod by_name;
mod client_certificate;
mod handshakes;
mod material;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use self::handshakes::Handshakes;
use self::material::Material;
pub(crate) use self::material::certificates;
pub use self::{client_certificate::ClientCertificate, material::MaterialError};
use crate::{
    config::{Checks, PathList},
    metrics::Metrics,
};

/// What clients may choose, by the names of ALPN.
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Certificates of the public listener, and what it asks of its clients.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Certificate chains (PEM), several separated by commas: the first one that is good for the
    /// name that a client asks for is shown, else the first of all. Default: none, no TLS.
    pub cert_file: PathList,
    /// Their keys (PEM), in the same order.
    pub key_file: PathList,
    /// Certificate authorities (PEM) of the clients. Default: none, no client is asked.
    pub client_ca_file: Option<PathBuf>,
    /// Refuses clients without a certificate of those authorities. Default true.
    pub require_client_cert: bool,
    /// Time between two looks at the files. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub reload_interval: Duration,
    /// Longest time for a handshake, waiting for its client and its turns included. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
    /// Handshakes that compute at a time; others wait for their turn. Those that wait for their client take
    /// none. 0 is half of the processors, one at least, so that calls have the others. Default 0.
    pub max_handshakes: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cert_file: PathList::default(),
            key_file: PathList::default(),
            client_ca_file: None,
            require_client_cert: true,
            reload_interval: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            max_handshakes: 0,
        }
    }
}

impl Config {
    /// Whether the listener speaks TLS.
    pub fn is_enabled(&self) -> bool {
        !self.cert_file.is_empty()
    }

    /// Whether every client has to prove who it is.
    pub fn authenticates(&self) -> bool {
        self.is_enabled() && self.client_ca_file.is_some() && self.require_client_cert
    }

    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.require(
            self.cert_file.len() == self.key_file.len(),
            "key_file",
            "must name one key for each certificate of tls.cert_file",
        );
        checks.require(
            self.client_ca_file.is_none() || self.is_enabled(),
            "client_ca_file",
            "needs tls.cert_file and tls.key_file",
        );
        checks.whole_seconds("reload_interval", self.reload_interval);
        checks.positive_time("handshake_timeout", self.handshake_timeout);
        checks.within("max_handshakes", self.max_handshakes, 0..=65_536);
    }
}

/// The certificates in force; clones share them.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    config: Config,
    protocols: &'static [&'static [u8]],
    metrics: Metrics,
    current: RwLock<Current>,
    handshakes: Handshakes,
}

struct Current {
    material: Material,
    server: Arc<ServerConfig>,
}

/// The certificate that a client has shown, if it has shown one.
pub(crate) fn client_certificate<I>(stream: &TlsStream<I>) -> Option<ClientCertificate> {
    let (_, connection) = stream.get_ref();
    ClientCertificate::of(connection.peer_certificates()?.first()?)
}

/// Why a client has no TLS connection.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// It took longer than it may, or its turn did not come.
    #[error("the TLS handshake took too long")]
    TimedOut,
    /// The client's certificate is none of its authorities, or not good any more, or missing.
    #[error("the client's certificate is refused: {0}")]
    Certificate(rustls::Error),
    /// The two sides do not agree, or the client went away.
    #[error("the TLS handshake failed: {0}")]
    Failed(std::io::Error),
}

impl From<std::io::Error> for HandshakeError {
    fn from(error: std::io::Error) -> Self {
        let inner = error.get_ref();
        match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(
                why @ (rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented),
            ) => Self::Certificate(why.clone()),
            _ => Self::Failed(error),
        }
    }
}

impl Tls {
    /// Reads the files; `None` where no certificate is configured. Clients may choose HTTP/1.1 if `http1`.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or does not hold what it should.
    pub fn load(
        config: &Config,
        http1: bool,
        metrics: Metrics,
    ) -> Result<Option<Self>, MaterialError> {
        if !config.is_enabled() {
            return Ok(None);
        }
        let protocols: &[&[u8]] = if http1 { &[HTTP2, HTTP1] } else { &[HTTP2] };
        let current = Current::of(Material::read(config)?, config, protocols)?;
        let tls = Self(Arc::new(Inner {
            handshakes: Handshakes::new(config.max_handshakes),
            config: config.clone(),
            protocols,
            current: RwLock::new(current),
            metrics,
        }));
        tls.count_expiry();
        Ok(Some(tls))
    }

    /// Makes a TLS connection of a TCP connection.
    ///
    /// # Errors
    ///
    /// When the client takes too long, or does not agree with what is asked of it.
    pub async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let acceptor = TlsAcceptor::from(self.server_config());
        let handshake = self.0.handshakes.by_turns(acceptor.accept(stream));
        match timeout(self.0.config.handshake_timeout, handshake).await {
            Ok(outcome) => Ok(outcome?),
            Err(_elapsed) => Err(HandshakeError::TimedOut),
        }
    }

    /// Reads the files again and again, and takes over what changed.
    pub async fn keep_fresh(self) {
        let mut rejected = None;
        loop {
            tokio::time::sleep(self.0.config.reload_interval).await;
            self.reload(&mut rejected);
        }
    }

    /// Says once of each state of the files why it cannot be used.
    fn reload(&self, rejected: &mut Option<String>) {
        match self.try_reload() {
            Ok(changed) => {
                *rejected = None;
                if changed {
                    tracing::info!("certificates changed, new connections use the new ones");
                    self.count_expiry();
                }
            }
            Err(error) => {
                let error = error.to_string();
                if rejected.as_ref() != Some(&error) {
                    tracing::warn!(
                        error,
                        "cannot use the changed certificates, keeping the old"
                    );
                    self.0.metrics.listener.tls_reload_failed();
                }
                *rejected = Some(error);
            }
        }
    }

    fn try_reload(&self) -> Result<bool, MaterialError> {
        let material = Material::read(&self.0.config)?;
        if self.current().material == material {
            return Ok(false);
        }
        let fresh = Current::of(material, &self.0.config, self.0.protocols)?;
        *self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }

    fn count_expiry(&self) {
        if let Some(expiry) = self.current().material.earliest_expiry() {
            self.0.metrics.listener.tls_certificate_expires(expiry);
        }
    }

    fn server_config(&self) -> Arc<ServerConfig> {
        self.current().server.clone()
    }

    fn current(&self) -> std::sync::RwLockReadGuard<'_, Current> {
        self.0
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn of(material: Material, config: &Config, protocols: &[&[u8]]) -> Result<Self, MaterialError> {
        let mut server = material.server_config(config.require_client_cert)?;
        server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let server = Arc::new(server);
        Ok(Self { material, server })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn keys_and_authorities_belong_to_certificates() {
        let mut config = Config::default();
        config.tls.key_file = "key.pem".parse().unwrap();
        config.tls.client_ca_file = Some("ca.pem".into());

        assert_eq!(
            config.validate().unwrap_err().keys(),
            ["tls.key_file", "tls.client_ca_file"]
        );
    }
}
