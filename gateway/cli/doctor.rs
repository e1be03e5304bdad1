//! `jetgate doctor`: whether everything is set up soundly, for people and for programs.

use std::path::PathBuf;

use clap::Args;

use super::output::{Output, OutputArgs, one_line};
use super::{Failure, ServeArgs};
use crate::config::Config;
use crate::doctor::{Finding, Level, Patient, examine};
use crate::nats::config::{Config as NatsConfig, ServerUrls};

/// The exit code where something was found.
const FOUND: u8 = 1;

/// Arguments of `jetgate doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// A name or address that callers reach the gateway by, to look for in its certificates; may be repeated
    #[arg(long = "name", value_name = "HOST")]
    names: Vec<String>,
    /// A .creds file of the system account, which sees more of the servers
    #[arg(long, value_name = "FILE")]
    system_credentials: Option<PathBuf>,
    /// Servers for the system account, with user:password@ where there is no .creds file [default: nats.url]
    #[arg(
        long,
        value_name = "URL",
        env = "JETGATE_SYSTEM_URL",
        hide_env_values = true
    )]
    system_url: Option<ServerUrls>,
    #[command(flatten)]
    output: OutputArgs,
}

impl DoctorArgs {
    /// Looks at everything, prints what was found, and says the exit code.
    ///
    /// # Errors
    ///
    /// When the configuration is invalid, or nothing can be printed.
    pub fn run(&self) -> Result<u8, Failure> {
        let config = self.serve.load().map_err(Failure::usage)?;
        let patient = Patient {
            system: self.system(&config),
            names: self.names.clone(),
            config,
        };
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().map_err(Failure::other)?;
        let findings = runtime.block_on(examine(&patient));
        runtime.shutdown_background();

        let mut output = self.output.open();
        print(&mut output, &findings)?;
        output.flush()?;
        let is_sound = findings.iter().all(|it| it.level < Level::Warning);
        Ok(if is_sound { 0 } else { FOUND })
    }

    /// The gateway's way to NATS with another user; `None` where none is given.
    fn system(&self, config: &Config) -> Option<NatsConfig> {
        if self.system_credentials.is_none() && self.system_url.is_none() {
            return None;
        }
        let url = self.system_url.clone();
        Some(NatsConfig {
            url: url.unwrap_or_else(|| config.nats.url.clone()),
            credentials_file: self.system_credentials.clone(),
            user: None,
            password: None,
            token: None,
            nkey_seed: None,
            inbox_prefix: NatsConfig::default().inbox_prefix,
            ..config.nats.clone()
        })
    }
}

fn print(output: &mut Output, findings: &[Finding]) -> Result<(), Failure> {
    if output.is_json() {
        for finding in findings {
            output.object(&serde_json::to_value(finding).map_err(Failure::other)?)?;
        }
        return Ok(());
    }
    for finding in findings {
        let (check, about) = (finding.check, one_line(&finding.about));
        let level = format!("{:8}", word(finding.level));
        let level = if finding.level < Level::Warning {
            level
        } else {
            output.emphasised(&level)
        };
        let text = one_line(&finding.text);
        output.line(&format!("{level} {check:14} {about}: {text}"))?;
        if !finding.fix.is_empty() {
            output.line(&format!("{:24}to do: {}", "", one_line(&finding.fix)))?;
        }
    }
    let count = |level| findings.iter().filter(|it| it.level == level).count();
    let (faults, warnings) = (count(Level::Fault), count(Level::Warning));
    output.line("")?;
    output.heading(&match (faults, warnings) {
        (0, 0) => "Nothing was found that is to be mended.".to_owned(),
        _ => format!("To be mended: faults {faults}, warnings {warnings}."),
    })
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Fault => "FAULT",
    }
}
