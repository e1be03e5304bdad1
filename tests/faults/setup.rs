//! The ways between callers, gateways and servers that a run may have.

use clap::ValueEnum;

use crate::faults::Fault;
use crate::namespace;
use crate::options::Options;

/// What stands between whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Setup {
    /// A TCP proxy of ours on every way; TLS up to the gateways
    Direct,
    /// The same behind Envoy, which has the callers' TLS
    Envoy,
    /// The same behind nginx
    Nginx,
    /// Servers and gateways on networks of their own, joined by cables (veth) with nothing in between
    Veth,
}

impl Setup {
    /// What can be injected there: behind a proxy what concerns it, on cables what they can do.
    pub(crate) fn faults(self) -> Vec<Fault> {
        match self {
            Self::Direct => {
                let all = Fault::value_variants().iter().copied();
                all.filter(|fault| !fault.is_of_edge() && !fault.is_of_cable())
                    .collect()
            }
            Self::Envoy | Self::Nginx => vec![
                Fault::None,
                Fault::KillEdge,
                Fault::PauseEdge,
                Fault::RollGateways,
            ],
            Self::Veth => vec![
                Fault::UnplugLeader,
                Fault::GagLeader,
                Fault::DeafenLeader,
                Fault::UnplugGateway,
            ],
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Envoy => "envoy",
            Self::Nginx => "nginx",
            Self::Veth => "veth",
        }
    }

    /// How many connections to a gateway what stands in front of it keeps without callers. Envoy has one for each
    /// of its threads and one of its health checks.
    pub(crate) fn kept_connections(self) -> u64 {
        match self {
            Self::Envoy => 8,
            _ => 0,
        }
    }

    /// Why it cannot be had here.
    pub(crate) fn obstacle(self, options: &Options) -> Option<&'static str> {
        match self {
            Self::Envoy if options.envoy.is_none() => Some("no Envoy here"),
            Self::Nginx if options.nginx.is_none() => Some("no nginx here"),
            Self::Veth if !namespace::has_network() => {
                Some("network namespaces are not allowed here")
            }
            _ => None,
        }
    }
}
