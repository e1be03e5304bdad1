//! `jetgate top`: streams, consumers and sessions with their lag, again and again.

mod rates;
mod screen;
mod snapshot;
mod view;

use std::{pin::pin, time::Duration};

use clap::Args;
use tokio::time::sleep;

use self::{rates::Rates, screen::Screen, snapshot::Snapshot};
use super::{
    connection::{Connection, ConnectionArgs},
    enough,
    output::{Output, OutputArgs},
    quantity,
};
use crate::cli::Failure;

/// The shortest interval: gateways have better things to do.
const SHORTEST: Duration = Duration::from_millis(200);

/// Arguments of `jetgate top`.
#[derive(Args, Debug)]
pub struct TopArgs {
    /// How often to look
    #[arg(long, short, value_name = "TIME", default_value = "2s", value_parser = quantity::parse_time)]
    interval: Duration,
    /// Look once, without rates
    #[arg(long)]
    once: bool,
    /// Only this stream
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl TopArgs {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        let connection = self.connection.connect().await?;
        let output = self.output.open();
        // What cannot be shown the first time is an error; later ones may pass.
        let first = Box::pin(self.look(&connection)).await?;
        if self.once {
            return tell(&first, &Rates::default(), output);
        }
        tokio::select! {
            ended = self.watch(&connection, first, output) => ended,
            () = pin!(enough()) => Ok(()),
        }
    }

    async fn look(&self, connection: &Connection) -> Result<Snapshot, Failure> {
        Ok(Snapshot::take(connection, self.stream.as_deref()).await?)
    }

    async fn watch(
        &self,
        connection: &Connection,
        first: Snapshot,
        output: Output,
    ) -> Result<(), Failure> {
        let mut screen = Screen::open(output)?;
        let mut snapshot = first;
        let mut rates = Rates::default();
        let mut trouble = None;
        loop {
            screen.show(&snapshot, &rates, trouble.as_deref())?;
            sleep(self.interval.max(SHORTEST)).await;
            match Box::pin(self.look(connection)).await {
                Ok(next) => {
                    rates = Rates::between(&snapshot, &next);
                    (snapshot, trouble) = (next, None);
                }
                Err(failure) => trouble = Some(failure.to_string()),
            }
        }
    }
}

/// One look, printed as it is.
fn tell(snapshot: &Snapshot, rates: &Rates, mut output: Output) -> Result<(), Failure> {
    if output.is_json() {
        output.object(&view::json(snapshot, rates)?)?;
    } else {
        for line in view::lines(snapshot, rates, None) {
            line.print(&mut output)?;
        }
    }
    output.flush()
}
