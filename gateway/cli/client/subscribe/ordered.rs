//! Reading a stream in order.

use std::{pin::pin, time::Duration};

use tokio::time::timeout;
use tonic::Streaming;

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
    proto::{
        DrainingReason, Gap, OrderedConsumer, PayloadFormat, StallReason, SubscribeRequest,
        SubscribeResponse, subscribe_request::Source, subscribe_response::Event,
    },
};

/// How the session is called in lists.
const CLIENT_NAME: &str = "jetgate sub";

/// How often the gateway says something at least: soon where it is to say that the end is reached.
const INTERVAL: Duration = Duration::from_secs(15);
const INTERVAL_AT_END: Duration = Duration::from_secs(1);

/// How many intervals may pass without a word before the gateway counts as gone.
const MOST_SILENT_INTERVALS: u32 = 3;

/// Prints what the stream holds, and what comes.
pub(super) async fn read(
    connection: &Connection,
    stream: &str,
    ordered: OrderedConsumer,
    mut stop: Stop,
    mut output: Output,
) -> Result<(), Failure> {
    let interval = if stop.at_end {
        INTERVAL_AT_END
    } else {
        INTERVAL
    };
    let request = SubscribeRequest {
        stream: stream.to_owned(),
        source: Some(Source::Ordered(ordered)),
        payload_format: PayloadFormat::Text.into(),
        client_name: CLIENT_NAME.to_owned(),
        heartbeat_interval: prost_types::Duration::try_from(interval).ok(),
        ..SubscribeRequest::default()
    };
    // The call lasts as long as somebody reads: it has no deadline, only its beginning has.
    let mut events = connection
        .answer(
            connection
                .subscriber()
                .subscribe(connection.unbounded(request)),
        )
        .await?;
    let mut enough = pin!(enough());
    let patience = connection.timeout() + interval * MOST_SILENT_INTERVALS;
    loop {
        let event = tokio::select! {
            event = next(&mut events, patience) => event?,
            () = &mut enough => return Ok(()),
        };
        let is_done = print(event, &mut stop, &mut output)?;
        output.flush()?;
        if is_done {
            return Ok(());
        }
    }
}

async fn next(
    events: &mut Streaming<SubscribeResponse>,
    patience: Duration,
) -> Result<Event, Failure> {
    let Ok(next) = timeout(patience, events.message()).await else {
        return Err(CallError::Silence(patience).into());
    };
    let event = next.map_err(CallError::from)?.and_then(|next| next.event);
    event.ok_or_else(|| Failure::unavailable("the gateway has ended the session"))
}

/// Prints an event; whether it was the last one that is wanted.
fn print(event: Event, stop: &mut Stop, output: &mut Output) -> Result<bool, Failure> {
    match event {
        Event::Messages(batch) => {
            for message in &batch.messages {
                message::print(output, message)?;
                stop.count();
                if stop.is_reached() || (stop.at_end && message.pending == 0) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Event::Heartbeat(heartbeat) => {
            let is_end = heartbeat.stall_reason() == StallReason::NoMessages;
            Ok(stop.at_end && is_end)
        }
        Event::Gap(gap) => {
            warn(&told(gap));
            Ok(false)
        }
        Event::Draining(draining) => Err(Failure::unavailable(match draining.reason() {
            DrainingReason::Terminated => "somebody has terminated the session",
            _ => "the gateway is shutting down",
        })),
        Event::Opened(_) => Ok(false),
    }
}

fn told(gap: Gap) -> String {
    let first = gap.first_available_sequence;
    if gap.stream_recreated {
        return format!("the stream was made anew; it begins at {first}");
    }
    let (from, to) = (gap.last_sequence + 1, first.saturating_sub(1));
    format!("the stream no longer has the messages {from} to {to}")
}
