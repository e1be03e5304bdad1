//! The faults: what each does, and how it is healed.

mod links;
mod processes;
mod streams;

use std::time::Duration;

use fastrand::Rng;
use tokio::time::sleep;

use crate::Result;
use crate::callers::Scene;
use crate::history::{Event, Victim};
use crate::stage::Stage;

/// What can be done to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: what the others are compared with.
    None,
    KillLeader,
    KillNode,
    KillAllNodes,
    PauseLeader,
    PauseNode,
    PauseAllNodes,
    RollNodes,
    LameDuck,
    IsolateLeader,
    MuteLeader,
    DiskFull,
    KillGateway,
    PauseGateway,
    RollGateways,
    CutCallers,
    StallCallers,
    DelayCallers,
    CutServers,
    StallServers,
    MuteServers,
    DelayServers,
    IsolateGateway,
    SlowReaders,
    Purge,
    DeleteConsumer,
}

impl Fault {
    pub(crate) const ALL: [Self; 26] = [
        Self::None,
        Self::KillLeader,
        Self::KillNode,
        Self::KillAllNodes,
        Self::PauseLeader,
        Self::PauseNode,
        Self::PauseAllNodes,
        Self::RollNodes,
        Self::LameDuck,
        Self::IsolateLeader,
        Self::MuteLeader,
        Self::DiskFull,
        Self::KillGateway,
        Self::PauseGateway,
        Self::RollGateways,
        Self::CutCallers,
        Self::StallCallers,
        Self::DelayCallers,
        Self::CutServers,
        Self::StallServers,
        Self::MuteServers,
        Self::DelayServers,
        Self::IsolateGateway,
        Self::SlowReaders,
        Self::Purge,
        Self::DeleteConsumer,
    ];

    /// Those that a change is checked with.
    pub(crate) const SHORT: [Self; 5] = [
        Self::KillLeader,
        Self::KillGateway,
        Self::StallServers,
        Self::CutCallers,
        Self::IsolateLeader,
    ];

    /// Its name, as it is given with --fault.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::KillLeader => "kill-leader",
            Self::KillNode => "kill-node",
            Self::KillAllNodes => "kill-all-nodes",
            Self::PauseLeader => "pause-leader",
            Self::PauseNode => "pause-node",
            Self::PauseAllNodes => "pause-all-nodes",
            Self::RollNodes => "roll-nodes",
            Self::LameDuck => "lame-duck",
            Self::IsolateLeader => "isolate-leader",
            Self::MuteLeader => "mute-leader",
            Self::DiskFull => "disk-full",
            Self::KillGateway => "kill-gateway",
            Self::PauseGateway => "pause-gateway",
            Self::RollGateways => "roll-gateways",
            Self::CutCallers => "cut-callers",
            Self::StallCallers => "stall-callers",
            Self::DelayCallers => "delay-callers",
            Self::CutServers => "cut-servers",
            Self::StallServers => "stall-servers",
            Self::MuteServers => "mute-servers",
            Self::DelayServers => "delay-servers",
            Self::IsolateGateway => "isolate-gateway",
            Self::SlowReaders => "slow-readers",
            Self::Purge => "purge",
            Self::DeleteConsumer => "delete-consumer",
        }
    }

    /// What it does, for the list.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::KillLeader => "kill -9 of the server that leads the stream",
            Self::KillNode => "kill -9 of any server",
            Self::KillAllNodes => "kill -9 of all servers at once",
            Self::PauseLeader => {
                "SIGSTOP of the server that leads the stream, longer than an election"
            }
            Self::PauseNode => "SIGSTOP of any server",
            Self::PauseAllNodes => "SIGSTOP of all servers",
            Self::RollNodes => "SIGTERM and restart of each server in turn",
            Self::LameDuck => "lame duck mode and restart of a server",
            Self::IsolateLeader => "the leader's routes carry nothing; the gateways still reach it",
            Self::MuteLeader => "the leader hears the other servers, and they do not hear it",
            Self::DiskFull => "the leader's file system is full; then it has room and is restarted",
            Self::KillGateway => "kill -9 of a gateway",
            Self::PauseGateway => "SIGSTOP of a gateway",
            Self::RollGateways => "SIGTERM and restart of each gateway in turn",
            Self::CutCallers => "all connections of callers break, again and again",
            Self::StallCallers => "connections of callers of one gateway carry nothing (half-open)",
            Self::DelayCallers => "100 ms, give or take half, on all connections of callers",
            Self::CutServers => "all connections to NATS break, again and again",
            Self::StallServers => "connections to NATS of one gateway carry nothing (half-open)",
            Self::MuteServers => "NATS hears all gateways, and they do not hear it",
            Self::DelayServers => "100 ms, give or take half, on all connections to NATS",
            Self::IsolateGateway => "one gateway is refused by all servers",
            Self::SlowReaders => "no consumer reads",
            Self::Purge => "half of the stream is purged",
            Self::DeleteConsumer => "a consumer is deleted; its callers go on with another",
        }
    }

    /// Why it cannot be injected here.
    pub(crate) fn obstacle(self, stage: &Stage) -> Option<&'static str> {
        let needs_limit = self == Self::DiskFull && !stage.is_limited;
        needs_limit.then_some("mounting a tmpfs of limited size is not allowed here")
    }
}

