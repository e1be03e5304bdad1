//! `jetgate doctor`: whether the gateway and the NATS servers behind it are set up soundly, and what to do where not.
//!
//! It changes nothing and needs no gateway that runs: it connects with the gateway's own configuration, asks, and
//! judges the answers. What the gateway's NATS user cannot see is said to be unseen, not taken to be sound.

mod account;
mod asking;
mod certificates;
mod clock;
mod configuration;
mod connecting;
mod finding;
mod import;
mod open_files;
mod permissions;
mod servers;
mod streams;
mod sync;

use std::sync::Arc;

use self::connecting::Seed;
use self::finding::Findings;
pub use self::finding::{Finding, Level};
use crate::config::Config;
use crate::nats;
use crate::nats::Link;

/// What to look at.
#[derive(Debug)]
pub struct Patient {
    /// The gateway's configuration.
    pub config: Config,
    /// How to reach NATS as a user of the system account, which sees more.
    pub system: Option<nats::config::Config>,
    /// The names that callers reach the gateway by.
    pub names: Vec<String>,
}

/// Looks at everything. Takes as long as servers that do not answer are waited for.
pub async fn examine(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    let mut findings = Findings::default();
    configuration::examine(&mut findings, config);
    open_files::examine(&mut findings, config);
    certificates::examine(&mut findings, config, &patient.names);
    let seeds = connecting::connect(&mut findings, &config.nats).await;
    if let Some(link) = first(&seeds) {
        of_connected(&mut findings, patient, &seeds, link).await;
    }
    findings.into()
}

async fn of_connected(
    findings: &mut Findings,
    patient: &Patient,
    seeds: &[Seed],
    link: &Arc<Link>,
) {
    let config = &patient.config;
    if !connecting::hears_itself(findings, link, &config.nats).await {
        return; // No answer to anything would arrive.
    }
    let permissions = permissions::examine(findings, link, config).await;
    let system = sync::connect(findings, patient.system.as_ref()).await;
    let servers = servers::ask(link, system.as_deref(), &permissions, &config.nats).await;
    servers::examine(findings, seeds, &servers);
    connecting::examine_payloads(findings, seeds, config);
    if account::examine(findings, link, config).await {
        let streams = streams::examine(findings, link, config, servers.len()).await;
        permissions::examine_subjects(findings, &permissions, &streams);
        import::examine(findings, link, config, &streams).await;
        sync::examine(findings, system.as_deref(), &config.nats, &streams).await;
    }
}

fn first(seeds: &[Seed]) -> Option<&Arc<Link>> {
    seeds.iter().find_map(|seed| seed.link.as_ref())
}
