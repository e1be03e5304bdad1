//! Open files: every connection is one, and the system lets a process have only so many.
//!
//! Where there is none left nobody is accepted, not even a probe, and no lost connection to NATS is made anew. So callers
//! never get those that the gateway needs itself, however low the limit is.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// What is open beside the connections that are counted: the runtime's and listeners, files that are read again,
/// connections to issuers of tokens and receivers of traces, and those that are accepted to be refused.
const OTHERS: u64 = 64;

/// While a connection to NATS is replaced there are two.
const FOR_EACH_LINK: u64 = 2;

/// Lets this process have as many as it may. Most begin with 1,024, for programs that cannot count further.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if limit.current != raised.current
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::info!(%error, "cannot raise the limit of open files");
    }
}

/// How many this process may have; `None` is any number.
pub(crate) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many it may have once it has raised its limit.
pub(crate) fn highest_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// What a gateway with so many logins at NATS opens.
pub(crate) struct Need {
    /// Beside its callers.
    own: u64,
    /// For callers.
    callers: u32,
}

impl Need {
    pub(crate) fn of(config: &Config, logins: usize) -> Self {
        let links = config.nats.publish_connections + config.nats.consume_connections;
        let links = FOR_EACH_LINK * (logins * links) as u64;
        let console = config.console.listen.map_or(0, |_| {
            config
                .server
                .max_connections
                .min(config.console.max_connections)
        });
        let own = OTHERS + links + u64::from(console) + u64::from(config.admin.max_connections);
        Self {
            own,
            callers: config.server.max_connections,
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.own + u64::from(self.callers)
    }

    /// How many connections callers get below this limit. Half of it is theirs, however much the rest wants.
    pub(crate) fn for_callers(&self, limit: Option<u64>) -> u32 {
        let left = limit.map(|limit| limit - self.own.min(limit / 2));
        let left = left.and_then(|left| u32::try_from(left).ok());
        left.map_or(self.callers, |left| left.min(self.callers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_get_what_the_gateway_does_not_need_itself() {
        let mut config = Config::default();
        config.server.max_connections = 1_000;
        // 64 of the admin port, and two for each of three connections to NATS.
        let need = Need::of(&config, 1);
        assert_eq!(need.total(), 1_000 + 64 + 64 + 6);
        assert_eq!(need.for_callers(None), 1_000);
        assert_eq!(need.for_callers(Some(1 << 40)), 1_000);
        assert_eq!(need.for_callers(Some(1_134)), 1_000);
        assert_eq!(need.for_callers(Some(1_133)), 999);
        assert_eq!(need.for_callers(Some(268)), 134);
        assert_eq!(need.for_callers(Some(100)), 50);
    }

    #[test]
    fn tenants_and_the_console_need_some() {
        let mut config = Config::default();
        let alone = Need::of(&config, 1).total();
        assert_eq!(Need::of(&config, 3).total(), alone + 12);
        config.console.listen = Some(([127, 0, 0, 1], 0).into());
        assert_eq!(Need::of(&config, 1).total(), alone + 256);
    }
}
