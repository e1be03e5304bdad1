//! The table: one row for each fault.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::checker::Rule;
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
    pub(crate) fn row(&mut self, name: &str, seed: u64, outcome: &Outcome) {
        self.runs += 1;
        let violations = &outcome.verdict.violations;
        print(
            name,
            seed,
            outcome,
            &count(violations.iter().map(|violation| violation.rule)),
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
        eprintln!("again: make faults ARGS='--fault {name} --seed {seed}'");
    }

    /// The row of a control run, in which something must be lost.
    pub(crate) fn control(&mut self, name: &str, seed: u64, outcome: &Outcome) {
        self.runs += 1;
        let rules = outcome
            .verdict
            .violations
            .iter()
            .map(|violation| violation.rule);
        let is_loss =
            |rule: &Rule| matches!(rule, Rule::LostPrefix | Rule::LostMiddle | Rule::LostTail);
        let lost = rules.filter(is_loss).count();
        if lost == 0 {
            self.failed += 1;
            print(
                name,
                seed,
                outcome,
                "NOTHING LOST: the checker is blind, or the control",
            );
        } else {
            print(
                name,
                seed,
                outcome,
                &format!("{lost} lost, as expected of JetStream"),
            );
        }
    }

    /// A run that came to no judgement: the driver itself failed.
    pub(crate) fn broken(&mut self, name: &str, seed: u64, error: &crate::Error) {
        self.runs += 1;
        self.failed += 1;
        println!("| {name} | - | - | - | - | - | - | NO JUDGEMENT | - | - | {seed} |");
        eprintln!("{name}: {error}");
    }

    /// A fault that cannot be injected here: neither passed nor failed, and not to be overlooked.
    pub(crate) fn skipped(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        println!("| {name} | - | - | - | - | - | - | SKIPPED: {why} | - | - | - |");
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

fn print(name: &str, seed: u64, outcome: &Outcome, violations: &str) {
    let figures = &outcome.verdict.figures;
    println!(
        "| {name} | {} | {} | {} | {} | {} | {} | {violations} | {} | {} | {seed} |",
        figures.attempts,
        figures.unknown,
        figures.refused,
        figures.stored,
        figures.delivered,
        figures.again,
        seconds(figures.excess),
        figures.recovery.map_or_else(|| "never".to_owned(), seconds),
    );
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
