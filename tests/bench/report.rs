//! The tables, as text and as JSON.

use std::fs;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::Result;
use crate::measure::{Round, Spread};
use crate::options::Options;
use crate::program::Program;

/// Printed below all tables.
const HOW: &str = "\
How it is measured: the gateway (a release build), nats-server and this load generator are three processes on one
machine. Every row has a nats-server with an empty store and a gateway of its own. Within a row the sides take turns,
round by round, a different one first each time, against the same nats-server and an empty stream each time. Messages
have 256 bytes; with ids, each has one of 20 characters on both sides. The native side is async-nats over one
connection, the gateway's is tonic over one connection; both run on the same multi-threaded runtime with their
libraries' own defaults. Figures are medians over the rounds; in parentheses the least and the most. A ratio is
taken within each round. After each round the stream must hold exactly the messages that were answered as stored,
otherwise the row says FAILED. CPU is the gateway's own processor time, user and system, for a million messages; RSS is
the gateway's resident memory at the end of the row.";

/// What a table shows.
pub(crate) struct Table {
    pub(crate) title: &'static str,
    /// What its ratio is, and how its sides work.
    pub(crate) how: &'static str,
    pub(crate) columns: &'static [&'static str],
}

/// One figure, as it is printed and as it is written.
pub(crate) struct Cell {
    text: String,
    value: Value,
}

impl Cell {
    /// Text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            value: Value::from(text.clone()),
            text,
        }
    }

    /// A ratio with its spread.
    pub(crate) fn ratio(spread: Spread) -> Self {
        Self::spread(spread, |value| format!("{value:.2}"))
    }

    /// A whole number with its spread.
    pub(crate) fn count(spread: Spread) -> Self {
        Self::spread(spread, grouped)
    }

    /// The middle of these, as a whole number.
    pub(crate) fn median(spread: Spread) -> Self {
        Self {
            text: grouped(spread.median),
            value: value(spread),
        }
    }

    /// A single whole number.
    pub(crate) fn whole(number: f64) -> Self {
        Self {
            text: grouped(number),
            value: json!(number),
        }
    }

    /// A single number with this many places behind the point.
    pub(crate) fn number(number: f64, places: usize) -> Self {
        Self {
            text: format!("{number:.places$}"),
            value: json!(number),
        }
    }

    /// The gateway's processor time for a million messages, in seconds.
    pub(crate) fn cpu<'a>(rounds: impl Iterator<Item = &'a Round>) -> Self {
        let (mut seconds, mut messages) = (0.0, 0);
        for round in rounds {
            seconds += round.cpu.as_secs_f64();
            messages += round.count;
        }
        Self::number(seconds / messages as f64 * 1e6, 1)
    }

    /// The memory that a program has resident now, in MB.
    pub(crate) fn resident(program: &Program) -> Result<Self> {
        Ok(Self::number(program.resident()? as f64 / 1e6, 1))
    }

    /// Whether a ratio is where it should be: at least `least`, better at least `aim`.
    pub(crate) fn at_least(spread: Spread, least: f64, aim: f64) -> Self {
        let wanted = match aim > least {
            true => format!("{least:.1} (aim {aim:.1})"),
            false => least.to_string(),
        };
        Self::text(match spread.median {
            value if value >= aim => format!("{wanted} reached"),
            value if value >= least => format!("{wanted} least reached"),
            _ => format!("{wanted} MISSED"),
        })
    }

    /// Whether a ratio is at most `most`.
    pub(crate) fn at_most(spread: Spread, most: f64) -> Self {
        Self::text(match spread.median <= most {
            true => format!("{most} kept"),
            false => format!("{most} MISSED"),
        })
    }

    fn spread(spread: Spread, text: impl Fn(f64) -> String) -> Self {
        let Spread {
            median,
            least,
            most,
        } = spread;
        Self {
            text: format!("{} ({}-{})", text(median), text(least), text(most)),
            value: value(spread),
        }
    }
}

fn value(spread: Spread) -> Value {
    json!({"median": spread.median, "least": spread.least, "most": spread.most})
}

/// A whole number with commas between its thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Everything that was measured.
pub(crate) struct Report {
    failed: bool,
    machine: Value,
    tables: Vec<Value>,
}

impl Report {
    /// Prints on what and how long is measured.
    pub(crate) fn begin(options: &Options) -> Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split_whitespace().next().unwrap_or_default();
        let jetgate = version(&options.gateway)?;
        let nats_server = version(&options.nats_server)?;
        let (rounds, time) = (options.rounds, humantime::format_duration(options.time));
        println!(
            "{jetgate}, {nats_server}; {cores} cores, load {load} at the start; {rounds} rounds of {time} a side"
        );
        Ok(Self {
            failed: false,
            machine: json!({
                "jetgate": jetgate,
                "nats_server": nats_server,
                "cores": cores,
                "load_at_start": load,
                "rounds": rounds,
                "seconds": options.time.as_secs_f64(),
            }),
            tables: Vec::new(),
        })
    }

    /// Prints a table; a row that could not be measured says why.
    pub(crate) fn table(&mut self, table: &Table, rows: Vec<(&'static str, Result<Vec<Cell>>)>) {
        let mut lines = vec![vec!["row".to_owned()]];
        lines[0].extend(table.columns.iter().map(|column| (*column).to_owned()));
        let mut failures = Vec::new();
        let mut values = Vec::new();
        for (name, cells) in rows {
            let mut value = Map::from_iter([("row".to_owned(), name.into())]);
            match cells {
                Ok(cells) => {
                    let texts = cells.iter().map(|cell| cell.text.clone());
                    lines.push([name.to_owned()].into_iter().chain(texts).collect());
                    let columns = table.columns.iter().map(|column| (*column).to_owned());
                    value.extend(columns.zip(cells.into_iter().map(|cell| cell.value)));
                }
                Err(error) => {
                    self.failed = true;
                    failures.push(format!("{name}  FAILED: {error}"));
                    value.insert("failed".to_owned(), error.to_string().into());
                }
            }
            values.push(Value::Object(value));
        }
        println!("\n{}\n{}\n", table.title, table.how);
        print_aligned(&lines);
        for failure in failures {
            println!("{failure}");
        }
        self.tables
            .push(json!({"title": table.title, "how": table.how, "rows": values}));
    }

    /// Prints how it was measured, and writes the JSON.
    pub(crate) fn finish(self, options: &Options) -> Result<ExitCode> {
        println!("\n{HOW}");
        if let Some(file) = &options.json {
            let all = json!({"machine": self.machine, "how": HOW, "tables": self.tables});
            fs::write(file, serde_json::to_string_pretty(&all)? + "\n")?;
        }
        Ok(match self.failed {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        })
    }
}

fn print_aligned(lines: &[Vec<String>]) {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    for line in lines {
        let mut text = format!("{:<width$}", line[0], width = widths[0]);
        for (cell, width) in line.iter().zip(&widths).skip(1) {
            text += &format!("  {cell:>width$}");
        }
        println!("{}", text.trim_end());
    }
}

fn version(program: &std::path::Path) -> Result<String> {
    let output = std::process::Command::new(program)
        .arg("--version")
        .output()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().replace(": ", " "))
}
