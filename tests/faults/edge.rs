//! A real proxy in front of the gateways, with the configuration that `deploy/` ships and other addresses.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::access::{Access, Identity};
use crate::callers::knock;
use crate::cluster::free_addresses;
use crate::fleet::Gateway;
use crate::options::Options;
use crate::program::Program;
use crate::setup::Setup;
use crate::waiting::until;

const ENVOY: &str = include_str!("../../deploy/envoy/envoy.yaml");
const NGINX: &str = include_str!("../../deploy/nginx/nginx.conf");

/// How long it may take until calls come through.
const STARTING: Duration = Duration::from_secs(60);

/// A proxy that ends with this value.
pub(crate) struct Edge {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

impl Edge {
    /// `None` for setups without one. Its files go into the folder, where its certificate is as well.
    pub(crate) fn start(
        options: &Options,
        setup: Setup,
        gateways: &[Gateway],
        folder: &Path,
    ) -> Result<Option<Self>> {
        let binary = match setup {
            Setup::Envoy => &options.envoy,
            Setup::Nginx => &options.nginx,
            _ => return Ok(None),
        };
        let binary = binary.as_ref().ok_or("no such proxy here")?;
        let address = free_addresses(1)?[0];
        let doors: Vec<SocketAddr> = gateways
            .iter()
            .map(|gateway| gateway.callers.address())
            .collect();
        // Envoy goes by the ending; nginx takes any.
        let file = folder.join("edge.yaml");
        let (configuration, mut arguments) = match setup {
            Setup::Envoy => {
                write_descriptors(&options.gateway, &folder.join("jetgate.binpb"))?;
                let arguments = ["--use-dynamic-base-id", "--concurrency", "2", "-l", "warn"];
                (envoy(address, &doors, folder)?, arguments.to_vec())
            }
            // One process, which ends when it is killed.
            _ => {
                let arguments = ["-g", "daemon off; master_process off;", "-e", "stderr"];
                (nginx(address, &doors, folder)?, arguments.to_vec())
            }
        };
        fs::write(&file, configuration)?;
        let file = file.display().to_string();
        arguments.extend(["-c", &file]);
        let log = folder.join("edge.log");
        let mut edge = Self {
            program: Program::new(&options.gateway, binary, arguments, log),
            address,
        };
        edge.program.start()?;
        Ok(Some(edge))
    }

    /// Waits until calls come through.
    pub(crate) async fn until_ready(&self, access: &Access) -> Result<()> {
        let bearer = access.bearer(Identity::Key);
        let ready = async || knock(access, self.address, &bearer).await.ok();
        let ready = until("a proxy that lets calls through", STARTING, ready).await;
        ready.map_err(|error| format!("{error}\n{}", self.program.log()).into())
    }
}

fn write_descriptors(gateway: &Path, file: &PathBuf) -> Result<()> {
    let mut jetgate = Command::new(gateway);
    jetgate.arg("descriptors").stdin(Stdio::null());
    let status = jetgate.stdout(File::create(file)?).status()?;
    match status.success() {
        true => Ok(()),
        false => Err("the gateway does not write its descriptors".into()),
    }
}

fn envoy(address: SocketAddr, doors: &[SocketAddr], folder: &Path) -> Result<String> {
    let shipped = "              - endpoint:\n                  address:\n                    \
                   socket_address: { address: jetgate-headless, port_value: 50051 }\n";
    let endpoint = |door: &SocketAddr| {
        let own = format!("address: {}, port_value: {}", door.ip(), door.port());
        shipped.replace("address: jetgate-headless, port_value: 50051", &own)
    };
    let endpoints: String = doors.iter().map(endpoint).collect();
    let port = address.port();
    let folder = folder.display();
    with_own(
        ENVOY,
        &[
            (
                "0.0.0.0, port_value: 8443",
                format!("127.0.0.1, port_value: {port}"),
            ),
            (
                "127.0.0.1, port_value: 9901",
                "127.0.0.1, port_value: 0".to_owned(),
            ),
            ("/etc/envoy/tls/", format!("{folder}/")),
            (
                "/etc/envoy/jetgate.binpb",
                format!("{folder}/jetgate.binpb"),
            ),
            (shipped, endpoints),
        ],
    )
}

fn nginx(address: SocketAddr, doors: &[SocketAddr], folder: &Path) -> Result<String> {
    let server = |name: &str| format!("server {name}:50051 max_fails=1 fail_timeout=5s;");
    let own = doors
        .iter()
        .map(|door| format!("server {door} max_fails=1 fail_timeout=5s;"));
    let own: Vec<String> = own.collect();
    let folder = folder.display();
    // Debian's nginx keeps these where only root may write.
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let kept = kinds.map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"));
    with_own(
        NGINX,
        &[
            ("listen 8443", format!("listen {address}")),
            ("/run/nginx.pid", format!("{folder}/nginx.pid")),
            ("/etc/nginx/tls/", format!("{folder}/")),
            ("http {\n", format!("http {{\n{}", kept.concat())),
            // Idle connections to gateways count as left behind.
            ("keepalive_timeout 60s", "keepalive_timeout 1s".to_owned()),
            (&server("jetgate-0"), own.join("\n        ")),
            (&server("jetgate-1"), String::new()),
        ],
    )
}

/// A shipped file with other values for some of its words.
fn with_own(shipped: &str, own: &[(&str, String)]) -> Result<String> {
    let mut text = shipped.to_owned();
    for (words, others) in own {
        if !text.contains(words) {
            return Err(format!("{words:?} is not there any more").into());
        }
        text = text.replace(words, others);
    }
    Ok(text)
}
