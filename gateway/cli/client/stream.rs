//! `jetgate stream`: the streams that there are, and one of them.

use clap::{Args, Subcommand};

use super::{
    apply::ApplyArgs,
    clock::{age, ago},
    connection::{Connection, ConnectionArgs},
    json::json,
    output::{OutputArgs, one_line},
    pages, quantity,
    settings::Settings,
    sheet::{self, Section},
    table::{Align, Table},
};
use crate::{
    cli::Failure,
    proto::{
        ClusterInfo, GetStreamRequest, ListStreamsRequest, Stream, StreamSourceState, StreamState,
    },
};

/// What can be done with streams.
#[derive(Debug, Subcommand)]
pub enum StreamCommand {
    /// List streams
    Ls(StreamLsArgs),
    /// Show a stream: its configuration, what it holds, who holds it
    Info(StreamInfoArgs),
    /// Create or change the streams and consumers that files describe
    Apply(ApplyArgs),
}

/// Arguments of `jetgate stream ls`.
#[derive(Args, Debug)]
pub struct StreamLsArgs {
    /// Only streams of this name; * stands for any characters
    #[arg(value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// Only streams that take this subject; wildcards are allowed
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

/// Arguments of `jetgate stream info`.
#[derive(Args, Debug)]
pub struct StreamInfoArgs {
    /// The stream's name
    stream: String,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl StreamCommand {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Ls(args) => args.run().await,
            Self::Info(args) => args.run().await,
            Self::Apply(args) => args.run().await,
        }
    }
}

impl StreamLsArgs {
    async fn list(&self, connection: &Connection) -> Result<Vec<Stream>, Failure> {
        let filter = ListStreamsRequest {
            name: self.name.clone(),
            subject: self.subject.clone(),
            ..ListStreamsRequest::default()
        };
        Ok(pages::streams(connection, filter).await?)
    }

    async fn run(&self) -> Result<(), Failure> {
        let connection = self.connection.connect().await?;
        let streams = self.list(&connection).await?;
        let mut output = self.output.open();
        if output.is_json() {
            for stream in &streams {
                output.object(&json(stream)?)?;
            }
        } else {
            output.table(&table(&streams))?;
        }
        output.flush()
    }
}

impl StreamInfoArgs {
    async fn run(&self) -> Result<(), Failure> {
        let connection = self.connection.connect().await?;
        let request = connection.request(GetStreamRequest {
            stream: self.stream.clone(),
        });
        let answer = connection
            .answer(connection.streams().get_stream(request))
            .await?;
        let stream = answer.stream.unwrap_or_default();
        let mut output = self.output.open();
        if output.is_json() {
            output.object(&json(&stream)?)?;
        } else {
            let title = format!("Stream {}", self.stream);
            sheet::print(&mut output, &title, &sections(stream)?)?;
        }
        output.flush()
    }
}

fn table(streams: &[Stream]) -> Table {
    let mut table = Table::new([
        ("NAME", Align::Left),
        ("MESSAGES", Align::Right),
        ("BYTES", Align::Right),
        ("CONSUMERS", Align::Right),
        ("LAST", Align::Right),
        ("SUBJECTS", Align::Left),
    ]);
    for stream in streams {
        let config = stream.config.clone().unwrap_or_default();
        let state = stream.state.unwrap_or_default();
        table.row([
            config.name,
            quantity::count(state.messages),
            quantity::size(state.bytes),
            quantity::count(state.consumer_count.into()),
            state.last_time.and_then(age).unwrap_or_default(),
            one_line(&config.subjects.join(", ")),
        ]);
    }
    table
}

fn sections(stream: Stream) -> Result<Vec<Section>, Failure> {
    let config = stream.config.unwrap_or_default();
    let settings = Settings::of_stream(&config)?;
    let mut state = state(&stream.state.unwrap_or_default());
    state.say_some("created", ago(stream.create_time));
    if !stream.domain.is_empty() {
        state.say("domain", stream.domain);
    }
    let mut origins = Section::new("Origins");
    for origin in stream.mirror.iter().chain(&stream.sources) {
        origins.say(origin.name.as_str(), progress(origin));
    }
    Ok(vec![
        Section::with("Configuration", settings.chosen),
        Section::with("Configuration: defaults", settings.default),
        state,
        origins,
        cluster(stream.cluster),
    ])
}

fn state(state: &StreamState) -> Section {
    let mut section = Section::new("State");
    section.say("messages", quantity::count(state.messages));
    section.say("bytes", quantity::size(state.bytes));
    if state.messages > 0 {
        let (first, last) = (state.first_sequence, state.last_sequence);
        section.say("sequences", format!("{first} to {last}"));
    } else {
        section.say("last sequence", state.last_sequence.to_string());
    }
    section.say_some("first message", ago(state.first_time));
    section.say_some("last message", ago(state.last_time));
    section.say("subjects", quantity::count(state.subject_count));
    section.say("deleted", quantity::count(state.deleted_count));
    section.say("consumers", quantity::count(state.consumer_count.into()));
    section
}

fn progress(origin: &StreamSourceState) -> String {
    let mut text = format!("lag {}", quantity::count(origin.lag));
    let active = origin.active.and_then(|time| time.try_into().ok());
    match active.map(quantity::age) {
        Some(age) => text.push_str(&format!(", heard of {age} ago")),
        None => text.push_str(", never heard of"),
    }
    if !origin.error.is_empty() {
        text.push_str(&format!(", {}", one_line(&origin.error)));
    }
    text
}

/// The servers that hold a stream or consumer, and which of them is behind.
pub(super) fn cluster(cluster: Option<ClusterInfo>) -> Section {
    let mut section = Section::new("Cluster");
    let Some(cluster) = cluster else {
        return section;
    };
    section.say("name", cluster.name);
    let leader = Some(cluster.leader).filter(|leader| !leader.is_empty());
    section.say("leader", leader.unwrap_or_else(|| "none".to_owned()));
    for peer in cluster.replicas {
        let state = match (peer.offline, peer.current) {
            (true, _) => "offline",
            (false, true) => "current",
            (false, false) => "behind",
        };
        section.say(peer.name, format!("{state}, lag {}", peer.lag));
    }
    section
}
