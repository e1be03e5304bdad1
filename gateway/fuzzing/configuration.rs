//! The configuration: whatever file and environment hold, every mistake is told with its place, and no
//! secret is told with it.

use std::fs;

use super::texts;
use crate::config::{Config, Source, Sources};

/// Never stands in what is said about a configuration.
const SECRET: &str = "correct-horse-battery";

/// The text of a file, and `NAME=value` for each variable of the environment.
pub fn configuration(input: &[u8]) {
    let mut texts = texts(input);
    let text = texts.next().unwrap_or_default();
    // Files that a configuration names are read: one of these would never end.
    if ["/dev", "/proc", "/sys"].iter().any(|it| text.contains(it)) {
        return;
    }
    let variables = texts.filter_map(|text| {
        let (name, value) = text.split_once('=')?;
        let names_file = name.contains("FILE") || name == "JETGATE_CONFIG";
        (!names_file).then(|| (name.to_owned(), value.to_owned()))
    });
    let secret = ("JETGATE_NATS_PASSWORD".to_owned(), SECRET.to_owned());
    let file = std::env::temp_dir().join(format!("jetgate-fuzz-{}.toml", std::process::id()));
    fs::write(&file, text).expect("a temporary file");
    let sources = Sources {
        file: Some(file),
        environment: variables.chain([secret]).collect(),
        flags: Vec::new(),
    };
    match Config::load(&sources) {
        Ok(config) => is_sound(&config),
        Err(problems) => {
            for problem in problems.iter() {
                let has_place = !problem.key.is_empty() || problem.source != Source::Default;
                assert!(has_place && !problem.message.is_empty(), "{problem:?}");
            }
            tells_no_secret(&problems.to_string());
            tells_no_secret(&format!("{problems:?}"));
        }
    }
}

fn is_sound(config: &Config) {
    assert!(config.validate().is_ok());
    let written = config.to_toml().expect("a configuration can be written");
    let table = written
        .parse::<toml::Table>()
        .expect("what is written is TOML");
    assert!(table.contains_key("server"));
    tells_no_secret(&written);
    tells_no_secret(&format!("{config:?}"));
}

fn tells_no_secret(text: &str) {
    assert!(!text.contains(SECRET), "{text}");
}
