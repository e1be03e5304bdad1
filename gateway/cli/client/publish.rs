//! `jetgate pub`: publishes a message, or a message for each line, and prints where they are stored.

mod lines;

use std::{
    fs,
    io::{self, Read as _},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use prost_types::Duration as ProtoDuration;

use super::{
    connection::ConnectionArgs,
    json::json,
    output::{Output, OutputArgs, unless_reader_left},
    quantity,
};
use crate::{
    cli::Failure,
    proto::{
        Expectation, Header, PublishRequest, PublishResponse, publish_request::Expiry,
        publish_request::Payload,
    },
};

/// Stands for stdin.
const STDIN: &str = "-";

/// Arguments of `jetgate pub`.
#[derive(Args, Debug)]
pub struct PubArgs {
    /// Where to publish
    subject: String,
    /// The payload, - for stdin; none is an empty one
    payload: Option<String>,
    /// Take the payload from a file
    #[arg(long, short, value_name = "FILE", conflicts_with = "payload")]
    file: Option<PathBuf>,
    /// Publish a message for each line of the payload
    #[arg(long, conflicts_with_all = ["message_id", "count", "dry_run"])]
    lines: bool,
    /// A header; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<Header>,
    /// Deduplication id: the stream stores one message per id
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    message_id: String,
    /// How long the message is kept
    #[arg(long, value_name = "TIME", value_parser = quantity::parse_time)]
    ttl: Option<Duration>,
    /// The stream that must take the message
    #[arg(long, value_name = "STREAM")]
    expect_stream: Option<String>,
    /// Publish the message so many times
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        conflicts_with = "message_id"
    )]
    count: u64,
    /// Check everything and store nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl PubArgs {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        let request = self.request()?;
        if self.lines {
            let source = lines::open(self.file.as_deref(), self.payload.as_deref())?;
            let connection = self.connection.connect().await?;
            let mut output = self.output.open();
            return lines::publish(&connection, request, source, &mut output).await;
        }
        let request = PublishRequest {
            payload: Some(Payload::Data(self.payload()?.into())),
            validate_only: self.dry_run,
            ..request
        };
        let connection = self.connection.connect().await?;
        let mut output = self.output.open();
        for _ in 0..self.count {
            let request = connection.request(request.clone());
            let stored = connection
                .answer(connection.publisher().publish(request))
                .await?;
            let printed = print(&mut output, &stored, self.dry_run);
            unless_reader_left(printed.and_then(|()| output.flush()))?;
        }
        Ok(())
    }

    /// What every message has.
    fn request(&self) -> Result<PublishRequest, Failure> {
        let ttl = self.ttl.map(ProtoDuration::try_from).transpose();
        let ttl = ttl.map_err(|_| Failure::usage("--ttl: is too long"))?;
        let expect = self.expect_stream.clone().map(|stream| Expectation {
            stream,
            ..Expectation::default()
        });
        Ok(PublishRequest {
            subject: self.subject.clone(),
            headers: self.headers.clone(),
            message_id: self.message_id.clone(),
            expect: expect.map(Box::new),
            expiry: ttl.map(Expiry::Ttl),
            ..PublishRequest::default()
        })
    }

    fn payload(&self) -> Result<Vec<u8>, Failure> {
        if let Some(file) = &self.file {
            let problem =
                |error| Failure::usage(format!("cannot read {}: {error}", file.display()));
            return fs::read(file).map_err(problem);
        }
        match self.payload.as_deref() {
            Some(STDIN) => {
                let mut payload = Vec::new();
                let read = io::stdin().read_to_end(&mut payload);
                read.map_err(Failure::other)?;
                Ok(payload)
            }
            text => Ok(text.unwrap_or_default().as_bytes().to_vec()),
        }
    }
}

fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("expected a name and a value with a colon between them")?;
    Ok(Header {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        ..Header::default()
    })
}

fn print(output: &mut Output, stored: &PublishResponse, dry_run: bool) -> Result<(), Failure> {
    if output.is_json() {
        return output.object(&json(stored)?);
    }
    let (stream, sequence) = (&stored.stream, stored.sequence);
    output.line(&match (dry_run, stored.duplicate) {
        (true, _) => format!("{stream} would store it"),
        (false, false) => format!("stored in {stream} at {sequence}"),
        (false, true) => format!("stored in {stream} at {sequence} before (duplicate)"),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_header_is_a_name_and_a_value() {
        let header = super::header("Trace-Id: a:b ").unwrap();
        assert_eq!(
            (header.name.as_str(), header.value.as_str()),
            ("Trace-Id", "a:b")
        );
        assert!(super::header("Trace-Id").is_err());
    }
}
