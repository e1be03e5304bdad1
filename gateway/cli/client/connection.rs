//! Where the gateway is, who calls it, and calls: each has a deadline.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use http::{Uri, uri::Scheme};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{
    call_error::{CallError, innermost},
    quantity,
};
use crate::{
    cli::Failure,
    proto::{
        consumer_service_client::ConsumerServiceClient,
        gateway_service_client::GatewayServiceClient,
        publisher_service_client::PublisherServiceClient,
        stream_service_client::StreamServiceClient,
        subscriber_service_client::SubscriberServiceClient,
    },
};

/// How much later than asked for an answer may come: the gateway answers before the deadline, the
/// network may take its time.
const GRACE: Duration = Duration::from_secs(1);

/// Longer than anybody waits; the header of a call has few digits.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Flags of every command that calls a gateway.
#[derive(Args, Debug)]
pub(super) struct ConnectionArgs {
    /// Where the gateway is
    #[arg(
        long,
        short,
        value_name = "URL",
        env = "JETGATE_URL",
        default_value = "http://127.0.0.1:50051",
        value_parser = server
    )]
    server: Uri,
    /// Key of the caller; the environment is a better place for it
    #[arg(
        long,
        value_name = "KEY",
        env = "JETGATE_API_KEY",
        hide_env_values = true,
        value_parser = bearer
    )]
    api_key: Option<Bearer>,
    /// Trust gateways that these certificates sign (PEM), instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// How long a call may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout)]
    timeout: Duration,
}

/// What says who calls, as the metadata of a call has it. It is shown to nobody.
#[derive(Clone)]
struct Bearer(MetadataValue<Ascii>);

/// A connection to a gateway.
pub(super) struct Connection {
    channel: Channel,
    bearer: Option<Bearer>,
    timeout: Duration,
}

fn server(text: &str) -> Result<Uri, String> {
    let url = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    if !["http://", "https://"].iter().any(|it| url.starts_with(it)) {
        return Err("expected such as http://127.0.0.1:50051".to_owned());
    }
    let url: Uri = url
        .parse()
        .map_err(|error: http::uri::InvalidUri| error.to_string())?;
    match url.authority() {
        Some(authority) if !authority.as_str().ends_with(':') => Ok(url),
        _ => Err("expected a host, and perhaps a port behind a colon".to_owned()),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = quantity::parse_time(text)?;
    if timeout > LONGEST_TIMEOUT {
        return Err("must be at most 1d".to_owned());
    }
    Ok(timeout)
}

fn bearer(key: &str) -> Result<Bearer, String> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {key}")
        .parse()
        .map_err(|_| "is no key".to_owned())?;
    value.set_sensitive(true);
    Ok(Bearer(value))
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

impl ConnectionArgs {
    /// Connects to the gateway.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let mut endpoint = Endpoint::from(self.server.clone())
            .connect_timeout(self.timeout)
            .user_agent(concat!("jetgate/", env!("CARGO_PKG_VERSION")))
            .map_err(Failure::other)?;
        if let Some(tls) = self.tls()? {
            endpoint = endpoint.tls_config(tls).map_err(Failure::usage)?;
        }
        // The handshake of TLS has no deadline of its own.
        let connecting = tokio::time::timeout(self.timeout, endpoint.connect());
        let Ok(connected) = connecting.await else {
            return Err(CallError::Silence(self.timeout).into());
        };
        let channel = connected.map_err(|error| {
            let why = format!("no gateway at {}: {}", self.server, innermost(&error));
            Failure::unavailable(why)
        })?;
        Ok(Connection {
            channel,
            bearer: self.api_key.clone(),
            timeout: self.timeout,
        })
    }

    /// How to know the gateway and to be known, where the URL is https.
    fn tls(&self) -> Result<Option<ClientTlsConfig>, Failure> {
        if self.server.scheme() != Some(&Scheme::HTTPS) {
            if self.ca.is_some() || self.cert.is_some() {
                let why = "--ca and --cert are for an https:// server only";
                return Err(Failure::usage(why));
            }
            return Ok(None);
        }
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(read(ca)?)),
            None => tls.with_native_roots(),
        };
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        Ok(Some(tls))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))
}

impl Connection {
    pub(super) fn streams(&self) -> StreamServiceClient<Channel> {
        StreamServiceClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX)
    }

    pub(super) fn consumers(&self) -> ConsumerServiceClient<Channel> {
        ConsumerServiceClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX)
    }

    pub(super) fn publisher(&self) -> PublisherServiceClient<Channel> {
        PublisherServiceClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX)
    }

    /// Single messages may be larger than what clients take by default.
    pub(super) fn subscriber(&self) -> SubscriberServiceClient<Channel> {
        SubscriberServiceClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX)
    }

    pub(super) fn gateway(&self) -> GatewayServiceClient<Channel> {
        GatewayServiceClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX)
    }

    /// A request with the deadline that was asked for.
    pub(super) fn request<M>(&self, message: M) -> Request<M> {
        self.within(self.timeout, message)
    }

    /// A request with another deadline.
    pub(super) fn within<M>(&self, timeout: Duration, message: M) -> Request<M> {
        let mut request = self.unbounded(message);
        request.set_timeout(timeout);
        request
    }

    /// A request that lasts as long as somebody wants answers.
    pub(super) fn unbounded<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(Bearer(bearer)) = &self.bearer {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", bearer.clone());
        }
        request
    }

    /// The answer to a call that was made with [`Connection::request`].
    pub(super) async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        Self::answer_within(self.timeout, call).await
    }

    /// The answer to a call that was made with [`Connection::within`].
    pub(super) async fn answer_within<T>(
        timeout: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        match tokio::time::timeout(timeout + GRACE, call).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => Err(CallError::Silence(timeout)),
        }
    }

    /// How long a call may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_url_or_an_address() {
        assert_eq!(server("127.0.0.1:1").unwrap(), "http://127.0.0.1:1/");
        assert_eq!(server("http://gateway:1").unwrap(), "http://gateway:1/");
        for bad in ["", "nats://n1", "http://", "http://a b", "https:"] {
            assert!(server(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_shown_to_nobody() {
        let bearer = bearer("jg_secret").unwrap();
        assert_eq!(bearer.0.to_str().unwrap(), "Bearer jg_secret");
        assert_eq!(format!("{bearer:?} {:?}", bearer.0), "Bearer(..) Sensitive");
        assert!(super::bearer("a\nb").is_err());
    }
}
