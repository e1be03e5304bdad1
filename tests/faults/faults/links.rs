//! Connections that break, delay, or carry nothing; and servers that are parted from each other.

use std::time::Duration;

use tokio::time::sleep;

use super::Injection;
use crate::Result;
use crate::proxy::{Proxy, Weather};

/// Between two cuts.
const CUTS: Duration = Duration::from_millis(700);

const DELAY: Duration = Duration::from_millis(100);

/// Bytes that a squeezed connection carries in a second, each way.
const SQUEEZED: u64 = 16 << 10;

impl Injection<'_> {
    /// Nothing passes between the stream's leader and the other servers; or, one way, nothing from it.
    pub(super) async fn isolate_leader(&mut self, one_way: bool) -> Result<()> {
        let leader = self.stage.jetstream.leader(&self.scene.stream).await?;
        let (from, to) = self.stage.cluster.around(leader);
        let says = Weather {
            holds_requests: true,
            ..Weather::default()
        };
        let answers = Weather {
            holds_answers: true,
            ..Weather::default()
        };
        let (says, answers) = match one_way {
            true => (says, answers),
            false => (Weather::half_open(), Weather::half_open()),
        };
        from.iter().for_each(|way| way.set(says));
        to.iter().for_each(|way| way.set(answers));
        self.hold(8, 12).await;
        let (from, to) = self.stage.cluster.around(leader);
        from.iter()
            .chain(&to)
            .for_each(|way| way.set(Weather::default()));
        Ok(())
    }

    pub(super) async fn cut_callers(&self) {
        for _ in 0..8 {
            self.stage
                .gateways
                .iter()
                .for_each(|gateway| gateway.callers.cut());
            sleep(CUTS).await;
        }
    }

    pub(super) async fn stall_callers(&mut self) {
        let gateway = self.rng.usize(..self.stage.gateways.len());
        self.stage.gateways[gateway]
            .callers
            .set(Weather::half_open());
        self.hold(6, 10).await;
        self.stage.gateways[gateway].callers.set(Weather::default());
    }

    pub(super) async fn delay_callers(&mut self) {
        let slow = Weather {
            delay: DELAY,
            ..Weather::default()
        };
        self.each_caller(|way| way.set(slow));
        self.hold(5, 8).await;
        self.each_caller(|way| way.set(Weather::default()));
    }

    pub(super) async fn squeeze_callers(&mut self) {
        self.each_caller(|way| way.set(Weather::squeezed(SQUEEZED)));
        self.hold(6, 9).await;
        self.each_caller(|way| way.set(Weather::default()));
    }

    fn each_caller(&self, what: impl Fn(&Proxy)) {
        self.stage
            .gateways
            .iter()
            .for_each(|gateway| what(&gateway.callers));
    }

    pub(super) async fn cut_servers(&self) {
        for _ in 0..8 {
            self.each_server(Proxy::cut);
            sleep(CUTS).await;
        }
    }

    pub(super) async fn stall_servers(&mut self) {
        let gateway = self.rng.usize(..self.stage.gateways.len());
        self.set_servers_of(gateway, Weather::half_open());
        self.hold(6, 10).await;
        self.set_servers_of(gateway, Weather::default());
    }

    pub(super) async fn mute_servers(&mut self) {
        let mute = Weather {
            holds_answers: true,
            ..Weather::default()
        };
        self.each_server(|way| way.set(mute));
        self.hold(4, 8).await;
        self.each_server(|way| way.set(Weather::default()));
    }

    pub(super) async fn delay_servers(&mut self) {
        let slow = Weather {
            delay: DELAY,
            ..Weather::default()
        };
        self.each_server(|way| way.set(slow));
        self.hold(5, 8).await;
        self.each_server(|way| way.set(Weather::default()));
    }

    pub(super) async fn squeeze_servers(&mut self) {
        self.each_server(|way| way.set(Weather::squeezed(SQUEEZED)));
        self.hold(6, 9).await;
        self.each_server(|way| way.set(Weather::default()));
    }

    pub(super) async fn isolate_gateway(&mut self) {
        let gateway = self.rng.usize(..self.stage.gateways.len());
        let refused = Weather {
            refuses: true,
            ..Weather::default()
        };
        let ways = &self.stage.gateways[gateway].servers;
        let count = self.rng.usize(1..=ways.len());
        for way in self.rng.choose_multiple(ways, count) {
            way.set(refused);
            way.cut();
        }
        self.hold(5, 9).await;
        self.set_servers_of(gateway, Weather::default());
    }

    fn set_servers_of(&self, gateway: usize, weather: Weather) {
        let ways = &self.stage.gateways[gateway].servers;
        ways.iter().for_each(|way| way.set(weather));
    }

    fn each_server(&self, what: impl Fn(&Proxy)) {
        let gateways = self.stage.gateways.iter();
        gateways.flat_map(|gateway| &gateway.servers).for_each(what);
    }
}
