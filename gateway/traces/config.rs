//! The `traces` section: where spans go, and which calls are traced.

use std::path::PathBuf;

use http::Uri;
use serde::{Deserialize, Serialize};

use crate::config::Checks;

/// Where spans go, and which calls are traced.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The OTLP receiver that spans are sent to by gRPC, such as `http://127.0.0.1:4317`; `https` is TLS.
    /// Default: none, and nothing is traced.
    pub otlp_endpoint: Option<String>,
    /// The certificates that sign the receiver's, instead of the system's (PEM). Default: none.
    pub otlp_ca_file: Option<PathBuf>,
    /// Which part of the calls that come without a trace begins one, 0 to 1. Calls and messages that bring
    /// one are traced if it is sampled. Default 0.01.
    pub sample_ratio: f64,
    /// The name of this service in traces. Default `jetgate`.
    pub service_name: String,
    /// What else spans say of this gateway, such as `deployment.environment.name=prod,k8s.pod.name=a`.
    /// Default: nothing.
    pub resource_attributes: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_ca_file: None,
            sample_ratio: 0.01,
            service_name: "jetgate".to_owned(),
            resource_attributes: String::new(),
        }
    }
}

impl Config {
    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.require(
            self.otlp_endpoint
                .as_deref()
                .is_none_or(|url| endpoint(url).is_some()),
            "otlp_endpoint",
            "must be a URL such as http://127.0.0.1:4317 or https://collector:4317",
        );
        let is_tls = self
            .otlp_endpoint
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"));
        checks.require(
            self.otlp_ca_file.is_none() || is_tls,
            "otlp_ca_file",
            "needs an https:// URL as traces.otlp_endpoint",
        );
        checks.within("sample_ratio", self.sample_ratio, 0.0..=1.0);
        checks.require(
            !self.service_name.is_empty(),
            "service_name",
            "must not be empty",
        );
        checks.require(
            self.attributes().is_some(),
            "resource_attributes",
            "must be pairs such as `key=value,other=value`",
        );
    }

    /// The pairs of `resource_attributes`; `None` where they are none.
    pub(super) fn attributes(&self) -> Option<Vec<(String, String)>> {
        let pairs = self.resource_attributes.split(',').map(str::trim);
        let pairs = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let (key, value) = (key.trim(), value.trim());
            (!key.is_empty()).then(|| (key.to_owned(), value.to_owned()))
        });
        pairs.collect()
    }
}

/// The receiver's address; `None` where it is none.
pub(super) fn endpoint(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let is_known = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    (is_known && has_host && matches!(uri.path(), "" | "/")).then_some(uri)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn problems(change: impl FnOnce(&mut super::Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config.traces);
        let problems = config.validate().err();
        problems.map_or_else(Vec::new, |problems| {
            problems.keys().into_iter().map(str::to_owned).collect()
        })
    }

    #[test]
    fn a_receiver_is_a_url_without_a_path() {
        for (url, good) in [
            ("http://127.0.0.1:4317", true),
            ("https://collector.example/", true),
            ("collector:4317", false),
            ("http://", false),
            ("http://a:4317/v1/traces", false),
            ("grpc://a:4317", false),
        ] {
            let found = problems(|traces| traces.otlp_endpoint = Some(url.to_owned()));
            assert_eq!(found.is_empty(), good, "{url}");
        }
    }

    #[test]
    fn certificates_need_tls() {
        let found = problems(|traces| {
            traces.otlp_endpoint = Some("http://a:4317".to_owned());
            traces.otlp_ca_file = Some("ca.pem".into());
        });
        assert_eq!(found, ["traces.otlp_ca_file"]);
    }

    #[test]
    fn a_ratio_is_a_part_of_all() {
        for (ratio, good) in [(0.0, true), (1.0, true), (1.1, false), (f64::NAN, false)] {
            assert_eq!(
                problems(|traces| traces.sample_ratio = ratio).is_empty(),
                good,
                "{ratio}"
            );
        }
    }

    #[test]
    fn attributes_are_pairs() {
        let attributes = |text: &str| {
            let config = super::Config {
                resource_attributes: text.to_owned(),
                ..super::Config::default()
            };
            config.attributes()
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(attributes(""), Some(vec![]));
        assert_eq!(
            attributes("a=b, c = d=e ,"),
            Some(vec![pair("a", "b"), pair("c", "d=e")])
        );
        assert_eq!(attributes("a"), None);
        assert_eq!(attributes("=b"), None);
    }
}
