//! Which runs there are, one after the other on one stage.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use fastrand::Rng;

use crate::Result;
use crate::control::{self, Control};
use crate::faults::Fault;
use crate::options::{Options, Suite};
use crate::report::Report;
use crate::run;
use crate::stage::Stage;

/// The seed of the short suite: it checks changes, and two checks of one change should not differ.
const SEED: u64 = 20_260_501;

/// What a row of the table is about.
#[derive(Clone, Copy)]
enum Row {
    Fault(Fault),
    Control(Control),
}

impl Row {
    fn all() -> Vec<Self> {
        let faults = Fault::ALL.into_iter().map(Self::Fault);
        faults
            .chain(Control::ALL.into_iter().map(Self::Control))
            .collect()
    }

    fn short() -> Vec<Self> {
        let mut rows: Vec<Self> = Fault::SHORT.into_iter().map(Self::Fault).collect();
        rows.push(Self::Control(Control::Memory));
        rows
    }

    fn name(self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.name(),
            Self::Control(control) => control.name(),
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.what(),
            Self::Control(control) => control.what(),
        }
    }
}

/// Prints the names of all rows.
pub(crate) fn list() {
    for row in Row::all() {
        println!("{:18} {}", row.name(), row.what());
    }
}

/// Runs what the options say.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let chosen = chosen(options)?;
    let seed = options.seed.unwrap_or_else(|| match options.suite {
        Suite::Short => SEED,
        _ => fastrand::u64(..1 << 32),
    });
    let mut report = Report::begin(seed, &versions(options)?);
    let mut stage = Stage::start(options).await?;
    let mut rng = Rng::with_seed(seed);
    let began = Instant::now();
    for number in 0.. {
        let row = match options.suite {
            Suite::Soak if began.elapsed() > options.time => break,
            Suite::Soak => rng.choice(&chosen).copied(),
            _ => chosen.get(number).copied(),
        };
        let Some(row) = row else { break };
        // A single row has the seed that was given: so it can be repeated.
        let seed = match chosen.len() {
            1 if number == 0 => seed,
            _ => rng.u64(..1 << 32),
        };
        let stream = format!("F{number}");
        if !run_row(options, &mut stage, row, stream, seed, &mut report).await {
            // Whatever it is, the next run shall not suffer from it.
            drop(stage);
            stage = Stage::start(options).await?;
        }
    }
    Ok(report.finish())
}

/// False where the stage is not to be used again.
async fn run_row(
    options: &Options,
    stage: &mut Stage,
    row: Row,
    stream: String,
    seed: u64,
    report: &mut Report,
) -> bool {
    let name = row.name();
    let outcome = match row {
        Row::Fault(fault) => match fault.obstacle(stage) {
            Some(why) => {
                report.skipped(name, why);
                return true;
            }
            None => run::run(options, stage, fault, stream, seed).await,
        },
        Row::Control(control) => control::run(options, stage, control, stream, seed).await,
    };
    match (row, &outcome) {
        (Row::Fault(_), Ok(outcome)) => report.row(name, seed, outcome),
        (Row::Control(_), Ok(outcome)) => report.control(name, seed, outcome),
        (_, Err(error)) => report.broken(name, seed, error),
    }
    outcome.is_ok()
}

fn chosen(options: &Options) -> Result<Vec<Row>> {
    if options.fault.is_empty() {
        return Ok(match options.suite {
            Suite::Short => Row::short(),
            _ => Row::all(),
        });
    }
    let names = options.fault.iter();
    let rows = names.map(|name| {
        let mut all = Row::all().into_iter();
        let row = all.find(|row| row.name() == name);
        row.ok_or_else(|| format!("there is no fault {name}; --list names all").into())
    });
    rows.collect()
}

/// What is tested, and on what.
fn versions(options: &Options) -> Result<String> {
    let version = |program: &Path| {
        let output = Command::new(program).arg("--version").output()?;
        let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok::<String, std::io::Error>(line)
    };
    let gateway = version(&options.gateway)?;
    let server = version(&options.nats_server)?;
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{gateway} ({} gateways), {server} (3 servers), {cores} cores",
        options.gateways
    ))
}
