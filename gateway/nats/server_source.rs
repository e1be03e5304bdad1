//! The source of the pinned nats-server, for tests that hold the gateway's lists against it.
//!
//! It comes through Go's module proxy and stays in Go's cache: no copy of it is kept here. Where it
//! cannot be had (no Go, or no network and nothing cached) those tests say so and pass, because none
//! of them finds more than they found when the lists were last changed: what they guard against is a
//! new pin, which is made on a machine that fetches the server anyway. `JETGATE_TEST_REQUIRE_GO`
//! makes them fail instead, for builds that must not leave anything out.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// Where the version is pinned.
const PINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/dev/tool.sh");

/// The text of a file of the server's `server` folder.
pub(crate) fn file(name: &str) -> Option<String> {
    match read(name) {
        Ok(text) => Some(text),
        Err(problem) => {
            let required = std::env::var_os("JETGATE_TEST_REQUIRE_GO").is_some();
            assert!(!required, "nats-server's source is required: {problem}");
            eprintln!("LEFT OUT, without nats-server's source: {problem}");
            None
        }
    }
}

fn read(name: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Module {
        dir: String,
    }
    let module = format!("github.com/nats-io/nats-server/v2@v{}", version()?);
    let mut command = Command::new("go");
    command.args(["mod", "download", "-json", &module]);
    // Neither a module around the working directory nor the user's flags matter here.
    command.current_dir(std::env::temp_dir()).env("GOFLAGS", "");
    let output = command.output().map_err(|error| format!("go: {error}"))?;
    let answer = String::from_utf8_lossy(&output.stdout);
    let module: Module = serde_json::from_str(&answer)
        .map_err(|_| format!("{answer}{}", String::from_utf8_lossy(&output.stderr)))?;
    let path = Path::new(&module.dir).join("server").join(name);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn version() -> Result<String, String> {
    let pins = std::fs::read_to_string(PINS).map_err(|error| format!("{PINS}: {error}"))?;
    let mut lines = pins.lines();
    let version = lines.find_map(|line| line.strip_prefix("nats_server_version="));
    version
        .map(str::to_owned)
        .ok_or_else(|| format!("{PINS} pins no nats-server"))
}
