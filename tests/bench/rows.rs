//! Every row: its name, the table that it belongs to, and where it is measured.

mod unary;

use crate::Result;
use crate::options::Options;
use crate::report::{Cell, Report, Table};

/// A row.
#[derive(Clone, Copy)]
enum Row {
    /// Unary publishes, 64 at a time.
    Concurrent { ids: bool },
    /// Unary publishes, one at a time.
    Single { ids: bool },
}

const TABLES: &[(Table, &[(&str, Row)])] = &[
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
];

/// Prints the names of all rows.
pub(crate) fn list() {
    for (name, _) in TABLES.iter().flat_map(|(_, rows)| *rows) {
        println!("{name}");
    }
}

/// Measures the rows that are wanted.
pub(crate) async fn run(options: &Options, report: &mut Report) {
    for (table, rows) in TABLES {
        let mut measured = Vec::new();
        for (name, row) in rows.iter().filter(|(name, _)| options.wants(name)) {
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
        }
    }
}
