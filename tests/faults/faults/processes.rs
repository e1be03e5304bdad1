//! Processes that crash, hang, end in order and come back.

use std::fs::{self, File};
use std::io::Write as _;
use std::time::Duration;

use rustix::process::Signal;

use super::Injection;
use crate::Result;
use crate::cluster::SIZE;
use crate::waiting::until;

/// The longest time that a server takes to end in lame duck mode.
const LAME: Duration = Duration::from_secs(60);

impl Injection<'_> {
    async fn leader(&self) -> Result<usize> {
        self.stage.jetstream.leader(&self.scene.stream).await
    }

    pub(super) async fn kill_leader(&mut self) -> Result<()> {
        let leader = self.leader().await?;
        self.kill_nodes(&[leader], 3, 7).await
    }

    pub(super) async fn kill_node(&mut self) -> Result<()> {
        let node = self.rng.usize(..SIZE);
        self.kill_nodes(&[node], 3, 7).await
    }

    pub(super) async fn kill_all_nodes(&mut self) -> Result<()> {
        self.kill_nodes(&[0, 1, 2], 2, 4).await
    }

    async fn kill_nodes(&mut self, nodes: &[usize], least: u64, most: u64) -> Result<()> {
        for node in nodes {
            self.stage.cluster.nodes[*node].program.signal(Signal::KILL);
        }
        for node in nodes {
            self.stage.cluster.nodes[*node].program.ended().await?;
        }
        self.hold(least, most).await;
        for node in nodes {
            self.stage.cluster.nodes[*node].program.start()?;
        }
        Ok(())
    }

    pub(super) async fn pause_leader(&mut self) -> Result<()> {
        let leader = self.leader().await?;
        self.pause_nodes(&[leader], 8, 12).await;
        Ok(())
    }

    pub(super) async fn pause_node(&mut self) {
        let node = self.rng.usize(..SIZE);
        self.pause_nodes(&[node], 3, 7).await;
    }

    pub(super) async fn pause_all_nodes(&mut self) {
        self.pause_nodes(&[0, 1, 2], 3, 7).await;
    }

    async fn pause_nodes(&mut self, nodes: &[usize], least: u64, most: u64) {
        for node in nodes {
            self.stage.cluster.nodes[*node].program.signal(Signal::STOP);
        }
        self.hold(least, most).await;
        for node in nodes {
            self.stage.cluster.nodes[*node].program.signal(Signal::CONT);
        }
    }

    pub(super) async fn roll_nodes(&mut self) -> Result<()> {
        for node in 0..SIZE {
            self.stage.cluster.nodes[node].program.terminate().await?;
            self.stage.cluster.nodes[node].program.start()?;
            self.stage.cluster.until_whole().await?;
        }
        Ok(())
    }

    pub(super) async fn lame_duck(&mut self) -> Result<()> {
        let node = self.leader().await?;
        self.stage.cluster.lame_duck(node);
        let program = &mut self.stage.cluster.nodes[node].program;
        let ended = async || program.has_ended().then_some(());
        until("the end of a lame duck", LAME, ended).await?;
        program.start()
    }

    pub(super) async fn disk_full(&mut self) -> Result<()> {
        let leader = self.leader().await?;
        let node = &self.stage.cluster.nodes[leader];
        let filling = node.store.join("filling");
        fill(&filling)?;
        self.hold(4, 8).await;
        fs::remove_file(&filling)?;
        // A server that met a full disk has switched JetStream off until it is restarted.
        let program = &mut self.stage.cluster.nodes[leader].program;
        program.terminate().await?;
        program.start()
    }

    pub(super) async fn kill_gateway(&mut self) -> Result<()> {
        let gateway = self.rng.usize(..self.stage.gateways.len());
        self.stage.gateways[gateway].program.kill().await?;
        self.hold(1, 4).await;
        self.stage.gateways[gateway].program.start()
    }

    pub(super) async fn pause_gateway(&mut self) {
        let gateway = self.rng.usize(..self.stage.gateways.len());
        self.stage.gateways[gateway].program.signal(Signal::STOP);
        self.hold(5, 9).await;
        self.stage.gateways[gateway].program.signal(Signal::CONT);
    }

    pub(super) async fn kill_edge(&mut self) -> Result<()> {
        if let Some(edge) = &mut self.stage.edge {
            edge.program.kill().await?;
        }
        self.hold(1, 4).await;
        match &mut self.stage.edge {
            Some(edge) => edge.program.start(),
            None => Ok(()),
        }
    }

    pub(super) async fn pause_edge(&mut self) {
        self.signal_edge(Signal::STOP);
        self.hold(5, 9).await;
        self.signal_edge(Signal::CONT);
    }

    fn signal_edge(&self, signal: Signal) {
        if let Some(edge) = &self.stage.edge {
            edge.program.signal(signal);
        }
    }

    pub(super) async fn roll_gateways(&mut self) -> Result<()> {
        for gateway in &mut self.stage.gateways {
            gateway.program.terminate().await?;
            gateway.program.start()?;
            gateway.until_ready().await?;
        }
        Ok(())
    }
}

/// Writes a file until there is no more room.
fn fill(path: &std::path::Path) -> Result<()> {
    let mut file = File::create(path)?;
    let zeros = vec![0; 64 * 1024];
    while file.write_all(&zeros).is_ok() {}
    // The last pages, one by one.
    while file.write_all(&zeros[..512]).is_ok() {}
    Ok(())
}
