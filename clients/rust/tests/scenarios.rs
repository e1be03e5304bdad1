//! Carries out tests/scenarios, and reports for the matrix of all clients.

use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::scenario;
use super::world::scenarios;

/// How many run at a time: they wait most of their time.
const AT_A_TIME: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn scenarios_hold() {
    let only = env::var("JETGATE_SCENARIO").ok();
    let mut names: Vec<String> = fs::read_dir(scenarios())
        .unwrap()
        .filter_map(|file| {
            file.unwrap()
                .file_name()
                .into_string()
                .unwrap()
                .strip_suffix(".json")
                .map(str::to_owned)
        })
        .filter(|name| only.as_ref().is_none_or(|only| only == name))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    let lines: Vec<Value> = stream::iter(names)
        .map(carry_out)
        .buffered(AT_A_TIME)
        .collect()
        .await;
    if only.is_none() {
        report(&lines);
    }
    let failed: Vec<_> = lines
        .iter()
        .filter(|line| line["result"] == "failed")
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

async fn carry_out(name: String) -> Value {
    let plan = fs::read(scenarios().join(format!("{name}.json"))).unwrap();
    let plan: Value = serde_json::from_slice(&plan).unwrap();
    let begun = Instant::now();
    // A task of its own, so that a panic fails this one alone.
    let ended = tokio::spawn(scenario::run(plan)).await;
    let why = ended
        .err()
        .map(|panic| match panic.into_panic().downcast::<String>() {
            Ok(text) => *text,
            Err(other) => format!("{:?}", other.downcast_ref::<&str>()),
        });
    json!({
        "client": "rust",
        "scenario": name,
        "result": if why.is_none() { "passed" } else { "failed" },
        "seconds": begun.elapsed().as_secs_f64(),
        "detail": why.unwrap_or_default(),
    })
}

fn report(lines: &[Value]) {
    let folder = env::var("JETGATE_SCENARIO_REPORTS").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/scenarios"),
        Into::into,
    );
    fs::create_dir_all(&folder).unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(folder.join("rust.jsonl"), text).unwrap();
}
