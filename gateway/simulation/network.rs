//! The network between gateways and JetStream: connections with delays, and all that can befall them.
//!
//! Everything happens in the order of its time and, at one time, of its number. Chance is the seed's alone.

mod connection;
mod world;

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Event, Statistics};
use fastrand::Rng;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use super::jetstream::{BEGINNING, JetStream};
use super::wire::{Command, Events};
use connection::Connection;
use world::{SERVERS, World};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Network>>> = const { RefCell::new(None) };
}

/// The network, JetStream included.
pub(super) struct Network {
    began: Instant,
    world: Mutex<World>,
    changed: Notify,
}

impl Network {
    /// Makes the network of this thread, until the next is made.
    pub(super) fn enter(mut rng: Rng, jetstream: JetStream) -> Arc<Self> {
        let now = Instant::now();
        let network = Arc::new(Self {
            began: now,
            world: Mutex::new(World::new(rng.fork(), jetstream, now)),
            changed: Notify::new(),
        });
        CURRENT.set(Some(network.clone()));
        network
    }

    /// Takes this thread out of the simulation.
    pub(super) fn leave() {
        CURRENT.set(None);
    }

    /// The network of this thread, in a simulation.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// What time it is since 1970.
    pub(super) fn time(&self) -> Duration {
        Duration::from_secs(BEGINNING) + self.began.elapsed()
    }

    /// Lets happen what is due, for ever.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            let next = {
                let mut world = self.lock();
                world.advance(Instant::now());
                world.next()
            };
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// A connection from a host, whose client says what it wants by these commands; the server that it is
    /// to.
    pub(super) async fn connect(
        self: &Arc<Self>,
        host: &str,
        commands: mpsc::Receiver<Command>,
        statistics: Arc<Statistics>,
        events: Events,
    ) -> io::Result<usize> {
        let (ready, is_away) = {
            let mut world = self.lock();
            let now = Instant::now();
            let is_away = world.away.get(host).is_some_and(|until| *until > now);
            (now + world.latency(now), is_away)
        };
        sleep_until(ready).await;
        if is_away {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (number, server) = self.lock().open(host, statistics, events);
        tokio::spawn(self.clone().serve(number, commands));
        Ok(server)
    }

    async fn serve(self: Arc<Self>, number: usize, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            // What a stalled connection does not take waits in the client's queue.
            let stalled_until = self.lock().connections[number].stalled_until;
            sleep_until(stalled_until).await;
            let drains = matches!(command, Command::Drain);
            self.lock().take(number, command);
            self.changed.notify_one();
            if drains {
                break;
            }
        }
        self.lock().connections[number].end();
    }

    /// Breaks one of the connections of a host, or all.
    pub(super) fn cut(&self, host: &str, all: bool) {
        let mut world = self.lock();
        let alive = world.connections.iter().enumerate();
        let alive = alive.filter(|(_, it)| it.is_alive && it.host == host);
        let mut chosen: Vec<usize> = alive.map(|(number, _)| number).collect();
        if !all && !chosen.is_empty() {
            chosen = vec![chosen[world.rng.usize(..chosen.len())]];
        }
        for number in chosen {
            world.connections[number].cut();
        }
    }

    /// Nothing passes from and to a host for a while; what is on its way comes later.
    pub(super) fn stall(&self, host: &str, time: Duration) {
        let until = Instant::now() + time;
        let mut world = self.lock();
        for connection in &mut world.connections {
            if connection.host == host {
                connection.stalled_until = until;
            }
        }
    }

    /// A host reaches no server for a while.
    pub(super) fn send_away(&self, host: &str, time: Duration) {
        self.cut(host, true);
        let until = Instant::now() + time;
        self.lock().away.insert(host.to_owned(), until);
    }

    /// A server asks its clients to go elsewhere, and ends after a while.
    pub(super) fn retire(self: &Arc<Self>, server: usize, time: Duration) {
        let server = server % SERVERS;
        let mut world = self.lock();
        world.ending = (server, Instant::now() + time);
        let connections = &world.connections;
        for connection in connections.iter().filter(|it| it.is_on(server)) {
            (connection.events)(Event::LameDuckMode);
        }
        drop(world);
        let network = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            let mut world = network.lock();
            let connections = world.connections.iter_mut();
            connections
                .filter(|it| it.is_on(server))
                .for_each(Connection::cut);
        });
    }

    /// Messages between servers are lost for a while.
    pub(super) fn lose(&self, time: Duration) {
        self.lock().bad_until = Instant::now() + time;
    }

    /// Everything takes long for a while.
    pub(super) fn slow_down(&self, time: Duration) {
        self.lock().slow_until = Instant::now() + time;
    }

    /// Does something to JetStream.
    pub(super) fn jetstream<T>(&self, act: impl FnOnce(&mut JetStream) -> T) -> T {
        let mut world = self.lock();
        let result = act(&mut world.jetstream);
        drop(world);
        self.changed.notify_one();
        result
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
