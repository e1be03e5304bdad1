//! What carries links: connections of async-nats, and in unit tests those of the simulation.

#[cfg(not(test))]
pub(super) use self::real::connect;
#[cfg(not(test))]
pub(super) use async_nats::{Client, Subscriber};

#[cfg(test)]
pub(super) use crate::simulation::wire::{Client, Subscriber, connect};

#[cfg(not(test))]
mod real {
    use std::future::Ready;

    use async_nats::{Client, ConnectError, ConnectOptions, Event, ServerAddr};

    /// Connects to one of these servers; `events` is told what becomes of the connection.
    pub(in crate::nats) async fn connect(
        options: ConnectOptions,
        servers: &[ServerAddr],
        events: impl Fn(Event) -> Ready<()> + Send + Sync + 'static,
    ) -> Result<Client, ConnectError> {
        options.event_callback(events).connect(servers).await
    }
}
