//! The real proxies with the configurations that `deploy/` ships, at other addresses and with shorter times.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::pki::{Authority, TlsClient};
use super::{Clients, Gateway, Port, SOON, eventually};

/// The name that the edge's certificate is for.
const NAME: &str = "edge.test";

/// Which proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proxy {
    Envoy,
    Nginx,
    Haproxy,
    /// The same, and it tells the gateways whose connections it passes on.
    HaproxyTelling,
}

/// A proxy before gateways, with TLS. It ends with this value.
pub(crate) struct Edge {
    port: Port,
    authority: Authority,
    folder: TempDir,
    _child: Child,
}

impl Proxy {
    /// The program; `None`, and a loud word, where this machine has none.
    fn program(self) -> Option<PathBuf> {
        super::program(match self {
            Self::Envoy => "JETGATE_TEST_ENVOY",
            Self::Nginx => "JETGATE_TEST_NGINX",
            Self::Haproxy | Self::HaproxyTelling => "JETGATE_TEST_HAPROXY",
        })
    }

    fn configuration(self, gateways: &[&Gateway], idle: Duration, port: u16, at: &Path) -> String {
        if self == Self::HaproxyTelling {
            let shipped = Self::Haproxy.configuration(gateways, idle, port, at);
            let comment = "# default-server send-proxy-v2";
            return Template(shipped).with(comment, &comment[2..]).0;
        }
        let idle = format!("{}s", idle.as_secs());
        let (first, last) = (gateways[0], gateways[gateways.len() - 1]);
        let folder = at.display();
        match self {
            Self::Envoy => Template::of("deploy/envoy/envoy.yaml")
                .with(
                    "0.0.0.0, port_value: 8443",
                    &format!("127.0.0.1, port_value: {port}"),
                )
                .with("127.0.0.1, port_value: 9901", "127.0.0.1, port_value: 0")
                .with("/etc/envoy/tls/", &format!("{folder}/"))
                .with(
                    "/etc/envoy/jetgate.binpb",
                    &format!("{folder}/jetgate.binpb"),
                )
                .with(
                    "stream_idle_timeout: 60s",
                    &format!("stream_idle_timeout: {idle}"),
                )
                .with(ENVOY_ENDPOINT, &envoy_endpoints(gateways)),
            Self::Nginx => Template::of("deploy/nginx/nginx.conf")
                .with("listen 8443", &format!("listen 127.0.0.1:{port}"))
                .with("/run/nginx.pid", &format!("{folder}/nginx.pid"))
                .with("/etc/nginx/tls/", &format!("{folder}/"))
                .with("http {\n", &format!("http {{\n{}", nginx_folders(at)))
                .with(
                    "client_body_timeout 60s",
                    &format!("client_body_timeout {idle}"),
                )
                .with(" send_timeout 60s", &format!(" send_timeout {idle}"))
                .with(
                    "grpc_send_timeout 60s",
                    &format!("grpc_send_timeout {idle}"),
                )
                .with(
                    "grpc_read_timeout 60s",
                    &format!("grpc_read_timeout {idle}"),
                )
                .with("jetgate-0:50051", &first.public().to_string())
                .with("jetgate-1:50051", &last.public().to_string()),
            Self::Haproxy | Self::HaproxyTelling => Template::of("deploy/haproxy/haproxy.cfg")
                .with("bind :8443", &format!("bind 127.0.0.1:{port}"))
                // Each takes two files, of which this machine may not grant so many.
                .with("maxconn 20000", "maxconn 500")
                .with("/etc/haproxy/tls/", &format!("{folder}/"))
                .with("timeout client 60s", &format!("timeout client {idle}"))
                .with("timeout server 60s", &format!("timeout server {idle}"))
                .with("jetgate-0:50051 port 50052", &haproxy_server(first))
                .with("jetgate-1:50051 port 50052", &haproxy_server(last)),
        }
        .0
    }

    fn command(self, program: &Path, configuration: &Path) -> Command {
        let mut command = Command::new(program);
        match self {
            Self::Envoy => command.args([
                "--use-dynamic-base-id",
                "--concurrency",
                "2",
                "-l",
                "warn",
                "-c",
            ]),
            // One process, which ends when it is killed.
            Self::Nginx => command.args([
                "-g",
                "daemon off; master_process off;",
                "-e",
                "stderr",
                "-c",
            ]),
            Self::Haproxy | Self::HaproxyTelling => command.args(["-db", "-f"]),
        };
        command.arg(configuration);
        command
    }
}

