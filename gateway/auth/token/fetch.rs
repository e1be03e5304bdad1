//! Getting a page of an issuer over HTTP: one small answer of a server that the operator has named.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;

use super::entry::Proof;
use crate::tls::certificates;

/// The largest answer.
const LARGEST: usize = 1 << 20;

/// Reads a URL: https, or http of the machine itself.
pub(super) fn url(text: &str) -> Result<Uri, String> {
    let url: Uri = text
        .parse()
        .map_err(|error| format!("{text:?} is no URL: {error}"))?;
    let is_plain = url.authority().is_some_and(|it| !it.as_str().contains('@'));
    match url.scheme_str() {
        Some("https") if is_plain => Ok(url),
        Some("http") if is_plain && is_local(host(&url)) => Ok(url),
        Some("http") => {
            let why = "must be https: whoever can change the keys can be anybody";
            Err(format!("{text:?} {why}"))
        }
        _ => Err(format!("{text:?} is no https URL")),
    }
}

fn is_local(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|it| it.is_loopback())
}

fn host(url: &Uri) -> &str {
    let host = url.host().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Gets a page. It takes as long as it takes; the caller has a deadline.
pub(super) async fn get(url: &Uri, proof: &Proof) -> Result<Bytes, String> {
    let got = exchange(url, proof).await;
    got.map_err(|why| format!("{url}: {why}"))
}

async fn exchange(url: &Uri, proof: &Proof) -> Result<Bytes, String> {
    let is_tls = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let request = request(url, proof.bearer_file.as_deref())?;
    let stream = TcpStream::connect((host(url), port)).await.map_err(said)?;
    if !is_tls {
        return ask(stream, request).await;
    }
    let name = ServerName::try_from(host(url).to_owned()).map_err(said)?;
    // Files are read, of the system's authorities some hundred.
    let ca_file = proof.ca_file.clone();
    let tls = spawn_blocking(move || tls(ca_file.as_deref())).await;
    let connector = TlsConnector::from(Arc::new(tls.map_err(said)??));
    let stream = connector.connect(name, stream).await.map_err(said)?;
    ask(stream, request).await
}

fn request(url: &Uri, bearer_file: Option<&Path>) -> Result<Request<Empty<Bytes>>, String> {
    let host = url.authority().map_or("", |it| it.as_str());
    let path = url.path_and_query().map_or("/", |it| it.as_str());
    let mut request = Request::get(path)
        .header(header::HOST, host)
        // Key sets have a media type of their own, and the API server of Kubernetes insists on it.
        .header(header::ACCEPT, "application/json, */*");
    if let Some(file) = bearer_file {
        // Read every time: such tokens are short-lived.
        let bearer = std::fs::read_to_string(file);
        let bearer = bearer.map_err(|error| format!("{}: {error}", file.display()))?;
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", bearer.trim()));
    }
    request.body(Empty::new()).map_err(said)
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<Bytes, String> {
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(said)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(said)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("answered {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        Ok(body.map_err(said)?.to_bytes())
    };
    // Without the connection nothing moves; it ends with this future. What it has brought counts, also
    // where it has ended by then.
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            for certificate in certificates(file).map_err(said)? {
                roots.add(certificate).map_err(said)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(said)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_the_machine_itself() {
        for good in [
            "https://login.example.org/keys",
            "https://[2001:db8::1]:8443/",
            "http://127.0.0.1:8080/keys",
            "http://[::1]/keys",
            "http://localhost/keys",
        ] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://login.example.org/keys",
            "http://127.example.org/keys",
            "https://name:secret@login.example.org/",
            "ftp://login.example.org/",
            "login.example.org",
            "/keys",
            "",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
