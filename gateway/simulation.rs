//! Simulations: gateways, their callers and a model of JetStream in one thread and in simulated time, where
//! chance, the network and every fault come from a seed. What callers saw is judged by the checker of the
//! fault runs.

mod gateway;
mod jetstream;
mod network;
mod plan;
mod restless;
mod script;
mod stage;
mod tests;
pub(crate) mod wire;

use std::time::SystemTime;

/// The time of day in the simulation that this thread is in.
pub(crate) fn time_of_day() -> Option<SystemTime> {
    let network = network::Network::current()?;
    Some(SystemTime::UNIX_EPOCH + network.time())
}
