//! What `jetgate dev` says when it is ready: commands to paste.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
};

use crate::{cli::reachable, nats::config::ServerUrls};

/// What each command does, its method and its request.
const STEPS: [(&str, &str, &str); 6] = [
    (
        "create a stream",
        "StreamService/CreateStream",
        r#"{"config":{"name":"USER_EVENTS","subjects":["users.*","users.*.events"]}}"#,
    ),
    (
        "publish a message",
        "PublisherService/Publish",
        r#"{"subject":"users.registration","json":{"user":"ada"}}"#,
    ),
    (
        "create a consumer",
        "ConsumerService/CreateConsumer",
        r#"{"stream":"USER_EVENTS","config":{"durable_name":"user-event-processor"}}"#,
    ),
    (
        "fetch messages, waiting up to 5 s for ten",
        "SubscriberService/Fetch",
        r#"{"stream":"USER_EVENTS","consumer":"user-event-processor","batch":10,"max_wait":"5s","payload_format":"PAYLOAD_FORMAT_TEXT"}"#,
    ),
    (
        "acknowledge one within 30 s, by the ackToken that came with it",
        "SubscriberService/Acknowledge",
        r#"{"acknowledgements":[{"ack_token":"...","kind":"ACK_KIND_ACK"}]}"#,
    ),
    (
        "receive what comes, until Ctrl-C",
        "SubscriberService/Subscribe",
        r#"{"stream":"USER_EVENTS","consumer":"user-event-processor","payload_format":"PAYLOAD_FORMAT_TEXT"}"#,
    ),
];

/// Prints where everything is, and commands that show what it does.
///
/// # Errors
///
/// When stdout cannot be written to.
pub fn print_welcome(
    public: SocketAddr,
    admin: SocketAddr,
    console: Option<String>,
    nats_url: &ServerUrls,
    store_dir: Option<&Path>,
) -> io::Result<()> {
    let text = welcome(
        reachable(public),
        reachable(admin),
        console,
        nats_url,
        store_dir,
    );
    io::stdout().lock().write_all(text.as_bytes())
}

fn welcome(
    public: SocketAddr,
    admin: SocketAddr,
    console: Option<String>,
    nats_url: &ServerUrls,
    store_dir: Option<&Path>,
) -> String {
    let mut text = format!(
        "\njetgate is ready, Ctrl-C ends it.\n\n  \
         gRPC     {public}\n  \
         admin    http://{admin}/readyz, /livez, /metrics\n  \
         nats     {nats_url}\n"
    );
    if let Some(console) = console {
        text += &format!("  console  {console}\n");
    }
    if let Some(store_dir) = store_dir {
        let store_dir = store_dir.display();
        text += &format!("  store    {store_dir} (delete it to begin anew)\n");
    }
    text +=
        "\nTry it in another terminal, with grpcurl (https://github.com/fullstorydev/grpcurl):\n";
    for (what, method, request) in STEPS {
        // Writing to a string cannot fail.
        let _written = write!(
            text,
            "\n  # {what}\n  grpcurl -plaintext -d '{request}' {public} jetgate.v1.{method}\n"
        );
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        let public = SocketAddr::from(([127, 0, 0, 1], 1));
        let text = welcome(
            public,
            public,
            None,
            &ServerUrls::default(),
            Some(Path::new("/store")),
        );

        let publish = "  grpcurl -plaintext -d '{\"subject\":\"users.registration\",\
                       \"json\":{\"user\":\"ada\"}}' 127.0.0.1:1 jetgate.v1.PublisherService/Publish\n";
        assert!(text.contains(publish), "{text}");
        assert_eq!(text.matches("grpcurl -plaintext").count(), STEPS.len());
    }

    #[test]
    fn requests_are_json_without_single_quotes() {
        for (_, _, request) in STEPS {
            assert!(
                serde_json::from_str::<serde_json::Value>(request).is_ok(),
                "{request}"
            );
            assert!(!request.contains('\''), "{request}");
        }
    }
}
