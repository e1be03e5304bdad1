//! Cables that are pulled, whole or one way: packets are lost, and nobody is told.

use super::{Fault, Injection};
use crate::Result;
use crate::fleet::machine;
use crate::network::Lost;
use crate::stage::Stage;

impl Injection<'_> {
    /// What this fault says of the machine of the server that leads the stream.
    pub(super) async fn lose_of_leader(&mut self, fault: Fault) -> Result<()> {
        let leader = self.stage.jetstream.leader(&self.scene.stream).await?;
        let lost = match fault {
            Fault::GagLeader => Lost::Sent,
            Fault::DeafenLeader => Lost::Received,
            _ => Lost::Everything,
        };
        self.lose(leader, lost).await
    }

    pub(super) async fn unplug_gateway(&mut self) -> Result<()> {
        let gateway = self.rng.usize(..self.stage.gateways.len());
        self.lose(machine(gateway), Lost::Everything).await
    }

    async fn lose(&mut self, machine: usize, lost: Lost) -> Result<()> {
        let cables = |stage: &Stage| stage.network.ok_or("there are no cables");
        cables(self.stage)?.lose(machine, lost)?;
        self.hold(8, 12).await;
        cables(self.stage)?.mend(machine, lost)
    }
}
