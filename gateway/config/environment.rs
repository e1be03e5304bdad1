//! Which environment variables are ours, and which key each one sets.

/// The start of every variable's name.
const PREFIX: &str = "JETGATE_";

/// Names the configuration file; not a key itself.
pub(super) const CONFIG_FILE: &str = "JETGATE_CONFIG";

/// The variable that every NATS tool reads; `JETGATE_NATS_URL` wins over it.
pub(super) const NATS_URL: &str = "NATS_URL";

/// Belong to the command line alone.
const DEV_NATS_SERVER: &str = "JETGATE_DEV_NATS_SERVER";
const SERVER_URL: &str = "JETGATE_URL";
const API_KEY: &str = "JETGATE_API_KEY";
const SYSTEM_URL: &str = "JETGATE_SYSTEM_URL";

/// Reserved for the test suite, which may run in the same environment.
const TEST_PREFIX: &str = "JETGATE_TEST_";

/// The variable that sets `key`: `server.listen` is set by `JETGATE_SERVER_LISTEN`.
pub(super) fn variable(key: &str) -> String {
    format!(
        "{PREFIX}{}",
        key.to_ascii_uppercase().replace(['.', '-'], "_")
    )
}

/// Whether the variable is meant to set a key, so that an unknown name is an error.
pub(super) fn sets_a_key(name: &str, value: &str) -> bool {
    name.starts_with(PREFIX)
        && !name.starts_with(TEST_PREFIX)
        && ![
            CONFIG_FILE,
            DEV_NATS_SERVER,
            SERVER_URL,
            API_KEY,
            SYSTEM_URL,
        ]
        .contains(&name)
        && !is_service_link(name, value)
}

/// Whether Kubernetes made the variable for a Service that is called `jetgate` or `jetgate-...`.
///
/// It puts `JETGATE_SERVICE_HOST`, `JETGATE_PORT=tcp://...`, `JETGATE_PORT_50051_TCP_ADDR` and the
/// like into every container of the namespace. Refusing those would keep the gateway from starting
/// in its own namespace, from the second rollout on.
fn is_service_link(name: &str, value: &str) -> bool {
    let has_url = value.contains("://");
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && has_url)
        || ["_TCP", "_UDP", "_SCTP"]
            .iter()
            .any(|protocol| has_port_before(name, protocol))
}

/// Whether `name` contains `_PORT_<digits><protocol>`.
fn has_port_before(name: &str, protocol: &str) -> bool {
    name.split("_PORT_").skip(1).any(|rest| {
        let port = rest.trim_start_matches(|character: char| character.is_ascii_digit());
        port.len() < rest.len() && port.starts_with(protocol)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_upper_case_with_underscores() {
        assert_eq!(variable("server.listen"), "JETGATE_SERVER_LISTEN");
        assert_eq!(variable("nats.tls-ca.file"), "JETGATE_NATS_TLS_CA_FILE");
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        for (name, value) in [
            ("PATH", "/bin"),
            ("NATS_URL", "nats://n1"),
            ("JETGATE_CONFIG", "/etc/jetgate.toml"),
            ("JETGATE_DEV_NATS_SERVER", "/opt/nats-server"),
            ("JETGATE_URL", "http://gateway:50051"),
            ("JETGATE_API_KEY", "jg_secret"),
            ("JETGATE_TEST_NATS_URL", "nats://n1"),
        ] {
            assert!(!sets_a_key(name, value), "{name}");
        }
    }

    #[test]
    fn service_links_of_kubernetes_are_left_alone() {
        for (name, value) in [
            ("JETGATE_SERVICE_HOST", "10.0.0.1"),
            ("JETGATE_SERVICE_PORT", "50051"),
            ("JETGATE_SERVICE_PORT_GRPC", "50051"),
            ("JETGATE_PORT", "tcp://10.0.0.1:50051"),
            ("JETGATE_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
            ("JETGATE_PORT_50051_TCP_PROTO", "tcp"),
            ("JETGATE_PORT_50051_TCP_PORT", "50051"),
            ("JETGATE_ADMIN_PORT_50052_TCP_ADDR", "10.0.0.2"),
        ] {
            assert!(!sets_a_key(name, value), "{name}");
        }
        assert!(sets_a_key("JETGATE_PORT", "50051"));
        assert!(sets_a_key("JETGATE_SERVER_LISTEN", "127.0.0.1:1"));
    }
}
