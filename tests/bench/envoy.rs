//! Envoy before the gateway, with the configuration that `deploy/envoy` ships, at other addresses.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::Result;
use crate::options::Options;
use crate::program::Program;
use crate::stage::ready;

/// The name that its certificate is for.
const NAME: &str = "edge.test";

/// The shipped configuration, and what is replaced in it.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/envoy/envoy.yaml");
const LISTENER: &str = "0.0.0.0, port_value: 8443";
const ADMIN: &str = "127.0.0.1, port_value: 9901";
const CERTIFICATES: &str = "/etc/envoy/tls/";
const DESCRIPTORS: &str = "/etc/envoy/jetgate.binpb";
const GATEWAY: &str = "jetgate-headless, port_value: 50051";

/// How long it may take until calls come through.
const STARTING: Duration = Duration::from_secs(20);

/// The pause before another look.
const PAUSE: Duration = Duration::from_millis(50);

/// Envoy, and connections through it.
pub(crate) struct Envoy {
    pub(crate) program: Program,
    endpoint: Endpoint,
    _folder: TempDir,
}

impl Envoy {
    /// Starts it before the gateway that listens at `gateway`.
    pub(crate) async fn start(options: &Options, envoy: &Path, gateway: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let at = folder.path();
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![NAME.to_owned()])?
            .self_signed(&key)?
            .pem();
        fs::write(at.join("tls.crt"), &certificate)?;
        fs::write(at.join("tls.key"), key.serialize_pem())?;
        write_descriptors(&options.gateway, &at.join("jetgate.binpb"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let configuration = at.join("envoy.yaml");
        fs::write(&configuration, configured(at, port, gateway)?)?;

        let arguments = ["--use-dynamic-base-id", "-l", "info", "-c"].map(OsString::from);
        let arguments = arguments
            .into_iter()
            .chain([configuration.into_os_string()]);
        // The line that ends its start; what follows in it does not matter.
        let label = "all dependencies initialized. starting";
        let (program, _) = Program::start(&options.gateway, envoy, arguments, &[], label).await?;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(certificate))
            .domain_name(NAME);
        let endpoint =
            Endpoint::from_shared(format!("https://127.0.0.1:{port}"))?.tls_config(tls)?;
        let started = Self {
            program,
            endpoint,
            _folder: folder,
        };
        timeout(STARTING, started.ready())
            .await
            .map_err(|_| "no call comes through Envoy")?;
        Ok(started)
    }

    /// Waits until it has found the gateway.
    async fn ready(&self) {
        while async { ready(self.channel().await?).await }.await.is_err() {
            sleep(PAUSE).await;
        }
    }

    /// A connection to Envoy, with tonic's own defaults.
    pub(crate) async fn channel(&self) -> Result<Channel> {
        Ok(self.endpoint.connect().await?)
    }
}

fn write_descriptors(gateway: &Path, file: &Path) -> Result<()> {
    let written = Command::new(gateway)
        .arg("descriptors")
        .stdin(Stdio::null())
        .stdout(fs::File::create(file)?)
        .status()?;
    match written.success() {
        true => Ok(()),
        false => Err("jetgate descriptors failed".into()),
    }
}

fn configured(folder: &Path, port: u16, gateway: &str) -> Result<String> {
    let folder = folder.display();
    let (host, gateway_port) = gateway.rsplit_once(':').ok_or("the gateway has no port")?;
    let mut text = fs::read_to_string(SHIPPED)?;
    for (shipped, own) in [
        (LISTENER, format!("127.0.0.1, port_value: {port}")),
        (ADMIN, "127.0.0.1, port_value: 0".to_owned()),
        (CERTIFICATES, format!("{folder}/")),
        (DESCRIPTORS, format!("{folder}/jetgate.binpb")),
        (GATEWAY, format!("{host}, port_value: {gateway_port}")),
    ] {
        if !text.contains(shipped) {
            return Err(format!("deploy/envoy/envoy.yaml has no `{shipped}` any more").into());
        }
        text = text.replace(shipped, &own);
    }
    Ok(text)
}
