//! A message for each line: in their order, as soon as they come, and none behind one that failed.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor},
    path::Path,
    thread,
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{STDIN, print};
use crate::{
    cli::{
        Failure,
        client::{
            connection::Connection,
            output::{Output, unless_reader_left},
        },
    },
    error::reason_name,
    proto::{
        PublishBatchMode, PublishBatchRequest, PublishRequest, PublishResult,
        publish_request::Payload,
    },
};

/// How many messages a call has at most, and how many bytes before its last one: well below what
/// gateways take.
const MOST_LINES: usize = 200;
const MOST_BYTES: usize = 512 * 1024;

/// Where lines come from.
type Source = Box<dyn BufRead + Send>;

/// Opens the file, stdin, or the text itself.
pub(super) fn open(file: Option<&Path>, text: Option<&str>) -> Result<Source, Failure> {
    if let Some(file) = file {
        let problem = |error| Failure::usage(format!("cannot read {}: {error}", file.display()));
        return Ok(Box::new(BufReader::new(File::open(file).map_err(problem)?)));
    }
    Ok(match text {
        None | Some(STDIN) => Box::new(BufReader::new(io::stdin())),
        Some(text) => Box::new(Cursor::new(text.to_owned())),
    })
}

/// Publishes each line with what `template` has.
pub(super) async fn publish(
    connection: &Connection,
    template: PublishRequest,
    source: Source,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut lines = read(source);
    let mut before = 0;
    while let Some(first) = lines.recv().await {
        let first = first.map_err(Failure::other)?;
        let batch = batch(first, &mut lines)?;
        let messages = batch.iter().map(|line| PublishRequest {
            payload: Some(Payload::Data(line.clone())),
            ..template.clone()
        });
        let request = connection.request(PublishBatchRequest {
            messages: messages.collect(),
            mode: PublishBatchMode::OrderedStopOnError.into(),
            mint_message_ids: false,
        });
        let answer = connection
            .answer(connection.publisher().publish_batch(request))
            .await?;
        let numbered = (before + 1..).zip(answer.results);
        let mut told = numbered.map(|(line, result)| tell(line, result, output));
        let told = told.find_map(Result::err).map_or(Ok(()), Err);
        // What is stored was printed: that has to come out before an error.
        unless_reader_left(output.flush())?;
        told?;
        before += batch.len();
    }
    Ok(())
}

fn tell(line: usize, result: PublishResult, output: &mut Output) -> Result<(), Failure> {
    if let Some(stored) = result.published {
        return unless_reader_left(print(output, &stored, false));
    }
    let status = result.status.unwrap_or_default();
    let (reason, message) = (reason_name(status.reason()), status.message);
    Err(Failure::other(format!("line {line}: {reason}: {message}")))
}

/// The lines that are there already go together.
fn batch(
    first: Bytes,
    lines: &mut mpsc::Receiver<io::Result<Bytes>>,
) -> Result<Vec<Bytes>, Failure> {
    let mut bytes = first.len();
    let mut batch = vec![first];
    while batch.len() < MOST_LINES
        && bytes < MOST_BYTES
        && let Ok(line) = lines.try_recv()
    {
        let line = line.map_err(Failure::other)?;
        bytes += line.len();
        batch.push(line);
    }
    Ok(batch)
}

/// Reads in a thread of its own, as stdin cannot be waited for otherwise. It ends with its source, or
/// with the process.
fn read(mut source: Source) -> mpsc::Receiver<io::Result<Bytes>> {
    let (lines, reader) = mpsc::channel(MOST_LINES);
    thread::spawn(move || {
        while let Some(line) = line(&mut source).transpose() {
            let is_last = line.is_err();
            if lines.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    reader
}

/// The next line without its end.
fn line(source: &mut Source) -> io::Result<Option<Bytes>> {
    let mut line = Vec::new();
    if source.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    Ok(Some(line.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_ends_and_nothing_else() {
        let mut source = open(None, Some("a\r\n\nb\rc\nd")).unwrap();
        let mut lines = Vec::new();
        while let Some(line) = line(&mut source).unwrap() {
            lines.push(line);
        }

        assert_eq!(lines, ["a", "", "b\rc", "d"]);
    }
}