const ENVOY_ENDPOINT: &str = "              - endpoint:
                  address:
                    socket_address: { address: jetgate-headless, port_value: 50051 }
";

fn envoy_endpoints(gateways: &[&Gateway]) -> String {
    let mut endpoints = String::new();
    for gateway in gateways {
        let port = gateway.public().port();
        let own = format!("address: 127.0.0.1, port_value: {port}");
        let shipped = "address: jetgate-headless, port_value: 50051";
        let _ = write!(endpoints, "{}", ENVOY_ENDPOINT.replace(shipped, &own));
    }
    endpoints
}

fn haproxy_server(gateway: &Gateway) -> String {
    let admin: SocketAddr = gateway.admin_url("")[7..].parse().unwrap();
    format!("{} port {}", gateway.public(), admin.port())
}

/// Debian's nginx keeps these where only root may write.
fn nginx_folders(at: &Path) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folder = |kind| format!("    {kind}_temp_path {}/{kind};\n", at.display());
    kinds.map(folder).concat()
}

/// A shipped file, with other values for some of its words.
struct Template(String);

impl Template {
    fn of(path: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        Self(fs::read_to_string(path).unwrap())
    }

    fn with(self, shipped: &str, own: &str) -> Self {
        assert!(
            self.0.contains(shipped),
            "`{shipped}` is not there any more"
        );
        Self(self.0.replace(shipped, own))
    }
}

impl Edge {
    /// A proxy before these gateways that ends what is silent for `idle`, once calls come through.
    pub(crate) async fn start(proxy: Proxy, gateways: &[&Gateway], idle: Duration) -> Option<Self> {
        let program = proxy.program()?;
        let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
        let identity = authority.issue("edge", NAME);
        let at = folder.path();
        let (certificate, key) = (
            fs::read_to_string(identity.certificate).unwrap(),
            fs::read_to_string(identity.key).unwrap(),
        );
        fs::write(at.join("tls.crt"), &certificate).unwrap();
        fs::write(at.join("tls.key"), &key).unwrap();
        fs::write(at.join("tls.pem"), certificate + &key).unwrap();
        let descriptors = fs::File::create(at.join("jetgate.binpb")).unwrap();
        let mut jetgate = Command::new(env!("CARGO_BIN_EXE_jetgate"));
        let written = jetgate.arg("descriptors").stdout(descriptors).status();
        assert!(written.await.unwrap().success());

        let port = Port::reserve();
        let configuration = proxy.configuration(gateways, idle, port.number(), at);
        fs::write(at.join("proxy.yaml"), configuration).unwrap();
        let log = fs::File::create(at.join("log")).unwrap();
        let mut command = proxy.command(&program, &at.join("proxy.yaml"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap();
        if !listens(&mut child, port.address()).await {
            panic!("{proxy:?} does not start: {}", read(&at.join("log")));
        }
        let edge = Self {
            port,
            authority,
            folder,
            _child: child,
        };
        edge.until_serving().await;
        Some(edge)
    }

    /// Until a gateway is reached.
    async fn until_serving(&self) {
        let clients = self.clients();
        eventually(SOON, async || {
            let request = tonic_health::pb::HealthCheckRequest::default();
            clients.health().check(request).await.ok()
        })
        .await;
    }

    /// The generated clients, through the proxy.
    pub(crate) fn clients(&self) -> Clients {
        let channel = self
            .authority
            .client(None)
            .channel(self.port.address(), NAME);
        Clients::over(channel)
    }

    /// The same from another address of this machine.
    pub(crate) fn clients_from(&self, source: IpAddr) -> Clients {
        let client = self.authority.client(None).from(source);
        Clients::over(client.channel(self.port.address(), NAME))
    }

    /// Opens connections for what is not gRPC.
    pub(crate) fn tls(&self) -> TlsClient {
        self.authority.client(None).speaking(b"http/1.1")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// What its certificate is for.
    pub(crate) fn name(&self) -> &'static str {
        NAME
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- proxy\n{}\n---", read(&self.folder.path().join("log")));
        }
    }
}

/// Whether the proxy listens; false when it has ended.
async fn listens(child: &mut Child, address: SocketAddr) -> bool {
    eventually(SOON, async || {
        if child.try_wait().unwrap().is_some() {
            return Some(false);
        }
        let connected = tokio::net::TcpStream::connect(address).await;
        connected.is_ok().then_some(true)
    })
    .await
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
