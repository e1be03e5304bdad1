//! The table: one row for each fault.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::checker::Rule;
use crate::faults::Fault;
use crate::run::Outcome;

/// How many violations of a run are printed.
const SHOWN: usize = 20;

/// What was run so far.
pub(crate) struct Report {
    began: Instant,
    failed: u32,
    skipped: u32,
    runs: u32,
}

impl Report {
    /// Prints the head of the table.
    pub(crate) fn begin(seed: u64, versions: &str) -> Self {
        println!("{versions}");
        println!("seed {seed}\n");
        println!(
            "| fault | publishes | unknown | refused | stored | deliveries | again | violations | \
             excess | recovery | seed |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        Self {
            began: Instant::now(),
            failed: 0,
            skipped: 0,
            runs: 0,
        }
    }

    /// A row.
    pub(crate) fn row(&mut self, fault: Fault, seed: u64, outcome: &Outcome) {
        self.runs += 1;
        let figures = &outcome.verdict.figures;
        let violations = &outcome.verdict.violations;
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {seed} |",
            fault.name(),
            figures.attempts,
            figures.unknown,
            figures.refused,
            figures.stored,
            figures.delivered,
            figures.again,
            count(violations.iter().map(|violation| violation.rule)),
            seconds(figures.excess),
            figures.recovery.map_or_else(|| "never".to_owned(), seconds),
        );
        if violations.is_empty() {
            return;
        }
        self.failed += 1;
        for violation in violations.iter().take(SHOWN) {
            eprintln!("VIOLATION {violation}");
        }
        if let Some(history) = &outcome.history {
            eprintln!("the history: {}", history.display());
        }
        eprintln!(
            "again: make faults ARGS='--fault {} --seed {seed}'",
            fault.name()
        );
    }

    /// A run that came to no judgement: the driver itself failed.
    pub(crate) fn broken(&mut self, fault: Fault, seed: u64, error: &crate::Error) {
        self.runs += 1;
        self.failed += 1;
        println!(
            "| {} | - | - | - | - | - | - | NO JUDGEMENT | - | - | {seed} |",
            fault.name()
        );
        eprintln!("{}: {error}", fault.name());
    }

    /// A fault that cannot be injected here: neither passed nor failed, and not to be overlooked.
    pub(crate) fn skipped(&mut self, fault: Fault, why: &str) {
        self.skipped += 1;
        println!(
            "| {} | - | - | - | - | - | - | SKIPPED: {why} | - | - | - |",
            fault.name()
        );
    }

    /// The last line and the exit code.
    pub(crate) fn finish(&self) -> ExitCode {
        let took = self.began.elapsed().as_secs();
        println!(
            "\n{} faults injected, {} broke a guarantee, {} SKIPPED; {took} s",
            self.runs, self.failed, self.skipped
        );
        match self.failed == 0 && self.runs > 0 {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    }
}

/// "0", or how many of which rule.
fn count(rules: impl Iterator<Item = Rule>) -> String {
    let mut counts: BTreeMap<Rule, u32> = BTreeMap::new();
    rules.for_each(|rule| *counts.entry(rule).or_default() += 1);
    match counts.is_empty() {
        true => "0".to_owned(),
        false => {
            let counts = counts
                .iter()
                .map(|(rule, count)| format!("{count} {rule:?}"));
            counts.collect::<Vec<_>>().join(", ")
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
