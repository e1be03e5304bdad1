//! Taking messages from a consumer: no more than are printed, and acknowledged once they are.

use std::{pin::pin, time::Duration};

use super::{Stop, message};
use crate::{
    cli::{
        Failure,
        client::{
            call_error::CallError,
            connection::Connection,
            enough,
            output::{Output, warn},
        },
    },
    error::reason_name,
    proto::{
        AckKind, AcknowledgeRequest, Acknowledgement, FetchRequest, PayloadFormat, ReceivedMessage,
        acknowledgement::Target,
    },
};

/// How many messages are taken at a time: all of them are printed before anything else happens.
const MOST_AT_A_TIME: u32 = 32;

/// How long a call waits for a message.
const WAIT: Duration = Duration::from_secs(30);

/// Where messages are taken from.
pub(super) struct From<'a> {
    pub(super) stream: &'a str,
    pub(super) consumer: &'a str,
    /// Whether to acknowledge what is printed.
    pub(super) acknowledge: bool,
}

/// Prints what the consumer delivers.
pub(super) async fn consume(
    connection: &Connection,
    from: &From<'_>,
    mut stop: Stop,
    mut output: Output,
) -> Result<(), Failure> {
    let mut enough = pin!(enough());
    while !stop.is_reached() {
        // What is fetched is printed and acknowledged, whoever has had enough.
        let messages = tokio::select! {
            messages = fetch(connection, from, stop) => messages?,
            () = &mut enough => return Ok(()),
        };
        if messages.is_empty() && stop.at_end {
            return Ok(());
        }
        let printed = print(&messages, &mut output);
        let kind = if printed.is_ok() {
            AckKind::Ack
        } else {
            AckKind::Nak
        };
        if from.acknowledge {
            settle(connection, &messages, kind).await?;
        }
        printed?;
        messages.iter().for_each(|_| stop.count());
    }
    Ok(())
}

fn print(messages: &[ReceivedMessage], output: &mut Output) -> Result<(), Failure> {
    for message in messages {
        message::print(output, message)?;
    }
    output.flush()
}

/// What is there; where that is nothing, the next message that comes.
async fn fetch(
    connection: &Connection,
    from: &From<'_>,
    stop: Stop,
) -> Result<Vec<ReceivedMessage>, CallError> {
    let left = stop.left.and_then(|left| u32::try_from(left).ok());
    let request = FetchRequest {
        stream: from.stream.to_owned(),
        consumer: from.consumer.to_owned(),
        batch: left.unwrap_or(MOST_AT_A_TIME).min(MOST_AT_A_TIME),
        no_wait: true,
        payload_format: PayloadFormat::Text.into(),
        ..FetchRequest::default()
    };
    let there = connection
        .answer(
            connection
                .subscriber()
                .fetch(connection.request(request.clone())),
        )
        .await?;
    if stop.at_end || !there.messages.is_empty() {
        return Ok(there.messages);
    }
    // A longer batch would wait until it is full.
    let request = FetchRequest {
        batch: 1,
        no_wait: false,
        max_wait: prost_types::Duration::try_from(WAIT).ok(),
        ..request
    };
    let within = WAIT + connection.timeout();
    let request = connection.within(within, request);
    let next = Connection::answer_within(within, connection.subscriber().fetch(request)).await?;
    Ok(next.messages)
}

async fn settle(
    connection: &Connection,
    messages: &[ReceivedMessage],
    kind: AckKind,
) -> Result<(), Failure> {
    // A consumer without acknowledgements gives no tokens.
    let with_tokens = messages.iter().filter(|it| !it.ack_token.is_empty());
    let acknowledgements: Vec<_> = with_tokens
        .clone()
        .map(|message| Acknowledgement {
            target: Some(Target::AckToken(message.ack_token.clone())),
            kind: kind.into(),
            ..Acknowledgement::default()
        })
        .collect();
    if acknowledgements.is_empty() {
        return Ok(());
    }
    let request = connection.request(AcknowledgeRequest {
        acknowledgements,
        confirm: None,
    });
    let answer = connection
        .answer(connection.subscriber().acknowledge(request))
        .await?;
    let mut refused = 0;
    for (message, result) in with_tokens.zip(answer.results) {
        if result.code != 0 {
            let (sequence, reason) = (message.stream_sequence, reason_name(result.reason()));
            warn(&format!(
                "#{sequence} is not acknowledged: {reason}: {}",
                result.message
            ));
            refused += 1;
        }
    }
    if refused > 0 {
        let why = format!("{refused} messages are printed and not acknowledged");
        return Err(Failure::other(why));
    }
    Ok(())
}
