//! Which runs there are, one after the other on a stage for each setup.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::ValueEnum as _;
use fastrand::Rng;

use crate::Result;
use crate::control::{self, Control};
use crate::faults::Fault;
use crate::options::{Options, Suite};
use crate::report::Report;
use crate::run;
use crate::setup::Setup;
use crate::stage::Stage;

/// The seed of the short suite: it checks changes, and two checks of one change should not differ.
const SEED: u64 = 20_260_501;

/// How many runs a soak makes on a stage before it draws another: what gateways leave behind bit by bit shows only
/// where they live long.
const STAY: usize = 24;

/// What a row of the table is about.
#[derive(Clone, Copy)]
pub(crate) enum Row {
    Fault(Setup, Fault),
    Control(Control),
}

impl Row {
    /// All, those of one setup together.
    fn all() -> Vec<Self> {
        let faults = |setup: &Setup| {
            let (setup, faults) = (*setup, setup.faults());
            faults
                .into_iter()
                .map(move |fault| Self::Fault(setup, fault))
        };
        let (direct, others) = Setup::value_variants().split_at(1);
        let controls = Control::ALL.into_iter().map(Self::Control);
        let direct = direct.iter().flat_map(faults).chain(controls);
        direct.chain(others.iter().flat_map(faults)).collect()
    }

    /// One of those that differ in where they strike only.
    fn is_usual(self) -> bool {
        match self {
            Self::Fault(setup, fault) => fault.is_usual_on(setup),
            Self::Control(_) => true,
        }
    }

    fn short() -> Vec<Self> {
        let faults = Fault::SHORT.into_iter();
        let mut rows: Vec<Self> = faults
            .map(|fault| Self::Fault(Setup::Direct, fault))
            .collect();
        rows.push(Self::Control(Control::Memory));
        rows
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Fault(_, fault) => fault.name(),
            Self::Control(control) => control.name().to_owned(),
        }
    }

    pub(crate) fn setup(self) -> Setup {
        match self {
            Self::Fault(setup, _) => setup,
            Self::Control(_) => Setup::Direct,
        }
    }

    fn what(self) -> String {
        match self {
            Self::Fault(_, fault) => fault.what(),
            Self::Control(control) => control.what().to_owned(),
        }
    }
}

/// Prints the names of all rows.
pub(crate) fn list() {
    for row in Row::all() {
        println!("{:24} {:7} {}", row.name(), row.setup().name(), row.what());
    }
}

/// Runs what the options say.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let mut chosen = chosen(options)?;
    let seed = options.seed.unwrap_or_else(|| match options.suite {
        Suite::Short => SEED,
        _ => fastrand::u64(..1 << 32),
    });
    let mut report = Report::begin(seed, &versions(options)?);
    chosen.retain(|row| match row.setup().obstacle(options) {
        Some(why) => {
            report.skipped(*row, why);
            false
        }
        None => true,
    });
    let mut stage: Option<Stage> = None;
    let mut rng = Rng::with_seed(seed);
    let began = Instant::now();
    let mut soaked = Vec::new();
    for number in 0.. {
        let row = match options.suite {
            Suite::Soak if began.elapsed() > options.time => break,
            Suite::Soak => {
                if number % STAY == 0 {
                    soaked = of_any_setup(&chosen, &mut rng);
                }
                rng.choice(&soaked).copied()
            }
            _ => chosen.get(number).copied(),
        };
        let Some(row) = row else { break };
        // A single row has the seed that was given: so it can be repeated.
        let seed = match chosen.len() {
            1 if number == 0 => seed,
            _ => rng.u64(..1 << 32),
        };
        let ready = match stage.take() {
            Some(stage) if stage.setup == row.setup() => stage,
            old => {
                drop(old);
                match Stage::start(options, row.setup()).await {
                    Ok(stage) => stage,
                    Err(error) => {
                        report.broken(row, seed, &error);
                        continue;
                    }
                }
            }
        };
        let stream = format!("F{number}");
        // Whatever went wrong with the stage itself, the next run shall not suffer from it.
        stage = run_row(options, ready, row, stream, seed, &mut report).await;
    }
    Ok(report.finish())
}

/// The rows of one setup; of one with many rows more often.
fn of_any_setup(rows: &[Row], rng: &mut Rng) -> Vec<Row> {
    let setup = rng.choice(rows).map(|row| row.setup());
    let of_setup = rows.iter().filter(|row| Some(row.setup()) == setup);
    of_setup.copied().collect()
}

/// The stage, where it can be used again.
async fn run_row(
    options: &Options,
    mut stage: Stage,
    row: Row,
    stream: String,
    seed: u64,
    report: &mut Report,
) -> Option<Stage> {
    let outcome = match row {
        Row::Fault(_, fault) => match fault.obstacle(&stage) {
            Some(why) => {
                report.skipped(row, why);
                return Some(stage);
            }
            None => run::run(options, &mut stage, fault, stream, seed).await,
        },
        Row::Control(control) => control::run(options, &mut stage, control, stream, seed).await,
    };
    match (row, &outcome) {
        (Row::Fault(..), Ok(outcome)) => report.row(row, seed, outcome),
        (Row::Control(_), Ok(outcome)) => report.control(row, seed, outcome),
        (_, Err(error)) => report.broken(row, seed, error),
    }
    outcome.is_ok().then_some(stage)
}

fn chosen(options: &Options) -> Result<Vec<Row>> {
    let is_on_path = |row: &Row| options.path.is_empty() || options.path.contains(&row.setup());
    let all = Row::all().into_iter().filter(is_on_path);
    if options.fault.is_empty() {
        return Ok(match options.suite {
            Suite::Short => Row::short().into_iter().filter(is_on_path).collect(),
            Suite::Usual => all.filter(|row| row.is_usual()).collect(),
            Suite::All | Suite::Soak => all.collect(),
        });
    }
    let all: Vec<Row> = all.collect();
    let mut rows = Vec::new();
    for name in &options.fault {
        // Without a path the first: directly, where that is possible.
        let mut named = all.iter().filter(|row| row.name() == *name);
        let row = named.next().copied();
        rows.push(row.ok_or_else(|| format!("there is no {name} like this; --list names all"))?);
        if !options.path.is_empty() {
            rows.extend(named);
        }
    }
    Ok(rows)
}

/// What is tested, and on what.
fn versions(options: &Options) -> Result<String> {
    let version = |program: &Path, flag: &str| {
        let output = Command::new(program).arg(flag).output()?;
        // nginx tells it as an error.
        let line = [output.stdout, output.stderr].concat();
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        Ok::<String, std::io::Error>(line)
    };
    let gateway = version(&options.gateway, "--version")?;
    let server = version(&options.nats_server, "--version")?;
    let cores = std::thread::available_parallelism()?;
    let mut versions = format!(
        "{gateway} of {} ({} gateways), {server} (3 servers), {cores} cores",
        options.commit, options.gateways
    );
    if let Some(envoy) = &options.envoy {
        let line = version(envoy, "--version")?;
        // Behind its path: commit, version and how it was built, with slashes between them.
        let (_, parts) = line.split_once("version: ").unwrap_or(("", &line));
        versions += &format!(", Envoy {}", parts.split('/').nth(1).unwrap_or(parts));
    }
    if let Some(nginx) = &options.nginx {
        let line = version(nginx, "-v")?;
        versions += &format!(", nginx {}", line.rsplit('/').next().unwrap_or(&line));
    }
    Ok(versions)
}
