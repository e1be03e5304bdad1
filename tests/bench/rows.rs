//! Every row: its name, the table that it belongs to, and where it is measured.

mod consume;
mod envoy;
mod idle;
mod latency;
mod publish_stream;
mod unary;

use crate::Result;
use crate::options::Options;
use crate::report::{Cell, Report, Table};
use crate::stage::Storage::{self, File, Memory};
use consume::Manner;
use envoy::Load;

/// A row.
#[derive(Clone, Copy)]
enum Row {
    /// Unary publishes, 64 at a time.
    Concurrent { ids: bool },
    /// Unary publishes, one at a time.
    Single { ids: bool },
    /// A publish stream that answers each message.
    PerMessage { storage: Storage, ids: bool },
    /// A publish stream over fast ingest.
    Cumulative { storage: Storage, ids: bool },
    /// Reading a full stream.
    Consume { manner: Manner },
    /// From publish to delivery.
    Latency,
    /// Streams through a proxy.
    Envoy { load: envoy::Load },
    /// Sessions without messages.
    Idle { sessions: usize, consumers: usize },
}

const TABLES: &[(Table, &[(&str, Row)])] = &[
    (
        publish_stream::PER_MESSAGE,
        &[
            ("publish-stream/memory/plain", per_message(Memory, false)),
            ("publish-stream/memory/ids", per_message(Memory, true)),
            ("publish-stream/file/plain", per_message(File, false)),
            ("publish-stream/file/ids", per_message(File, true)),
        ],
    ),
    (
        publish_stream::CUMULATIVE,
        &[
            ("cumulative/memory/plain", cumulative(Memory, false)),
            ("cumulative/memory/ids", cumulative(Memory, true)),
            ("cumulative/file/plain", cumulative(File, false)),
            ("cumulative/file/ids", cumulative(File, true)),
        ],
    ),
    (
        unary::CONCURRENT,
        &[
            ("unary/64/plain", Row::Concurrent { ids: false }),
            ("unary/64/ids", Row::Concurrent { ids: true }),
        ],
    ),
    (
        unary::SINGLE,
        &[
            ("unary/1/plain", Row::Single { ids: false }),
            ("unary/1/ids", Row::Single { ids: true }),
        ],
    ),
    (
        consume::TABLE,
        &[
            ("consume/each", consume(Manner::Each)),
            ("consume/ranges", consume(Manner::Ranges)),
            ("consume/unary", consume(Manner::Unary)),
        ],
    ),
    (
        envoy::TABLE,
        &[
            ("envoy/publish-stream", through_envoy(Load::PublishStream)),
            ("envoy/consume", through_envoy(Load::Consume)),
        ],
    ),
    (latency::TABLE, &[("latency", Row::Latency)]),
    (
        idle::TABLE,
        &[
            ("idle/1", idle(1, 1)),
            ("idle/1000/one-consumer", idle(1_000, 1)),
            ("idle/1000/50-consumers", idle(1_000, 50)),
            ("idle/10000/one-consumer", idle(10_000, 1)),
            ("idle/10000/50-consumers", idle(10_000, 50)),
        ],
    ),
];

const fn per_message(storage: Storage, ids: bool) -> Row {
    Row::PerMessage { storage, ids }
}

const fn cumulative(storage: Storage, ids: bool) -> Row {
    Row::Cumulative { storage, ids }
}

const fn consume(manner: Manner) -> Row {
    Row::Consume { manner }
}

const fn through_envoy(load: Load) -> Row {
    Row::Envoy { load }
}

const fn idle(sessions: usize, consumers: usize) -> Row {
    Row::Idle {
        sessions,
        consumers,
    }
}

/// The names of all rows.
pub(crate) fn names() -> impl Iterator<Item = &'static str> + Clone {
    TABLES
        .iter()
        .flat_map(|(_, rows)| *rows)
        .map(|(name, _)| *name)
}

/// Measures the rows that are wanted.
pub(crate) async fn run(options: &Options, report: &mut Report) {
    for (table, rows) in TABLES {
        let mut measured = Vec::new();
        for (name, row) in rows.iter().filter(|(name, _)| options.wants(name)) {
            if matches!(row, Row::Envoy { .. }) && options.envoy.is_none() {
                eprintln!("LEFT OUT: {name}: --envoy names no program");
                continue;
            }
            eprintln!("measuring {name}");
            measured.push((*name, row.measure(options).await));
        }
        if !measured.is_empty() {
            report.table(table, measured);
        }
    }
}

impl Row {
    async fn measure(self, options: &Options) -> Result<Vec<Cell>> {
        match self {
            Self::Concurrent { ids } => unary::concurrent(options, ids).await,
            Self::Single { ids } => unary::single(options, ids).await,
            Self::PerMessage { storage, ids } => {
                publish_stream::per_message(options, storage, ids).await
            }
            Self::Cumulative { storage, ids } => {
                publish_stream::cumulative(options, storage, ids).await
            }
            Self::Consume { manner } => consume::row(options, manner).await,
            Self::Envoy { load } => envoy::row(options, load).await,
            Self::Latency => latency::row(options).await,
            Self::Idle {
                sessions,
                consumers,
            } => idle::row(options, sessions, consumers).await,
        }
    }
}
