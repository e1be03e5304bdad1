//! A look as it is shown: lines for people, an object for programs.

use std::{cmp::Reverse, time::SystemTime};

use prost_types::Timestamp;
use serde_json::{Value, json};

use super::{
    rates::Rates,
    snapshot::{Snapshot, name},
};
use crate::{
    cli::{
        Failure,
        client::{
            clock::age,
            consumer::pause,
            json::json as message,
            output::{Output, one_line},
            quantity,
            table::{Align, Table, cut},
        },
    },
    proto::{Consumer, SessionInfo, StallReason, Stream},
};

/// A line, which stands out where it heads a table.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    text: String,
    is_heading: bool,
}

impl Line {
    fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_heading: false,
        }
    }

    /// What keeps the view from being new, in so many columns.
    pub(super) fn trouble(text: &str, size: Option<(usize, usize)>) -> Self {
        Self {
            text: size.map_or_else(|| text.to_owned(), |(columns, _)| cut(text, columns)),
            is_heading: true,
        }
    }

    pub(super) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        if self.is_heading {
            output.heading(&self.text)
        } else {
            output.line(&self.text)
        }
    }
}

/// Everything, in so many columns and rows where that is limited.
pub(super) fn lines(snapshot: &Snapshot, rates: &Rates, size: Option<(usize, usize)>) -> Vec<Line> {
    let tables = [
        streams(snapshot, rates),
        consumers(snapshot, rates),
        sessions(&snapshot.sessions),
    ];
    let mut lines = vec![Line::plain(gateway(snapshot))];
    let shares = size.map(|(_, rows)| {
        let wanted = tables.each_ref().map(Vec::len);
        // Each table has an empty line above it.
        shares(rows.saturating_sub(lines.len() + tables.len()), wanted)
    });
    for (number, table) in tables.iter().enumerate() {
        let share = shares.map_or(table.len(), |shares| shares[number]);
        lines.push(Line::plain(""));
        lines.extend(shortened(table, share));
    }
    if let Some((columns, rows)) = size {
        lines.truncate(rows);
        for line in &mut lines {
            line.text = cut(&line.text, columns);
        }
    }
    lines
}

/// How many rows each table gets: the short ones all they want, the long ones the rest.
fn shares<const N: usize>(rows: usize, wanted: [usize; N]) -> [usize; N] {
    let mut shares = [0; N];
    let mut left = rows;
    let mut order: Vec<usize> = (0..N).collect();
    order.sort_by_key(|table| wanted[*table]);
    for (served, table) in order.into_iter().enumerate() {
        shares[table] = wanted[table].min(left / (N - served));
        left -= shares[table];
    }
    shares
}

/// The first lines of a table, and how many it has more.
fn shortened(table: &[String], most: usize) -> Vec<Line> {
    let is_whole = table.len() <= most;
    let shown = if is_whole {
        most
    } else {
        most.saturating_sub(1)
    };
    let rows = table.iter().take(shown).enumerate();
    let mut lines: Vec<Line> = rows
        .map(|(number, text)| Line {
            text: text.clone(),
            is_heading: number == 0,
        })
        .collect();
    if !is_whole && most > 0 {
        lines.push(Line::plain(format!("… {} more", table.len() - shown)));
    }
    lines
}

fn gateway(snapshot: &Snapshot) -> String {
    let info = &snapshot.gateway;
    let state = info.state().as_str_name().to_ascii_lowercase();
    let state = state.trim_start_matches("gateway_state_").replace('_', " ");
    let nats = info.nats.as_ref().map_or_else(
        || "no nats-server".to_owned(),
        |nats| {
            let (name, version) = (&nats.server_name, &nats.server_version);
            format!("nats-server {version} ({name})")
        },
    );
    let mut text = format!("jetgate {}, {state}, {nats}", info.version);
    if !snapshot.silent.is_empty() {
        let ids = snapshot.silent.iter().map(|it| it.gateway_id.as_str());
        let ids = ids.collect::<Vec<_>>().join(", ");
        text.push_str(&format!("; no word from {ids}"));
    }
    text
}

