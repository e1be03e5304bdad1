//! Settings of a stream that reach beyond it, which the operator can switch off: the `streams` section.
//!
//! What a stream has already is kept: an update that leaves such a setting as it is goes through.

use serde::{Deserialize, Serialize};

use super::change::with_defaults;
use crate::error::{Error, Reason, Result};
use crate::nats::api::{StreamConfig, StreamSource};

/// Which of these settings callers may make.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Streams that publish what they store again, to subjects that may be anybody's. Default true.
    pub allow_republish: bool,
    /// Mirrors and sources of another account or domain. Default true.
    pub allow_external_sources: bool,
    /// Choosing the servers that hold a stream. Default true.
    pub allow_placement: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow_republish: true,
            allow_external_sources: true,
            allow_placement: true,
        }
    }
}

impl Config {
    /// Whether checking `desired` needs what exists: a setting that is off may be there already.
    pub fn concerns(&self, desired: &StreamConfig) -> bool {
        self.check(desired, None).is_err()
    }

    /// Refuses the settings of `desired` that are switched off and not those of `existing`.
    pub fn check(&self, desired: &StreamConfig, existing: Option<&StreamConfig>) -> Result<()> {
        // JetStream writes out what it fills in.
        let existing = existing.map(with_defaults);
        let republish = with_defaults(desired).republish;
        let is_kept = existing
            .as_ref()
            .is_some_and(|it| it.republish == republish);
        if !self.allow_republish && republish.is_some() && !is_kept {
            return Err(refused("config.republish", "allow_republish"));
        }
        let placement = &desired.placement;
        let is_kept = existing
            .as_ref()
            .is_some_and(|it| it.placement == *placement);
        if !self.allow_placement && placement.is_some() && !is_kept {
            return Err(refused("config.placement", "allow_placement"));
        }
        if !self.allow_external_sources {
            let mirror = desired
                .mirror
                .iter()
                .map(|it| (it, "config.mirror".to_owned()));
            let sources = desired.sources.iter().enumerate();
            let sources = sources.map(|(place, it)| (it, format!("config.sources[{place}]")));
            for (source, field) in mirror.chain(sources) {
                if source.external.is_some() && !existing.as_ref().is_some_and(|it| has(it, source))
                {
                    let field = format!("{field}.external");
                    return Err(refused(&field, "allow_external_sources"));
                }
            }
        }
        Ok(())
    }
}

/// Whether a stream copies this already.
fn has(existing: &StreamConfig, source: &StreamSource) -> bool {
    existing
        .mirror
        .iter()
        .chain(&existing.sources)
        .any(|it| it == source)
}

fn refused(field: &str, switch: &str) -> Error {
    let text = format!("the operator of this gateway does not allow it (streams.{switch})");
    Error::new(Reason::DisabledByOperator, text)
        .with("switch", format!("streams.{switch}"))
        .at(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOTHING: Config = Config {
        allow_republish: false,
        allow_external_sources: false,
        allow_placement: false,
    };

    fn config(settings: serde_json::Value) -> StreamConfig {
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn what_reaches_further_is_refused_unless_it_is_there_already() {
        let external = json!({ "name": "O", "external": { "api": "$JS.hub.API" } });
        for settings in [
            json!({ "republish": { "src": ">", "dest": "copy.>" } }),
            json!({ "placement": { "cluster": "C" } }),
            json!({ "mirror": external }),
            json!({ "sources": [{ "name": "A" }, external] }),
        ] {
            let desired = config(settings);
            let error = NOTHING.check(&desired, None).unwrap_err();
            assert_eq!(error.reason(), Reason::DisabledByOperator);
            assert!(NOTHING.check(&desired, Some(&config(json!({})))).is_err());
            assert!(NOTHING.check(&desired, Some(&desired)).is_ok());
            assert!(Config::default().check(&desired, None).is_ok());
        }
    }

    #[test]
    fn what_stays_in_the_account_is_nobodys_business() {
        let desired = config(json!({ "mirror": { "name": "O" }, "sources": [{ "name": "A" }] }));
        assert!(!NOTHING.concerns(&desired));
    }
}
