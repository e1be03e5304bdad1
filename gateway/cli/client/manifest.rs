//! Files that describe streams and consumers.
//!
//! A document has the lists `streams` and `consumers`; an item has the fields of the contract's
//! configuration, and that of a consumer also names its `stream`.

mod reading;
mod yaml;

use std::fmt;

use prost_reflect::DynamicMessage;

use self::{
    reading::Reading,
    yaml::{Mistake, Node},
};
use super::vocabulary;
use crate::{
    cli::Failure,
    proto::{ConsumerConfig, StreamConfig},
};

/// The lists of a document, and what names a consumer's stream.
const STREAMS: &str = "streams";
const CONSUMERS: &str = "consumers";
const STREAM: &str = "stream";

/// What the files describe, in their order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Manifest {
    pub(super) streams: Vec<StreamConfig>,
    pub(super) consumers: Vec<(String, ConsumerConfig)>,
}

impl Manifest {
    /// Adds what a file describes. `name` is for messages.
    pub(super) fn add(&mut self, name: &str, text: &str) -> Result<(), Failure> {
        let mut reading = Reading::default();
        match yaml::documents(text) {
            Ok(documents) => {
                for document in &documents {
                    self.document(document, &mut reading)?;
                }
            }
            Err(mistake) => reading.mistakes.push(mistake),
        }
        if reading.mistakes.is_empty() {
            return Ok(());
        }
        reading.mistakes.sort_by_key(|mistake| mistake.place);
        Err(Failure::usage(Mistakes {
            file: name.to_owned(),
            mistakes: reading.mistakes,
        }))
    }

    fn document(&mut self, document: &Node, reading: &mut Reading) -> Result<(), Failure> {
        let Some(entries) = reading.mapping("the document", document) else {
            return Ok(());
        };
        for entry in entries {
            let items = match entry.key.as_str() {
                STREAMS | CONSUMERS => reading.list(&entry.key, &entry.node),
                _ => {
                    reading.unknown_key(entry, [STREAMS, CONSUMERS].into_iter());
                    None
                }
            };
            for item in items.unwrap_or_default() {
                if entry.key == STREAMS {
                    self.stream(item, reading)?;
                } else {
                    self.consumer(item, reading)?;
                }
            }
        }
        Ok(())
    }

    fn stream(&mut self, item: &Node, reading: &mut Reading) -> Result<(), Failure> {
        let Some(entries) = reading.mapping("a stream", item) else {
            return Ok(());
        };
        let message = reading.message(vocabulary::descriptor::<StreamConfig>()?, entries);
        let config: StreamConfig = typed(&message)?;
        if config.name.is_empty() {
            reading.note(item.place, "a stream needs a name");
        }
        self.streams.push(config);
        Ok(())
    }

    fn consumer(&mut self, item: &Node, reading: &mut Reading) -> Result<(), Failure> {
        let Some(entries) = reading.mapping("a consumer", item) else {
            return Ok(());
        };
        let (stream, settings): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| entry.key == STREAM);
        let stream = stream.first().map(|entry| &entry.node);
        let message = reading.message(vocabulary::descriptor::<ConsumerConfig>()?, settings);
        let config: ConsumerConfig = typed(&message)?;
        if stream.is_none() {
            reading.note(item.place, "a consumer needs the stream that it reads");
        }
        let stream = stream.and_then(|node| reading.text(STREAM, node));
        if config.durable_name.is_empty() && config.name.is_empty() {
            reading.note(item.place, "a consumer needs a durable_name or a name");
        }
        let stream = stream.unwrap_or_default().to_owned();
        self.consumers.push((stream, config));
        Ok(())
    }
}

fn typed<M: prost::Message + Default>(message: &DynamicMessage) -> Result<M, Failure> {
    message.transcode_to().map_err(Failure::other)
}

/// What is wrong with a file; displayed one mistake per line.
#[derive(Debug)]
struct Mistakes {
    file: String,
    mistakes: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}", self.file)?;
        for Mistake { place, what } in &self.mistakes {
            write!(f, "\n  {}:{place}: {what}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

#[cfg(test)]
mod tests;
