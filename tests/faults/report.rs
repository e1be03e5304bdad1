//! The table: one row for each fault.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::checker::{Rule, Violation};
use crate::faults::Fault;
use crate::run::Outcome;
use crate::suites::Row;

/// How many violations of a run are printed.
const SHOWN: usize = 20;

/// What was run so far.
pub(crate) struct Report {
    began: Instant,
    /// Runs with a fault, runs with none, and control runs.
    faults: u32,
    calm: u32,
    controls: u32,
    failed: u32,
    skipped: u32,
}

impl Report {
    /// Prints the head of the table.
    pub(crate) fn begin(seed: u64, versions: &str) -> Self {
        println!("{versions}");
        println!("seed {seed}\n");
        println!(
            "| fault | path | publishes | unknown | refused | stored | deliveries | again | violations | \
             excess | recovery | seed |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        Self {
            began: Instant::now(),
            faults: 0,
            calm: 0,
            controls: 0,
            failed: 0,
            skipped: 0,
        }
    }

    /// A row.
    pub(crate) fn row(&mut self, row: Row, seed: u64, outcome: &Outcome) {
        self.count(row);
        let violations = &outcome.verdict.violations;
        print(
            row,
            seed,
            outcome,
            &count(violations.iter().map(|violation| violation.rule)),
        );
        if violations.is_empty() {
            return;
        }
        self.fail(row, seed, outcome, violations);
    }

    fn count(&mut self, row: Row) {
        *match row {
            Row::Fault(_, Fault::None) => &mut self.calm,
            Row::Fault(..) => &mut self.faults,
            Row::Control(_) => &mut self.controls,
        } += 1;
    }

    /// Tells why a run failed, and how it is repeated.
    fn fail<'a>(
        &mut self,
        row: Row,
        seed: u64,
        outcome: &Outcome,
        violations: impl IntoIterator<Item = &'a Violation>,
    ) {
        self.failed += 1;
        for violation in violations.into_iter().take(SHOWN) {
            eprintln!("VIOLATION {violation}");
        }
        if let Some(history) = &outcome.history {
            eprintln!("the history: {}", history.display());
        }
        let (name, path) = (row.name(), row.setup().name());
        eprintln!("again: make faults ARGS='--fault {name} --path {path} --seed {seed}'");
    }

    /// The row of a control run, in which something must be lost, and nothing else may be wrong.
    pub(crate) fn control(&mut self, row: Row, seed: u64, outcome: &Outcome) {
        self.count(row);
        let (expected, others): (Vec<&Violation>, Vec<&Violation>) = outcome
            .verdict
            .violations
            .iter()
            .partition(|violation| is_loss(violation.rule));
        let lost = expected.len();
        let told = match (lost, others.is_empty()) {
            (0, _) => "NOTHING LOST: the checker is blind, or the control".to_owned(),
            (_, true) => format!("{lost} lost, as expected of JetStream"),
            (_, false) => format!(
                "{lost} lost, and {}",
                count(others.iter().map(|it| it.rule))
            ),
        };
        print(row, seed, outcome, &told);
        if lost == 0 || !others.is_empty() {
            self.fail(row, seed, outcome, others);
        }
    }

    /// A run that came to no judgement: the driver itself failed.
    pub(crate) fn broken(&mut self, row: Row, seed: u64, error: &crate::Error) {
        self.count(row);
        self.failed += 1;
        let (name, path) = (row.name(), row.setup().name());
        println!("| {name} | {path} | - | - | - | - | - | - | NO JUDGEMENT | - | - | {seed} |");
        eprintln!("{name}: {error}");
    }

    /// A fault that cannot be injected here: neither passed nor failed, and not to be overlooked.
    pub(crate) fn skipped(&mut self, row: Row, why: &str) {
        self.skipped += 1;
        let (name, path) = (row.name(), row.setup().name());
        println!("| {name} | {path} | - | - | - | - | - | - | SKIPPED: {why} | - | - | - |");
    }

    /// The last line and the exit code.
    pub(crate) fn finish(&self) -> ExitCode {
        let took = self.began.elapsed().as_secs();
        println!(
            "\n{} faults injected, {} runs without a fault, {} control runs: {} FAILED, {} SKIPPED; {took} s",
            self.faults, self.calm, self.controls, self.failed, self.skipped
        );
        let runs = self.faults + self.calm + self.controls;
        match self.failed == 0 && runs > 0 {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    }
}

/// What follows where JetStream forgets what it has answered: a message that a later one builds on is gone, too.
fn is_loss(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::LostPrefix | Rule::LostMiddle | Rule::LostTail | Rule::StrictHole
    )
}

fn print(row: Row, seed: u64, outcome: &Outcome, violations: &str) {
    let figures = &outcome.verdict.figures;
    println!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {violations} | {} | {} | {seed} |",
        row.name(),
        row.setup().name(),
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
