//! The client: the connections to the gateways, and how it is made.

#[cfg(feature = "tls")]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::transport::Endpoint;
#[cfg(feature = "tls")]
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::backoff::{Backoff, Limits};
use crate::connection::{Annotate, Connection, Credentials};
use crate::consumer::ConsumerBuilder;
use crate::error::Error;
use crate::publisher::PublisherBuilder;
use crate::reader::ReaderBuilder;
use crate::v1;
use crate::v1::consume_open::Source;

/// How long a call may take where nothing else is said.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may take to be made, and then its handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// After how long without anything a connection is asked whether it lives, and how long it may take to say so.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// What a stream may have on its way to us before it waits: a batch of messages and the next.
const STREAM_WINDOW: u32 = 8 << 20;

/// What all streams of a connection may have.
const CONNECTION_WINDOW: u32 = 32 << 20;

/// A gateway may have to send a message that is larger than its batches.
pub(crate) const MAX_FRAME: usize = 128 << 20;

/// The connections to the gateways of one installation. A program has one; clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
    name: Arc<str>,
    call_timeout: Duration,
    backoff: Limits,
}

impl Client {
    /// A client of a gateway, or of several: `host:port`, separated by commas. Nothing is dialled before the first call.
    ///
    /// Must be called inside a tokio runtime. An address that is none is an error.
    pub fn connect(addresses: &str) -> Result<Self, Error> {
        Self::builder(addresses).connect()
    }

    /// A client with other settings than the usual ones.
    pub fn builder(addresses: &str) -> ClientBuilder {
        ClientBuilder::new(addresses)
    }

    /// A publisher for many messages, to be configured and started.
    pub fn publisher(&self) -> PublisherBuilder {
        PublisherBuilder::new(self.clone())
    }

    /// The messages of a durable consumer, to be configured and opened.
    pub fn consumer(
        &self,
        stream: impl Into<String>,
        consumer: impl Into<String>,
    ) -> ConsumerBuilder {
        ConsumerBuilder::new(
            self.clone(),
            stream.into(),
            Source::Consumer(consumer.into()),
        )
    }

    /// The messages of a consumer that the gateway makes for this program, to be configured and opened. The default
    /// configuration has all messages of the stream. It is deleted when it is closed or drained; where there is no session
    /// then, after its `inactive_threshold`.
    pub fn ephemeral(
        &self,
        stream: impl Into<String>,
        config: v1::EphemeralConsumer,
    ) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), stream.into(), Source::Ephemeral(config))
    }

    /// An ordered read of a stream, to be configured and opened.
    pub fn reader(&self, stream: impl Into<String>) -> ReaderBuilder {
        ReaderBuilder::new(self.clone(), stream.into())
    }

    /// What the generated clients of [`v1`](crate::v1) call through: all that the gateway offers.
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    pub(crate) fn name(&self) -> String {
        self.name.to_string()
    }

    pub(crate) fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// The same client, whose calls end by then.
    pub(crate) fn until(&self, deadline: Instant) -> Self {
        Self {
            call_timeout: deadline.saturating_duration_since(Instant::now()),
            ..self.clone()
        }
    }

    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.backoff)
    }
}

/// How a client is made.
#[derive(Clone)]
pub struct ClientBuilder {
    addresses: String,
    name: String,
    credentials: Option<Result<Credentials, Error>>,
    annotate: Option<Annotate>,
    call_timeout: Duration,
    backoff: Limits,
    #[cfg(feature = "tls")]
    tls: Option<Result<ClientTlsConfig, Error>>,
}

impl ClientBuilder {
    fn new(addresses: &str) -> Self {
        Self {
            addresses: addresses.to_owned(),
            name: String::new(),
            credentials: None,
            annotate: None,
            call_timeout: CALL_TIMEOUT,
            backoff: Limits::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Who calls, for the gateway's lists and log.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// An API key, or another bearer token that does not change. It is sent without TLS, too: use both.
    #[must_use]
    pub fn api_key(mut self, key: impl AsRef<str>) -> Self {
        self.credentials = Some(Credentials::key(key.as_ref()));
        self
    }

    /// Asks for the bearer token before each call; the source keeps and renews it. Its error becomes the call's.
    #[must_use]
    pub fn token<F>(mut self, source: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        let source = move || -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
            let token = source();
            Box::pin(async move {
                let refused = |why: Box<dyn std::error::Error + Send + Sync>| {
                    Status::unauthenticated(format!("the source of tokens has failed: {why}"))
                };
                token.await.map_err(refused)
            })
        };
        self.credentials = Some(Ok(Credentials::Source(Arc::new(source))));
        self
    }

    /// Adds metadata to each call, `traceparent` for example; it is called when a call begins.
    #[must_use]
    pub fn metadata(mut self, annotate: impl Fn(&mut MetadataMap) + Send + Sync + 'static) -> Self {
        self.annotate = Some(Arc::new(annotate));
        self
    }

    /// How long a unary call may take, its retries included. Default 10 s.
    #[must_use]
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Between which times the waits before another attempt grow. Default 50 ms to 2 s.
    #[must_use]
    pub fn backoff(mut self, least: Duration, most: Duration) -> Self {
        self.backoff = Limits { least, most };
        self
    }

    /// Encrypts, and trusts the authorities of the system.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self) -> Self {
        self.with_tls(|tls| Ok(tls.with_native_roots()))
    }

