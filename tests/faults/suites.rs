//! Which faults are injected, one after the other on one stage.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use fastrand::Rng;

use crate::Result;
use crate::faults::Fault;
use crate::options::{Options, Suite};
use crate::report::Report;
use crate::run;
use crate::stage::Stage;

/// The seed of the short suite: it checks changes, and two checks of one change should not differ.
const SEED: u64 = 20_260_501;

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
    let mut number = 0;
    loop {
        for fault in &chosen {
            let fault = match options.suite {
                Suite::Soak => *rng.choice(&chosen).unwrap_or(fault),
                _ => *fault,
            };
            // A single fault has the seed that was given: so a row can be repeated.
            let seed = match chosen.len() {
                1 => seed,
                _ => rng.u64(..1 << 32),
            };
            number += 1;
            if let Some(why) = fault.obstacle(&stage) {
                report.skipped(fault, why);
                continue;
            }
            let stream = format!("F{number}");
            match run::run(options, &mut stage, fault, stream, seed).await {
                Ok(outcome) => report.row(fault, seed, &outcome),
                Err(error) => {
                    report.broken(fault, seed, &error);
                    // Whatever it is, the next run shall not suffer from it.
                    drop(stage);
                    stage = Stage::start(options).await?;
                }
            }
            if options.suite == Suite::Soak && began.elapsed() > options.time {
                return Ok(report.finish());
            }
        }
        if options.suite != Suite::Soak {
            return Ok(report.finish());
        }
    }
}

fn chosen(options: &Options) -> Result<Vec<Fault>> {
    if options.fault.is_empty() {
        return Ok(match options.suite {
            Suite::Short => Fault::SHORT.to_vec(),
            _ => Fault::ALL.to_vec(),
        });
    }
    let names = options.fault.iter();
    let faults = names.map(|name| {
        let mut all = Fault::ALL.into_iter();
        let fault = all.find(|fault| fault.name() == name);
        fault.ok_or_else(|| format!("there is no fault {name}; --list names all").into())
    });
    faults.collect()
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
