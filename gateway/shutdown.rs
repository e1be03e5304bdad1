//! From signals to phases: running, draining, ending at once.
//!
//! The first SIGTERM or SIGINT begins the drain; when `shutdown.drain` is over, what still runs is
//! cut off. A second signal is somebody who does not want to wait: the process ends there and then.

use std::{io, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

use crate::config::Checks;

/// How the gateway ends.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Time for sessions and calls to finish; at most 1 h, `0s` cuts them off at once. Keep it
    /// below the termination grace period of whatever runs the gateway. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(30),
        }
    }
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.time_within(
            "drain",
            self.drain,
            Duration::ZERO..=Duration::from_secs(60 * 60),
        );
    }
}

/// The phase that the process is in; clones share it.
#[derive(Clone, Debug)]
pub struct Shutdown {
    drain: Duration,
    draining: CancellationToken,
    hard_stop: CancellationToken,
    forced: watch::Sender<Option<u8>>,
}

impl Shutdown {
    /// Running, until [`Shutdown::request`] or a signal.
    pub fn new(config: &Config) -> Self {
        Self {
            drain: config.drain,
            draining: CancellationToken::new(),
            hard_stop: CancellationToken::new(),
            forced: watch::Sender::new(None),
        }
    }

    /// Cancelled when the drain begins: take nothing new, bring what runs to an end.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Cancelled when the drain's time is over, or by a second signal: drop everything.
    pub fn hard_stop(&self) -> &CancellationToken {
        &self.hard_stop
    }

    /// How long the drain may take.
    pub fn drain_time(&self) -> Duration {
        self.drain
    }

    /// Begins the drain, and its deadline; later calls do nothing. Needs a tokio runtime.
    pub fn request(&self) {
        if self.draining.is_cancelled() {
            return;
        }
        self.draining.cancel();
        let hard_stop = self.hard_stop.clone();
        let drain = self.drain;
        tokio::spawn(async move {
            tokio::select! {
                () = hard_stop.cancelled() => {}
                () = tokio::time::sleep(drain) => hard_stop.cancel(),
            }
        });
    }

    /// Completes at the second signal with the exit code that shells expect of it: 130 for SIGINT,
    /// 143 for SIGTERM.
    pub async fn forced(&self) -> u8 {
        let mut forced = self.forced.subscribe();
        let code = forced.wait_for(Option::is_some).await.map(|code| *code);
        // `self` holds the sender, so that waiting cannot fail; never completing would still be
        // the right answer.
        match code {
            Ok(Some(code)) => code,
            _ => std::future::pending().await,
        }
    }

    /// Turns SIGTERM and SIGINT into phases from now on. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the handlers cannot be installed.
    pub fn listen_for_signals(&self) -> io::Result<()> {
        let signals = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        tokio::spawn(self.clone().follow(signals));
        Ok(())
    }

    async fn follow(self, (mut terminate, mut interrupt): (Signal, Signal)) {
        let (name, _) = next(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, drain = ?self.drain, "draining, a second signal ends at once");
        self.request();

        let (name, code) = next(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = name, "ending at once");
        // In this order: whoever sees the hard stop must be able to tell why.
        self.forced.send_replace(Some(code));
        self.hard_stop.cancel();
    }
}

/// The name of the next signal, and the exit code for being ended by it.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, u8) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", 128 + 15),
        _ = interrupt.recv() => ("SIGINT", 128 + 2),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn drain_ends_at_its_deadline() {
        let shutdown = Shutdown::new(&Config {
            drain: Duration::from_millis(50),
        });
        let start = Instant::now();

        shutdown.request();
        shutdown.request();
        assert!(shutdown.draining().is_cancelled());
        assert!(!shutdown.hard_stop().is_cancelled());
        shutdown.hard_stop().cancelled().await;

        assert!(start.elapsed() >= shutdown.drain_time());
    }

    #[test]
    fn drain_of_more_than_an_hour_is_refused() {
        let mut config = crate::config::Config::default();
        config.shutdown.drain = Duration::from_secs(3601);

        assert_eq!(config.validate().unwrap_err().keys(), ["shutdown.drain"]);
    }
}
