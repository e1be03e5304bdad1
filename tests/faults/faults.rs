//! The faults: what each does, and how it is healed.

mod cables;
mod links;
mod processes;
mod rights;
mod streams;

use std::time::Duration;

use clap::ValueEnum;
use fastrand::Rng;
use tokio::time::sleep;

use crate::Result;
use crate::callers::Scene;
use crate::history::{Event, Victim};
use crate::setup::Setup;
use crate::stage::Stage;

/// What can be done to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// nothing
    None,
    /// kill -9 of the server that leads the stream
    KillLeader,
    /// kill -9 of any server
    KillNode,
    /// kill -9 of all servers at once
    KillAllNodes,
    /// kill -9 of the only server of a stream without replicas
    KillOnlyNode,
    /// kill -9 of the leader of a stream that forgets ids after a second
    KillLeaderOfForgetful,
    /// SIGSTOP of the server that leads the stream, longer than an election
    PauseLeader,
    /// SIGSTOP of any server
    PauseNode,
    /// SIGSTOP of all servers
    PauseAllNodes,
    /// SIGTERM and restart of each server in turn
    RollNodes,
    /// lame duck mode and restart of a server
    LameDuck,
    /// the leader's routes carry nothing; the gateways still reach it
    IsolateLeader,
    /// the leader hears the other servers, and they do not hear it
    MuteLeader,
    /// the leader's file system is full; then it has room and is restarted
    DiskFull,
    /// kill -9 of a gateway
    KillGateway,
    /// SIGSTOP of a gateway
    PauseGateway,
    /// SIGTERM and restart of each gateway in turn
    RollGateways,
    /// all connections of callers break, again and again
    CutCallers,
    /// connections of callers of one gateway carry nothing (half-open)
    StallCallers,
    /// 100 ms, give or take half, on all connections of callers
    DelayCallers,
    /// 16 KiB a second on each connection of callers, each way
    SqueezeCallers,
    /// all connections to NATS break, again and again
    CutServers,
    /// connections to NATS of one gateway carry nothing (half-open)
    StallServers,
    /// NATS hears all gateways, and they do not hear it
    MuteServers,
    /// 100 ms, give or take half, on all connections to NATS
    DelayServers,
    /// 16 KiB a second on each connection to NATS, each way
    SqueezeServers,
    /// one gateway is refused by one, two or all servers
    IsolateGateway,
    /// no consumer reads
    SlowReaders,
    /// ten times the messages
    Burst,
    /// half of the stream is purged
    Purge,
    /// a consumer is deleted; its callers go on with another
    DeleteConsumer,
    /// the stream is deleted with its consumers, and made again
    DeleteStream,
    /// the gateways' certificate is replaced, twice
    RotateCertificate,
    /// callers change over to another API key, then the old one is withdrawn
    RotateKey,
    /// callers change over to tokens by another key of their issuer, then the old one is withdrawn
    RotateTokenKey,
    /// the issuer's server hangs, is away, and comes back with another key
    JwksOutage,
    /// a group of callers loses its rights and gets them back
    RotateRules,
    /// kill -9 of the proxy in front of the gateways
    KillEdge,
    /// SIGSTOP of the proxy in front of the gateways
    PauseEdge,
    /// no packet passes between the leader and anybody
    UnplugLeader,
    /// no packet of the leader comes through; it hears everybody
    GagLeader,
    /// no packet reaches the leader; everybody hears it
    DeafenLeader,
    /// no packet passes between a gateway and anybody
    UnplugGateway,
}

impl Fault {
    /// Those that a change is checked with.
    pub(crate) const SHORT: [Self; 6] = [
        Self::KillLeader,
        Self::KillGateway,
        Self::StallServers,
        Self::CutCallers,
        Self::IsolateLeader,
        Self::RotateKey,
    ];

    /// Those that are like another one, with less to it or elsewhere.
    const LIKE_OTHERS: [Self; 19] = [
        Self::KillNode,
        Self::KillLeaderOfForgetful,
        Self::PauseNode,
        Self::PauseAllNodes,
        Self::LameDuck,
        Self::MuteLeader,
        Self::SqueezeCallers,
        Self::DelayCallers,
        Self::StallServers,
        Self::DelayServers,
        Self::Burst,
        Self::Purge,
        Self::DeleteConsumer,
        Self::RotateCertificate,
        Self::RotateTokenKey,
        Self::PauseEdge,
        Self::GagLeader,
        Self::DeafenLeader,
        Self::UnplugGateway,
    ];