/// The busiest first.
fn streams(snapshot: &Snapshot, rates: &Rates) -> Vec<String> {
    let mut table = Table::new([
        ("STREAM", Align::Left),
        ("MESSAGES", Align::Right),
        ("BYTES", Align::Right),
        ("IN/S", Align::Right),
        ("CONSUMERS", Align::Right),
        ("BEHIND", Align::Left),
    ]);
    let mut streams: Vec<&Stream> = snapshot.streams.iter().collect();
    let rate = |stream: &Stream| rates.of_stream(stream);
    streams.sort_by(|one, other| {
        let messages = |stream: &Stream| stream.state.map_or(0, |state| state.messages);
        let by_rate = rate(other)
            .unwrap_or(0.0)
            .total_cmp(&rate(one).unwrap_or(0.0));
        by_rate.then_with(|| messages(other).cmp(&messages(one)))
    });
    for stream in streams {
        let state = stream.state.unwrap_or_default();
        table.row([
            name(stream).to_owned(),
            quantity::count(state.messages),
            quantity::size(state.bytes),
            rate(stream).map(quantity::rate).unwrap_or_default(),
            quantity::count(state.consumer_count.into()),
            behind(stream),
        ]);
    }
    table.lines()
}

/// The servers that have not all that the leader has.
fn behind(stream: &Stream) -> String {
    let peers = stream.cluster.iter().flat_map(|cluster| &cluster.replicas);
    let behind = peers.filter(|peer| peer.offline || !peer.current);
    let named = behind.map(|peer| match peer.offline {
        true => format!("{} (offline)", peer.name),
        false => format!("{} ({})", peer.name, peer.lag),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// Those that are furthest behind first.
fn consumers(snapshot: &Snapshot, rates: &Rates) -> Vec<String> {
    let mut table = Table::new([
        ("CONSUMER", Align::Left),
        ("STREAM", Align::Left),
        ("LAG", Align::Right),
        ("ACK PENDING", Align::Right),
        ("REDELIVERED", Align::Right),
        ("OUT/S", Align::Right),
        ("WAITING", Align::Right),
        ("PAUSED", Align::Left),
    ]);
    let mut consumers: Vec<&Consumer> = snapshot.consumers.iter().collect();
    consumers.sort_by_cached_key(|consumer| {
        let state = consumer.state.clone().unwrap_or_default();
        let name = (consumer.stream.clone(), consumer.name.clone());
        (Reverse((state.num_pending, state.num_ack_pending)), name)
    });
    for consumer in consumers {
        let state = consumer.state.clone().unwrap_or_default();
        table.row([
            consumer.name.clone(),
            consumer.stream.clone(),
            quantity::count(state.num_pending),
            quantity::count(state.num_ack_pending),
            quantity::count(state.num_redelivered),
            rates
                .of_consumer(consumer)
                .map(quantity::rate)
                .unwrap_or_default(),
            quantity::count(state.num_waiting),
            pause(&state).unwrap_or_default(),
        ]);
    }
    table.lines()
}

/// Those whose consumers are furthest behind first.
fn sessions(sessions: &[SessionInfo]) -> Vec<String> {
    let mut table = Table::new([
        ("SESSION OF", Align::Left),
        ("STREAM", Align::Left),
        ("CONSUMER", Align::Left),
        ("LAG", Align::Right),
        ("OUTSTANDING", Align::Right),
        ("MESSAGES", Align::Right),
        ("AGE", Align::Right),
        ("STALLED BY", Align::Left),
    ]);
    let mut sessions: Vec<&SessionInfo> = sessions.iter().collect();
    sessions.sort_by_key(|session| (Reverse(session.pending), session.session_id.as_str()));
    for session in sessions {
        let (outstanding, window) = (
            session.outstanding_messages,
            session.max_outstanding_messages,
        );
        table.row([
            who(session),
            session.stream.clone(),
            session.consumer.clone(),
            session.pending.map(quantity::count).unwrap_or_default(),
            format!("{outstanding}/{window}"),
            quantity::count(session.message_count),
            session.start_time.and_then(age).unwrap_or_default(),
            stall(session),
        ]);
    }
    table.lines()
}

/// What the caller calls itself, or where it calls from.
fn who(session: &SessionInfo) -> String {
    let name = [&session.client_name, &session.peer];
    let name = name.into_iter().find(|name| !name.is_empty());
    one_line(name.map_or("", |name| name))
}

/// Why nothing is delivered; nothing where something is.
fn stall(session: &SessionInfo) -> String {
    match session.stall_reason() {
        StallReason::Unspecified => String::new(),
        reason => {
            let name = reason.as_str_name().trim_start_matches("STALL_REASON_");
            name.to_ascii_lowercase().replace('_', " ")
        }
    }
}

/// The same for programs; the messages of the contract with their rates beside them.
pub(super) fn json(snapshot: &Snapshot, rates: &Rates) -> Result<Value, Failure> {
    let mut streams = Vec::new();
    for stream in &snapshot.streams {
        let rate = rates.of_stream(stream);
        streams.push(json!({"stream": message(stream)?, "messages_per_second": rate}));
    }
    let mut consumers = Vec::new();
    for consumer in &snapshot.consumers {
        let rate = rates.of_consumer(consumer);
        consumers.push(json!({"consumer": message(consumer)?, "deliveries_per_second": rate}));
    }
    Ok(json!({
        "time": Timestamp::from(SystemTime::now()).to_string(),
        "gateway": message(&snapshot.gateway)?,
        "streams": streams,
        "consumers": consumers,
        "sessions": snapshot.sessions.iter().map(message).collect::<Result<Vec<_>, _>>()?,
        "silent_replicas": snapshot.silent.iter().map(message).collect::<Result<Vec<_>, _>>()?,
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::proto::{ConsumerState, GetInfoResponse, StreamConfig, StreamState};

    fn snapshot(streams: u64, consumers: u64) -> Snapshot {
        let stream = |number: u64| Stream {
            config: Some(StreamConfig {
                name: format!("S{number}"),
                ..Default::default()
            }),
            state: Some(StreamState {
                messages: number,
                ..Default::default()
            }),
            ..Default::default()
        };
        let consumer = |number: u64| Consumer {
            name: format!("c{number}"),
            state: Some(ConsumerState {
                num_pending: number,
                ..Default::default()
            }),
            ..Default::default()
        };
        Snapshot {
            taken: Instant::now(),
            gateway: GetInfoResponse::default(),
            streams: (0..streams).map(stream).collect(),
            consumers: (0..consumers).map(consumer).collect(),
            sessions: Vec::new(),
            silent: Vec::new(),
        }
    }

    #[test]
    fn tables_share_the_rows() {
        assert_eq!(shares(20, [3, 5]), [3, 5]);
        assert_eq!(shares(20, [3, 50]), [3, 17]);
        assert_eq!(shares(20, [50, 50]), [10, 10]);
        assert_eq!(shares(20, [50, 4]), [16, 4]);
        assert_eq!(shares(0, [5, 5]), [0, 0]);
    }

    #[test]
    fn nothing_is_larger_than_the_terminal() {
        let snapshot = snapshot(30, 40);
        for rows in 0..90 {
            let lines = lines(&snapshot, &Rates::default(), Some((12, rows)));
            assert!(lines.len() <= rows, "{rows}: {lines:?}");
            assert!(lines.iter().all(|line| line.text.chars().count() <= 12));
        }
        let lines = lines(&snapshot, &Rates::default(), Some((80, 23)));
        let more: Vec<_> = lines.iter().filter(|it| it.text.starts_with('…')).collect();
        assert_eq!(more.len(), 2);
    }

    #[test]
    fn who_is_furthest_behind_stands_first() {
        let snapshot = snapshot(1, 3);
        let lines = lines(&snapshot, &Rates::default(), None);
        let names: Vec<_> = lines.iter().filter(|it| it.text.starts_with('c')).collect();
        assert!(names[0].text.starts_with("c2"), "{names:?}");
    }
}
