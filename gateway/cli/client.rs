//! Commands for people: what they see of a gateway that runs, and do with it, over gRPC.

mod apply;
mod call_error;
mod clock;
mod connection;
mod consumer;
mod json;
mod manifest;
mod pages;
mod publish;
mod quantity;
mod settings;
mod sheet;
mod stream;
mod subscribe;
mod top;
mod vocabulary;

use clap::Subcommand;

use self::{
    consumer::ConsumerCommand, publish::PubArgs, stream::StreamCommand, subscribe::SubArgs,
    top::TopArgs,
};
use super::{Failure, output, table};

/// What can be asked of a gateway that runs.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Look at streams, and apply files that describe streams and consumers
    #[command(subcommand)]
    Stream(StreamCommand),
    /// Look at consumers
    #[command(subcommand)]
    Consumer(ConsumerCommand),
    /// Publish a message
    Pub(PubArgs),
    /// Read a stream, or consume from a consumer
    Sub(SubArgs),
    /// Watch streams, consumers and sessions with their lag
    Top(TopArgs),
}

/// Waits until nobody wants more: by an interrupt, or by reading no more of what is printed.
async fn enough() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Then nobody can say so.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = output::reader_left() => {}
    }
}

impl ClientCommand {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway is not to be had, refuses, or what it says cannot be printed.
    pub fn run(&self) -> Result<(), Failure> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().map_err(Failure::other)?;
        let result = runtime.block_on(async {
            match self {
                Self::Stream(command) => command.run().await,
                Self::Consumer(command) => command.run().await,
                Self::Pub(command) => command.run().await,
                Self::Sub(command) => command.run().await,
                Self::Top(command) => command.run().await,
            }
        });
        // Nothing that still runs is of use to anybody.
        runtime.shutdown_background();
        result
    }
}