/// A run, to inject a fault into.
pub(crate) struct Injection<'a> {
    pub(crate) stage: &'a mut Stage,
    pub(crate) scene: &'a Scene,
    pub(crate) rng: Rng,
}

impl Injection<'_> {
    /// Injects the fault, and heals it again.
    pub(crate) async fn inject(&mut self, fault: Fault) -> Result<()> {
        let victim = victim(fault);
        self.scene.recorder.record(Event::Storm { victim });
        match fault {
            Fault::None => self.hold(2, 4).await,
            Fault::KillLeader => self.kill_leader().await?,
            Fault::KillNode => self.kill_node().await?,
            Fault::KillAllNodes => self.kill_all_nodes().await?,
            Fault::PauseLeader => self.pause_leader().await?,
            Fault::PauseNode => self.pause_node().await,
            Fault::PauseAllNodes => self.pause_all_nodes().await,
            Fault::RollNodes => self.roll_nodes().await?,
            Fault::LameDuck => self.lame_duck().await?,
            Fault::DiskFull => self.disk_full().await?,
            Fault::KillGateway => self.kill_gateway().await?,
            Fault::PauseGateway => self.pause_gateway().await,
            Fault::RollGateways => self.roll_gateways().await?,
            Fault::IsolateLeader => self.isolate_leader(false).await?,
            Fault::MuteLeader => self.isolate_leader(true).await?,
            Fault::CutCallers => self.cut_callers().await,
            Fault::StallCallers => self.stall_callers().await,
            Fault::DelayCallers => self.delay_callers().await,
            Fault::CutServers => self.cut_servers().await,
            Fault::StallServers => self.stall_servers().await,
            Fault::MuteServers => self.mute_servers().await,
            Fault::DelayServers => self.delay_servers().await,
            Fault::IsolateGateway => self.isolate_gateway().await,
            Fault::SlowReaders => self.slow_readers().await,
            Fault::Purge => self.purge().await?,
            Fault::DeleteConsumer => self.delete_consumer().await?,
        }
        self.scene.recorder.record(Event::Healed);
        self.stage.until_well().await?;
        self.scene.recorder.record(Event::Calm { victim });
        Ok(())
    }

    /// Lets the fault last for some time between these, in seconds.
    async fn hold(&mut self, least: u64, most: u64) {
        let time = self.rng.u64(least * 1_000..most * 1_000);
        sleep(Duration::from_millis(time)).await;
    }
}

/// What a fault is an excuse for.
fn victim(fault: Fault) -> Victim {
    match fault {
        Fault::KillLeader
        | Fault::KillNode
        | Fault::KillAllNodes
        | Fault::PauseLeader
        | Fault::PauseNode
        | Fault::PauseAllNodes
        | Fault::RollNodes
        | Fault::LameDuck
        | Fault::IsolateLeader
        | Fault::MuteLeader
        | Fault::DiskFull => Victim::JetStream,
        Fault::KillGateway
        | Fault::PauseGateway
        | Fault::RollGateways
        | Fault::CutCallers
        | Fault::StallCallers
        | Fault::DelayCallers => Victim::Callers,
        _ => Victim::Nobody,
    }
}
