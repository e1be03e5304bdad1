//! What befalls a run: which, when and for how long is the seed's choice.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use jetgate_faults::callers::Consumer;
use jetgate_faults::history::{Event, Victim};
use tokio::time::{Instant, sleep, sleep_until};

use super::jetstream::JetStream;
use super::restless;
use super::stage::Stage;

/// How many things happen, and when, in milliseconds.
const COUNT: std::ops::RangeInclusive<usize> = 0..=5;
const AT: std::ops::Range<u64> = 0..3_000;

/// How long it lasts, in milliseconds.
const LASTS: std::ops::Range<u64> = 50..4_000;

/// How long a change of leaders goes on to have effects: until what was on its way has come.
const AFTERMATH: Duration = Duration::from_millis(1_500);

/// What is removed, is removed on purpose: once is enough for the checker to know.
const PURGES: u32 = 1;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    StreamLeaderCrashes,
    QuorumIsLost,
    ConsumerMoves,
    ConsumerLeaderCrashes,
    ApiFallsSilent,
    LinkBreaks,
    LinksBreak,
    LinkStalls,
    GatewayIsCutOff,
    RoutesLoseMessages,
    NetworkIsSlow,
    CallersAreCut,
    CallersSleep,
    ConsumerIsDeleted,
    GatewayDrains,
    ServerRetires,
    StreamIsFull,
    StreamIsPurged,
    BatchesAreStopped,
}

impl Blow {
    const ALL: [Self; 19] = [
        Self::StreamLeaderCrashes,
        Self::QuorumIsLost,
        Self::ConsumerMoves,
        Self::ConsumerLeaderCrashes,
        Self::ApiFallsSilent,
        Self::LinkBreaks,
        Self::LinksBreak,
        Self::LinkStalls,
        Self::GatewayIsCutOff,
        Self::RoutesLoseMessages,
        Self::NetworkIsSlow,
        Self::CallersAreCut,
        Self::CallersSleep,
        Self::ConsumerIsDeleted,
        Self::GatewayDrains,
        Self::ServerRetires,
        Self::StreamIsFull,
        Self::StreamIsPurged,
        Self::BatchesAreStopped,
    ];
}

impl Blow {
    /// Whether messages or answers on their way to and from the stream may suffer: a caller that is refused
    /// leaves a STRICT stream with what is under way.
    pub(super) fn hits_publishing(self) -> bool {
        !matches!(
            self,
            Self::ConsumerMoves
                | Self::CallersSleep
                | Self::ConsumerIsDeleted
                | Self::StreamIsPurged
        )
    }
}

/// Everything that happens, in order.
pub(super) fn write(rng: &mut Rng) -> Vec<(Duration, Blow, Duration)> {
    let count = rng.usize(COUNT);
    let mut script: Vec<_> = std::iter::repeat_with(|| {
        let blow = Blow::ALL[rng.usize(..Blow::ALL.len())];
        let (at, lasts) = (rng.u64(AT), rng.u64(LASTS));
        (
            Duration::from_millis(at),
            blow,
            Duration::from_millis(lasts),
        )
    })
    .take(count)
    .collect();
    script.sort_by_key(|(at, ..)| *at);
    script
}

impl Stage {
    /// Lets it all happen, and waits until it is over.
    pub(super) async fn perform(&mut self, script: &[(Duration, Blow, Duration)]) {
        let began = Instant::now();
        let mut over = began;
        for (at, blow, lasts) in script {
            sleep_until(began + *at).await;
            self.strike(*blow, *lasts).await;
            over = over.max(Instant::now() + *lasts);
        }
        sleep_until(over).await;
    }

    async fn strike(&mut self, blow: Blow, lasts: Duration) {
        let (network, choice) = (self.network.clone(), self.rng.usize(..100));
        let gateway = &self.gateways[choice % self.gateways.len()];
        let host = &gateway.host;
        match blow {
            Blow::StreamLeaderCrashes => network.jetstream(|it| it.crash_stream_leader(lasts)),
            Blow::QuorumIsLost => network.jetstream(|it| it.lose_quorum(lasts)),
            Blow::ConsumerMoves => network.jetstream(|it| it.move_consumer(choice, None)),
            Blow::ConsumerLeaderCrashes => {
                self.storm(lasts + AFTERMATH);
                network.jetstream(|it| it.move_consumer(choice, Some(lasts)));
            }
            Blow::ApiFallsSilent => network.jetstream(|it| it.silence_api(lasts)),
            Blow::LinkBreaks => network.cut(host, false),
            Blow::LinksBreak => network.cut(host, true),
            Blow::LinkStalls => network.stall(host, lasts),
            Blow::GatewayIsCutOff => network.send_away(host, lasts),
            Blow::RoutesLoseMessages => network.lose(lasts),
            Blow::NetworkIsSlow => network.slow_down(lasts),
            Blow::CallersAreCut => gateway.cut_callers(),
            Blow::CallersSleep => {
                self.scene.is_asleep.store(true, Ordering::Relaxed);
                sleep(lasts).await;
                self.scene.is_asleep.store(false, Ordering::Relaxed);
            }
            Blow::ConsumerIsDeleted => self.replace_consumer(),
            Blow::GatewayDrains => self.roll(choice),
            Blow::ServerRetires => network.retire(choice, lasts),
            Blow::StreamIsFull => network.jetstream(|it| it.fill_stream(lasts)),
            Blow::StreamIsPurged => self.purge(),
            Blow::BatchesAreStopped => {
                network.jetstream(|it| it.stop_batches(lasts));
                sleep(lasts).await;
                // It is told that the stream takes them again.
                network.jetstream(|it| it.stop_batches(Duration::ZERO));
            }
        }
    }

    /// What a consumer delivers meanwhile may be counted anew.
    fn storm(&self, lasts: Duration) {
        let (victim, recorder) = (Victim::JetStream, self.scene.recorder.clone());
        let storms = self.storms.clone();
        if storms.fetch_add(1, Ordering::Relaxed) == 0 {
            recorder.record(Event::Storm { victim });
        }
        tokio::spawn(async move {
            sleep(lasts).await;
            if storms.fetch_sub(1, Ordering::Relaxed) == 1 {
                recorder.record(Event::Calm { victim });
            }
        });
    }

    fn purge(&mut self) {
        if self.purges < PURGES {
            self.purges += 1;
            let through = self.network.jetstream(JetStream::purge_half);
            self.scene.recorder.record(Event::Purged { through });
        }
    }

    /// Somebody deletes a consumer that callers share, and makes another for them.
    fn replace_consumer(&mut self) {
        let shared = [Consumer::Consume, Consumer::Subscribe, Consumer::Fetch];
        let shared = shared.map(Consumer::role);
        let roles = [shared[0], shared[1], shared[2], restless::ROLE];
        let role = roles[self.rng.usize(..roles.len())];
        self.replaced += 1;
        let new = format!("{role}-{}", self.replaced);
        let old = {
            let consumers = self.scene.consumers.lock();
            let mut consumers = consumers.unwrap_or_else(PoisonError::into_inner);
            if !consumers.contains_key(role) {
                return;
            }
            consumers.insert(role.to_owned(), new.clone())
        };
        self.make_consumer(&new);
        let consumer = old.unwrap_or_default();
        self.network.jetstream(|it| it.delete_consumer(&consumer));
        let gone = Event::ConsumerGone { consumer };
        self.scene.recorder.record(gone);
    }
}
