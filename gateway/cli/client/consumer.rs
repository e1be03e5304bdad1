//! `jetgate consumer`: the consumers of a stream, and one of them.

use clap::{Args, Subcommand};

use super::{
    clock::ago,
    connection::{Connection, ConnectionArgs},
    json::json,
    output::{OutputArgs, one_line},
    pages, quantity,
    settings::Settings,
    sheet::{self, Section},
    stream::cluster,
    table::{Align, Table},
};
use crate::{
    cli::Failure,
    proto::{
        Consumer, ConsumerState, GetConsumerRequest, GetStreamRequest, ListConsumersRequest,
        SequencePair, StreamConfig,
    },
};

/// What can be done with consumers.
#[derive(Debug, Subcommand)]
pub enum ConsumerCommand {
    /// List the consumers of a stream
    Ls(ConsumerLsArgs),
    /// Show a consumer: its configuration, how far it is, who holds it
    Info(ConsumerInfoArgs),
}

/// Arguments of `jetgate consumer ls`.
#[derive(Args, Debug)]
pub struct ConsumerLsArgs {
    /// The stream's name
    stream: String,
    /// Only consumers of this name; * stands for any characters
    #[arg(value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// Only consumers that take this subject; wildcards are allowed
    #[arg(
        long,
        value_name = "SUBJECT",
        default_value = "",
        hide_default_value = true
    )]
    subject: String,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `jetgate consumer info`.
#[derive(Args, Debug)]
pub struct ConsumerInfoArgs {
    /// The stream's name
    stream: String,
    /// The consumer's name
    consumer: String,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl ConsumerCommand {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Ls(args) => args.run().await,
            Self::Info(args) => args.run().await,
        }
    }
}

impl ConsumerLsArgs {
    async fn list(&self, connection: &Connection) -> Result<Vec<Consumer>, Failure> {
        let filter = ListConsumersRequest {
            stream: self.stream.clone(),
            name: self.name.clone(),
            subject: self.subject.clone(),
            ..ListConsumersRequest::default()
        };
        Ok(pages::consumers(connection, filter).await?)
    }

    async fn run(&self) -> Result<(), Failure> {
        let connection = self.connection.connect().await?;
        let consumers = self.list(&connection).await?;
        let mut output = self.output.open();
        if output.is_json() {
            for consumer in &consumers {
                output.object(&json(consumer)?)?;
            }
        } else {
            output.table(&table(&consumers))?;
        }
        output.flush()
    }
}

impl ConsumerInfoArgs {
    async fn run(&self) -> Result<(), Failure> {
        let connection = self.connection.connect().await?;
        let request = connection.request(GetConsumerRequest {
            stream: self.stream.clone(),
            consumer: self.consumer.clone(),
        });
        let answer = connection
            .answer(connection.consumers().get_consumer(request))
            .await?;
        let consumer = answer.consumer.unwrap_or_default();
        let mut output = self.output.open();
        if output.is_json() {
            output.object(&json(&consumer)?)?;
        } else {
            let stream = self.stream_config(&connection).await;
            let title = format!("Consumer {} of stream {}", self.consumer, self.stream);
            sheet::print(&mut output, &title, &sections(consumer, stream.as_ref())?)?;
        }
        output.flush()
    }

    /// What the consumer's defaults depend on. Without it they are those of any stream.
    async fn stream_config(&self, connection: &Connection) -> Option<StreamConfig> {
        let request = connection.request(GetStreamRequest {
            stream: self.stream.clone(),
        });
        let answer = connection
            .answer(connection.streams().get_stream(request))
            .await;
        answer.ok()?.stream?.config
    }
}

fn table(consumers: &[Consumer]) -> Table {
    let mut table = Table::new([
        ("NAME", Align::Left),
        ("LAG", Align::Right),
        ("ACK PENDING", Align::Right),
        ("REDELIVERED", Align::Right),
        ("WAITING", Align::Right),
        ("PAUSED", Align::Left),
        ("FILTERS", Align::Left),
    ]);
    for consumer in consumers {
        let config = consumer.config.clone().unwrap_or_default();
        let state = consumer.state.clone().unwrap_or_default();
        let mut filters = config.filter_subjects;
        filters.extend(Some(config.filter_subject).filter(|filter| !filter.is_empty()));
        table.row([
            consumer.name.clone(),
            quantity::count(state.num_pending),
            quantity::count(state.num_ack_pending),
            quantity::count(state.num_redelivered),
            quantity::count(state.num_waiting),
            pause(&state).unwrap_or_default(),
            one_line(&filters.join(", ")),
        ]);
    }
    table
}

fn sections(consumer: Consumer, stream: Option<&StreamConfig>) -> Result<Vec<Section>, Failure> {
    let config = consumer.config.unwrap_or_default();
    let settings = Settings::of_consumer(&config, stream)?;
    let mut state = state(&consumer.state.unwrap_or_default());
    state.say_some("created", ago(consumer.create_time));
    Ok(vec![
        Section::with("Configuration", settings.chosen),
        Section::with("Configuration: defaults", settings.default),
        state,
        cluster(consumer.cluster),
    ])
}

fn state(state: &ConsumerState) -> Section {
    let mut section = Section::new("State");
    section.say("lag", quantity::count(state.num_pending));
    section.say("ack pending", quantity::count(state.num_ack_pending));
    section.say("redelivered", quantity::count(state.num_redelivered));
    section.say("waiting pulls", quantity::count(state.num_waiting));
    section.say("delivered", place(state.delivered.as_ref()));
    section.say("ack floor", place(state.ack_floor.as_ref()));
    section.say_some("paused for", pause(state));
    for group in &state.priority_groups {
        let pinned = match group.pinned_client_id.as_str() {
            "" => "nobody is pinned".to_owned(),
            client => format!("pinned to {}", one_line(client)),
        };
        section.say(format!("group {}", group.group), pinned);
    }
    section
}

fn place(pair: Option<&SequencePair>) -> String {
    let pair = pair.copied().unwrap_or_default();
    let when = ago(pair.last_active).map(|ago| format!(", {ago}"));
    let when = when.unwrap_or_default();
    format!("stream sequence {}{when}", pair.stream_sequence)
}

/// For how long a consumer is still paused.
pub(super) fn pause(state: &ConsumerState) -> Option<String> {
    let remaining = state.pause_remaining.and_then(|time| time.try_into().ok());
    state
        .paused
        .then(|| remaining.map_or_else(|| "yes".to_owned(), quantity::age))
}
