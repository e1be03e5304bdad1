//! One run: gateways and callers in simulated time, what befalls them, the end, and the history of it.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use jetgate_faults::callers::{ACK_WAIT, Consumer, Scene};
use jetgate_faults::history::{Entry, Event, Victim, micros};
use jetgate_faults::payload::content;
use jetgate_faults::recorder::Recorder;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::gateway::Gateway;
use super::jetstream::{JetStream, Spoil};
use super::network::Network;
use super::plan::Plan;
use super::restless;
use crate::nats::api::{AckPolicy, ConsumerConfig};

/// The stream of all runs, and for how long it knows ids: longer than any run.
const STREAM: &str = "S";
const WINDOW: Duration = Duration::from_secs(600);

/// Messages that each publisher sends in a second.
const RATE: f64 = 8.0;

/// How long callers work when nothing befalls them, and afterwards.
const WORK: Duration = Duration::from_secs(1);

/// How long callers may take to end, and consumers to have everything.
const ENDING: Duration = Duration::from_secs(120);

/// Between two looks at what should become true.
const LOOK: Duration = Duration::from_millis(250);

/// What a run is made of.
pub(super) struct Stage {
    pub(super) rng: Rng,
    pub(super) network: Arc<Network>,
    pub(super) gateways: Vec<Gateway>,
    pub(super) scene: Arc<Scene>,
    /// Gateways that were replaced.
    pub(super) retired: Vec<Gateway>,
    max_deliver: Option<u32>,
    /// How many consumers were replaced by others.
    pub(super) replaced: u32,
    /// How often the stream was purged.
    pub(super) purges: u32,
    /// How many faults last that excuse what consumers count.
    pub(super) storms: Arc<AtomicU32>,
}

/// Runs what a plan says, and answers with what happened. The seed decides the rest; `spoil` breaks JetStream on
/// purpose.
pub(super) fn run(seed: u64, plan: &Plan, spoil: Option<Spoil>) -> Vec<Entry> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    fastrand::seed(seed);
    let entries = runtime.block_on(play(seed, plan, spoil));
    drop(runtime);
    Network::leave();
    entries
}

async fn play(seed: u64, plan: &Plan, spoil: Option<Spoil>) -> Vec<Entry> {
    let mut rng = Rng::with_seed(seed ^ 1);
    let jetstream = JetStream::new(STREAM, WINDOW, plan.features, rng.fork(), spoil);
    let network = Network::enter(rng.fork(), jetstream);
    let nature = tokio::spawn(network.clone().run());
    let mut stage = Stage::set(rng, network, plan).await;
    if plan
        .script
        .iter()
        .any(|(_, blow, _)| blow.hits_publishing())
    {
        // Otherwise an outcome that is unknown has no excuse.
        let victim = Victim::Nobody;
        stage.scene.recorder.record(Event::Storm { victim });
    }
    let before = stage.tasks();

    let publishing = stage.scene.start_publishers(seed, &plan.publishers);
    let mut consuming = stage.scene.start_consumers(seed, &plan.consumers);
    if plan.is_restless {
        consuming.spawn(restless::run(stage.scene.clone(), stage.rng.fork()));
    }
    sleep(WORK).await;
    stage.perform(&plan.script).await;
    sleep(WORK).await;

    stage.scene.enough.cancel();
    stage.join("publishers", publishing).await;
    stage.drained(&plan.consumers).await;
    stage.scene.over.cancel();
    stage.join("consumers", consuming).await;
    stage.take_stock(before).await;
    nature.abort();
    stage.scene.recorder.entries()
}

