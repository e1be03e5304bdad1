//! Every target with its corpus. What libFuzzer finds belongs into that: here it is replayed for good.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

macro_rules! replayed {
    ($($target:ident)*) => {
        const TARGETS: &[&str] = &[$(stringify!($target)),*];
        mod what_holds_of {
            $(#[test] fn $target() { super::replay(stringify!($target), crate::fuzzing::$target) })*
        }
    };
}

replayed! {
    ack_subjects ack_tokens client_certificates configuration console_calls credentials filters frames
    handles messages names openings page_calls policy_decisions policy_files requests resume_tokens subjects
    timeouts trace_contexts
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn replay(name: &str, target: fn(&[u8])) {
    let mut files: Vec<_> = fs::read_dir(fuzz().join("corpus").join(name))
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    // Whatever order the file system has.
    files.sort();
    let corpus: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!corpus.is_empty());
    for input in &corpus {
        run(target, input);
    }
}

/// Says which input it was that failed.
struct Tried<'a>(&'a [u8]);

impl Drop for Tried<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the input: b\"{}\"", self.0.escape_ascii());
        }
    }
}

fn run(target: fn(&[u8]), input: &[u8]) {
    let tried = Tried(input);
    target(tried.0);
}

#[test]
fn every_target_has_a_fuzzer_and_a_corpus() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let programs = manifest["bin"].as_array().unwrap().iter();
    let programs: BTreeSet<_> = programs
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    let folders = fs::read_dir(fuzz().join("corpus")).unwrap();
    let folders: BTreeSet<_> = folders
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    let targets: BTreeSet<_> = TARGETS.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(programs, targets);
    assert_eq!(folders, targets);
    for name in targets {
        let program = fs::read_to_string(fuzz().join(format!("targets/{name}.rs"))).unwrap();
        assert!(
            program.contains(&format!("jetgate::fuzzing::{name}(input)")),
            "{name}"
        );
    }
}