    /// Encrypts, and trusts the authorities in this PEM text.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn ca(self, pem: impl AsRef<[u8]>) -> Self {
        self.with_tls(|tls| Ok(tls.ca_certificate(Certificate::from_pem(pem))))
    }

    /// Encrypts, and trusts the authorities in this PEM file.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn ca_file(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        self.with_tls(|tls| {
            let pem = std::fs::read(path)
                .map_err(|why| Error::invalid(format!("{}: {why}", path.display())))?;
            Ok(tls.ca_certificate(Certificate::from_pem(pem)))
        })
    }

    /// Says by a certificate who calls: PEM texts of the certificate and of its key.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn identity(self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.with_tls(|tls| Ok(tls.identity(Identity::from_pem(certificate, key))))
    }

    /// The name in the gateways' certificate, where it is not that of the address.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn domain(self, name: impl Into<String>) -> Self {
        self.with_tls(|tls| Ok(tls.domain_name(name)))
    }

    #[cfg(feature = "tls")]
    fn with_tls(
        mut self,
        change: impl FnOnce(ClientTlsConfig) -> Result<ClientTlsConfig, Error>,
    ) -> Self {
        let before = self.tls.unwrap_or_else(|| Ok(ClientTlsConfig::new()));
        self.tls = Some(before.and_then(change));
        self
    }

    /// Makes the client. What was wrong in the settings is the error.
    pub fn connect(self) -> Result<Client, Error> {
        let addresses = self.addresses.split(',').map(str::trim);
        let endpoints: Result<Vec<_>, Error> = addresses.map(|it| self.endpoint(it)).collect();
        let credentials = self.credentials.transpose()?;
        Ok(Client {
            connection: Connection::new(&endpoints?, credentials, self.annotate),
            name: self.name.into(),
            call_timeout: self.call_timeout,
            backoff: self.backoff,
        })
    }

    fn endpoint(&self, address: &str) -> Result<Endpoint, Error> {
        let no_address = |why: &dyn std::fmt::Display| {
            Error::invalid(format!("{address:?} is no address of a gateway: {why}"))
        };
        let (is_encrypted, host) = match address.split_once("://") {
            None => (self.is_encrypted(), address),
            Some(("https", host)) => (true, host),
            Some(("http", host)) if !self.is_encrypted() => (false, host),
            Some(("http", _)) => return Err(no_address(&"with TLS it begins with https://")),
            Some(_) => return Err(no_address(&"it begins with http://, https:// or the host")),
        };
        let scheme = if is_encrypted { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{host}"));
        let endpoint = endpoint.map_err(|why| no_address(&why))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE.0)
            .keep_alive_timeout(KEEP_ALIVE.1)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        match is_encrypted {
            true => self.encrypted(endpoint),
            false => Ok(endpoint),
        }
    }

    /// Where nothing is said of TLS, it trusts the authorities of the system.
    #[cfg(feature = "tls")]
    fn encrypted(&self, endpoint: Endpoint) -> Result<Endpoint, Error> {
        let usual = || Ok(ClientTlsConfig::new().with_native_roots());
        let tls = self.tls.clone().unwrap_or_else(usual)?;
        let wrong = |why| Error::invalid(format!("the settings of TLS cannot be used: {why}"));
        // What bounds connecting does not bound a handshake.
        endpoint
            .tls_config(tls.timeout(CONNECT_TIMEOUT))
            .map_err(wrong)
    }

    #[cfg(not(feature = "tls"))]
    fn encrypted(&self, _: Endpoint) -> Result<Endpoint, Error> {
        Err(Error::invalid("https:// needs the crate's feature tls"))
    }

    #[cfg(feature = "tls")]
    fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    fn is_encrypted(&self) -> bool {
        false
    }
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("ClientBuilder");
        shown
            .field("addresses", &self.addresses)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