/// The configuration of a consumer that callers share.
fn durable(name: &str, max_deliver: Option<u32>) -> ConsumerConfig {
    ConsumerConfig {
        max_deliver: max_deliver.map_or(-1, i64::from),
        durable_name: name.to_owned(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: u64::try_from(ACK_WAIT.as_nanos()).unwrap_or(u64::MAX),
        max_ack_pending: 2_000,
        ..ConsumerConfig::default()
    }
}

impl Stage {
    /// Starts the gateways, and declares what callers use.
    async fn set(rng: Rng, network: Arc<Network>, plan: &Plan) -> Self {
        let gateways: Vec<Gateway> = (0..plan.gateways).map(Gateway::start).collect();
        let for_callers = gateways.iter().map(Gateway::for_callers).collect();
        let recorder = Recorder::begin();
        let scene = Scene::new(STREAM.to_owned(), for_callers, recorder.clone(), RATE);
        recorder.record(Event::Stream {
            stream: STREAM.to_owned(),
            duplicate_window: micros(WINDOW),
        });
        if plan.consumers.contains(&Consumer::Ordered) {
            let reader = Consumer::Ordered.role().to_owned();
            recorder.record(Event::Reader { reader });
        }
        let stage = Self {
            rng,
            network,
            gateways,
            scene: Arc::new(scene),
            retired: Vec::new(),
            max_deliver: plan.max_deliver,
            replaced: 0,
            purges: 0,
            storms: Arc::default(),
        };
        let sharing = plan.consumers.iter().filter(|it| **it != Consumer::Ordered);
        let restless = plan.is_restless.then_some(restless::ROLE);
        for role in sharing.map(|it| it.role()).chain(restless) {
            stage.share(role);
        }
        stage.until("gateways", Self::is_connected).await;
        sleep(LOOK).await;
        stage
    }

    /// Makes the consumer of a role, unless it is there.
    fn share(&self, role: &str) {
        let known = self.scene.consumers.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if known.insert(role.to_owned(), role.to_owned()).is_none() {
            self.make_consumer(role);
        }
    }

    /// Makes a consumer that callers share.
    pub(super) fn make_consumer(&self, name: &str) {
        let config = durable(name, self.max_deliver);
        let make = |it: &mut JetStream| it.make_consumer(Instant::now(), name, config);
        self.network.jetstream(make);
        let (recorder, consumer) = (&self.scene.recorder, name.to_owned());
        recorder.record(Event::Consumer {
            consumer: consumer.clone(),
        });
        if let Some(max_deliver) = self.max_deliver {
            recorder.record(Event::Limited {
                consumer,
                max_deliver,
            });
        }
    }

    fn is_connected(&self) -> bool {
        self.gateways.iter().all(Gateway::is_connected)
    }

    /// Replaces a gateway, in order.
    pub(super) fn roll(&mut self, choice: usize) {
        let place = choice % self.gateways.len();
        let next = self.gateways[place].replace();
        let old = std::mem::replace(&mut self.gateways[place], next);
        self.retired.push(old);
    }

    /// How many tasks there are.
    fn tasks(&self) -> u64 {
        Handle::current().metrics().num_alive_tasks() as u64
    }

    async fn join(&self, who: &str, mut callers: JoinSet<()>) {
        let joined = timeout(ENDING, async {
            while let Some(ended) = callers.join_next().await {
                ended.unwrap();
            }
        });
        if joined.await.is_err() {
            self.left(&format!("{who} that do not end"), 1);
        }
    }

    /// Waits until consumers have had and acknowledged everything. Where they have not, the checker sees it.
    async fn drained(&self, consumers: &[Consumer]) {
        let reads = consumers.contains(&Consumer::Ordered);
        self.until("everything", |stage: &Self| {
            let known = stage.scene.consumers.lock();
            let known = known.unwrap_or_else(PoisonError::into_inner);
            let read = stage.scene.read.lock();
            let read = read.unwrap_or_else(PoisonError::into_inner);
            let read = read.get("ordered").copied().unwrap_or_default();
            stage.network.jetstream(|jetstream| {
                let mut names = known.values();
                (!reads || read >= jetstream.last_sequence())
                    && names.all(|name| jetstream.is_drained(name))
            })
        })
        .await;
    }

    async fn until(&self, what: &str, is_true: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_true(self) {
            if began.elapsed() > ENDING {
                return self.left(&format!("waiting for {what}"), 1);
            }
            sleep(LOOK).await;
        }
    }

    /// Takes down what is stored, and what is left of the callers.
    async fn take_stock(&mut self, before: u64) {
        self.until("sessions to end", |stage| stage.sessions() == 0)
            .await;
        self.retired.clear();
        self.until("tasks to end", |stage| {
            stage.sessions() == 0 && stage.tasks() <= before
        })
        .await;
        let (sessions, tasks) = (self.sessions() as u64, self.tasks());
        let recorder = &self.scene.recorder;
        for (what, before, after) in [("sessions", 0, sessions), ("tasks", before, tasks)] {
            recorder.record(Event::Resource {
                what: what.to_owned(),
                before,
                after,
                most: before,
            });
        }
        recorder.record(Event::Drained);
        for (consumer, sequence) in self.network.jetstream(|it| it.given_up()) {
            recorder.record(Event::GivenUp { consumer, sequence });
        }
        recorder.record(Event::Server { server: 0 });
        for (sequence, payload) in self.network.jetstream(|it| it.stored()) {
            recorder.record(Event::Stored {
                server: 0,
                sequence,
                content: content(&payload),
            });
        }
    }

    fn sessions(&self) -> usize {
        let gateways = self.gateways.iter().chain(&self.retired);
        gateways.map(|it| it.sessions.count()).sum()
    }

    /// What should not be there.
    fn left(&self, what: &str, after: u64) {
        self.scene.recorder.record(Event::Resource {
            what: what.to_owned(),
            before: 0,
            after,
            most: 0,
        });
    }
}
