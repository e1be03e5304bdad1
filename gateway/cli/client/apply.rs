//! `jetgate stream apply`: makes streams and consumers as files describe them.
//!
//! Streams come first, as consumers need them. One that fails does not keep the others from being
//! applied; the command fails in the end.

mod report;

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use self::report::{Applied, Report};
use super::{
    call_error::CallError,
    connection::{Connection, ConnectionArgs},
    manifest::Manifest,
    output::OutputArgs,
};
use crate::{
    cli::Failure,
    proto::{ApplyConsumerRequest, ApplyOutcome, ApplyStreamRequest, ConsumerConfig, StreamConfig},
};
use clap::Args;

/// Stands for stdin.
const STDIN: &str = "-";

/// Arguments of `jetgate stream apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// File with streams and consumers (YAML), - for stdin; may be repeated
    #[arg(long = "file", short, value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl ApplyArgs {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        let mut manifest = Manifest::default();
        for file in &self.files {
            let (name, text) = read(file)?;
            manifest.add(&name, &text)?;
        }
        let connection = self.connection.connect().await?;
        let run = Run {
            connection,
            report: Report::new(self.output.open(), self.dry_run),
            validate_only: self.dry_run,
            planned: HashSet::new(),
        };
        run.apply(manifest).await
    }
}

/// The file's name for messages, and its text.
fn read(file: &Path) -> Result<(String, String), Failure> {
    let (name, text) = if file.as_os_str() == STDIN {
        ("stdin".to_owned(), io::read_to_string(io::stdin()))
    } else {
        (file.display().to_string(), fs::read_to_string(file))
    };
    match text {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(Failure::usage(format!("cannot read {name}: {error}"))),
    }
}

/// One run of the command.
struct Run {
    connection: Connection,
    report: Report,
    validate_only: bool,
    /// The streams that a dry run would create, about whose consumers the gateway cannot be asked.
    planned: HashSet<String>,
}

impl Run {
    async fn apply(mut self, manifest: Manifest) -> Result<(), Failure> {
        for config in manifest.streams {
            let name = config.name.clone();
            let applied = self.stream(config).await;
            self.report.stream(&name, applied)?;
        }
        for (stream, config) in manifest.consumers {
            let name = consumer_name(&config).to_owned();
            let applied = self.consumer(&stream, config).await;
            self.report.consumer(&stream, &name, applied)?;
        }
        self.report.finish()
    }

    async fn stream(&mut self, config: StreamConfig) -> Result<Applied, CallError> {
        let name = config.name.clone();
        let request = self.connection.request(ApplyStreamRequest {
            config: Some(config),
            validate_only: self.validate_only,
            ..ApplyStreamRequest::default()
        });
        let mut client = self.connection.streams();
        let call = Box::pin(client.apply_stream(request));
        let answer = self.connection.answer(call).await?;
        let applied = Applied {
            outcome: answer.outcome(),
            changes: answer.changes,
        };
        if self.validate_only && applied.outcome == ApplyOutcome::Created {
            self.planned.insert(name);
        }
        Ok(applied)
    }

    async fn consumer(&self, stream: &str, config: ConsumerConfig) -> Result<Applied, CallError> {
        if self.planned.contains(stream) {
            return Ok(Applied {
                outcome: ApplyOutcome::Created,
                changes: Vec::new(),
            });
        }
        let request = self.connection.request(ApplyConsumerRequest {
            stream: stream.to_owned(),
            config: Some(config),
            validate_only: self.validate_only,
            ..ApplyConsumerRequest::default()
        });
        let answer = self
            .connection
            .answer(self.connection.consumers().apply_consumer(request))
            .await?;
        Ok(Applied {
            outcome: answer.outcome(),
            changes: answer.changes,
        })
    }
}

fn consumer_name(config: &ConsumerConfig) -> &str {
    if config.durable_name.is_empty() {
        &config.name
    } else {
        &config.durable_name
    }
}