    /// Whether it is one of the usual suite on this path.
    pub(crate) fn is_usual_on(self, setup: Setup) -> bool {
        match self {
            Self::None => setup == Setup::Direct,
            Self::RollGateways => setup != Setup::Envoy,
            fault => !Self::LIKE_OTHERS.contains(&fault),
        }
    }

    /// Its name, as it is given with --fault.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What it does, for the list.
    pub(crate) fn what(self) -> String {
        let value = self.to_possible_value();
        let help = value.and_then(|value| value.get_help().map(ToString::to_string));
        help.unwrap_or_default()
    }

    /// Whether it happens to a proxy in front of the gateways.
    pub(crate) fn is_of_edge(self) -> bool {
        matches!(self, Self::KillEdge | Self::PauseEdge)
    }

    /// Whether it happens to cables.
    pub(crate) fn is_of_cable(self) -> bool {
        use Fault::{DeafenLeader, GagLeader, UnplugGateway, UnplugLeader};
        matches!(
            self,
            UnplugLeader | GagLeader | DeafenLeader | UnplugGateway
        )
    }

    /// How many servers hold the stream that it happens to.
    pub(crate) fn replicas(self) -> u64 {
        match self {
            Self::KillOnlyNode => 1,
            _ => 3,
        }
    }

    /// For how long that stream remembers ids: mostly longer than any run.
    pub(crate) fn window(self) -> Duration {
        match self {
            Self::KillLeaderOfForgetful => Duration::from_secs(1),
            _ => Duration::from_secs(600),
        }
    }

    /// Whether there are callers whose rights come and go.
    pub(crate) fn has_guests(self) -> bool {
        self == Self::RotateRules
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
            Fault::KillLeader | Fault::KillOnlyNode | Fault::KillLeaderOfForgetful => {
                self.kill_leader().await?;
            }
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
            Fault::KillEdge => self.kill_edge().await?,
            Fault::PauseEdge => self.pause_edge().await,
            Fault::IsolateLeader => self.isolate_leader(false).await?,
            Fault::MuteLeader => self.isolate_leader(true).await?,
            Fault::CutCallers => self.cut_callers().await,
            Fault::StallCallers => self.stall_callers().await,
            Fault::DelayCallers => self.delay_callers().await,
            Fault::SqueezeCallers => self.squeeze_callers().await,
            Fault::CutServers => self.cut_servers().await,
            Fault::StallServers => self.stall_servers().await,
            Fault::MuteServers => self.mute_servers().await,
            Fault::DelayServers => self.delay_servers().await,
            Fault::SqueezeServers => self.squeeze_servers().await,
            Fault::IsolateGateway => self.isolate_gateway().await,
            Fault::SlowReaders => self.slow_readers().await,
            Fault::Burst => self.burst().await,
            Fault::Purge => self.purge().await?,
            Fault::DeleteConsumer => self.delete_consumer().await?,
            Fault::DeleteStream => self.delete_stream().await?,
            Fault::RotateCertificate => self.rotate_certificate().await?,
            Fault::RotateKey => self.rotate_key().await?,
            Fault::RotateTokenKey => self.rotate_token_key().await?,
            Fault::JwksOutage => self.jwks_outage().await?,
            Fault::RotateRules => self.rotate_rules().await?,
            Fault::UnplugLeader | Fault::GagLeader | Fault::DeafenLeader => {
                self.lose_of_leader(fault).await?;
            }
            Fault::UnplugGateway => self.unplug_gateway().await?,
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
        | Fault::KillOnlyNode
        | Fault::KillLeaderOfForgetful
        | Fault::PauseLeader
        | Fault::PauseNode
        | Fault::PauseAllNodes
        | Fault::RollNodes
        | Fault::LameDuck
        | Fault::IsolateLeader
        | Fault::MuteLeader
        | Fault::DiskFull
        | Fault::UnplugLeader
        | Fault::GagLeader
        | Fault::DeafenLeader => Victim::JetStream,
        Fault::KillGateway
        | Fault::PauseGateway
        | Fault::RollGateways
        | Fault::KillEdge
        | Fault::PauseEdge
        | Fault::CutCallers
        | Fault::StallCallers
        | Fault::DelayCallers
        | Fault::SqueezeCallers
        | Fault::UnplugGateway => Victim::Callers,
        Fault::None => Victim::Peace,
        Fault::RotateCertificate
        | Fault::RotateKey
        | Fault::RotateTokenKey
        | Fault::JwksOutage
        | Fault::RotateRules => Victim::Nothing,
        _ => Victim::Nobody,
    }
}
