//! Three nats-servers that form a JetStream cluster, for streams with three replicas.

use std::time::Duration;

use serde_json::Value;

use super::{NatsServer, Port, Wire, eventually, http_get};

/// How many servers the cluster has.
const SIZE: usize = 3;

/// How long an election may take on a busy machine.
const ELECTION: Duration = Duration::from_secs(60);

/// A cluster of three servers, named n0, n1 and n2.
pub(crate) struct NatsCluster {
    servers: Vec<NatsServer>,
    /// Where they listen for each other.
    _routes: Vec<Port>,
}

impl NatsCluster {
    /// Starts the servers and waits until they have a leader and know all there is to know.
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same with these lines in the configuration of each.
    pub(crate) async fn start_with(config: &str) -> Self {
        let ports: Vec<Port> = (0..SIZE).map(|_| Port::reserve()).collect();
        let addresses: Vec<_> = ports.iter().map(Port::address).collect();
        let routes: Vec<_> = addresses.iter().map(|at| format!("nats://{at}")).collect();
        let routes = routes.join(", ");
        let mut servers = Vec::new();
        for (number, address) in addresses.iter().enumerate() {
            let config = format!(
                "server_name: n{number}\n\
                 cluster {{ name: test, listen: \"{address}\", routes: [{routes}] }}\n{config}"
            );
            servers.push(NatsServer::start_with(&config).await);
        }
        let cluster = Self {
            servers,
            _routes: ports,
        };
        cluster.until_complete().await;
        cluster
    }

    /// One of the servers.
    pub(crate) fn server(&self, number: usize) -> &NatsServer {
        &self.servers[number]
    }

    /// The URLs of all servers, separated by commas.
    pub(crate) fn url(&self) -> String {
        let urls: Vec<String> = self.servers.iter().map(NatsServer::url).collect();
        urls.join(",")
    }

    /// A client of our own, on a server that runs.
    pub(crate) async fn wire(&self) -> Wire {
        let running = self.servers.iter().find(|server| server.is_running());
        running.expect("a server runs").wire().await
    }

    /// Ends a server as a crash does.
    pub(crate) fn kill(&mut self, number: usize) {
        self.servers[number].kill();
    }

    /// Starts a killed server again, with the same data.
    pub(crate) async fn restart(&mut self, number: usize) {
        self.servers[number].restart().await;
    }

    /// The number of the server that leads a stream; waits until there is one.
    pub(crate) async fn leader_of_stream(&self, stream: &str) -> usize {
        let subject = format!("STREAM.INFO.{stream}");
        eventually(ELECTION, async || {
            let info = self.wire().await.try_api(&subject, Value::Null).await?;
            let leader = info["cluster"]["leader"].as_str()?;
            leader.strip_prefix('n')?.parse().ok()
        })
        .await
    }

    /// Waits until every server runs, agrees on the leader of the cluster and has caught up.
    pub(crate) async fn until_complete(&self) {
        eventually(ELECTION, async || {
            let mut leader_is_complete = false;
            for server in &self.servers {
                let health = format!("{}/healthz", server.monitoring_url());
                let (200, _) = http_get(&health).await? else {
                    return None;
                };
                let (_, body) = http_get(&format!("{}/jsz", server.monitoring_url())).await?;
                let meta = serde_json::from_str::<Value>(&body).ok()?["meta_cluster"].take();
                meta["leader"]
                    .as_str()
                    .filter(|leader| !leader.is_empty())?;
                if let Some(followers) = meta["replicas"].as_array() {
                    let current = followers.iter().filter(|peer| peer["current"] == true);
                    leader_is_complete |= current.count() == SIZE - 1;
                }
            }
            leader_is_complete.then_some(())
        })
        .await;
    }
}
