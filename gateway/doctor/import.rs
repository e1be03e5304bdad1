//! JetStream of another account: whether acknowledgements reach it as well as requests.

use super::asking::ask;
use super::finding::Findings;
use crate::config::Config;
use crate::deadline::Deadline;
use crate::names::{ConsumerName, StreamName};
use crate::nats::api::{AckPolicy, ConsumerPage, StreamInfo};
use crate::nats::{Link, RequestError};

const CHECK: &str = "import";

const ACKS: &str = "$JS.ACK.>";

/// Tries an acknowledgement of a delivery that there is not.
pub(super) async fn examine(
    findings: &mut Findings,
    link: &Link,
    config: &Config,
    streams: &[StreamInfo],
) {
    if config.nats.api_prefix.is_none() {
        return;
    }
    let fix = "import \"$JS.ACK.>\" under its own name, as deploy/nats/api-prefix.conf does";
    let Some((stream, consumer)) = some_consumer(link, config, streams).await else {
        let text = "there is no consumer that would show whether acknowledgements arrive";
        return findings.note(CHECK, ACKS, text, fix);
    };
    let deadline = Deadline::within(config.nats.request_timeout);
    match link.try_acks(&stream, &consumer, deadline).await {
        Ok(()) => findings.ok(CHECK, ACKS, "acknowledgements arrive in the other account"),
        Err(RequestError::NoResponders) => {
            let text = "acknowledgements reach nobody, so the gateway lets nobody consume";
            findings.fault(CHECK, ACKS, text, fix);
        }
        // The NATS user may not, or the consumer moves.
        Err(_) => {
            let text = "it cannot be seen whether acknowledgements arrive";
            findings.note(CHECK, ACKS, text, fix);
        }
    }
}

/// A consumer with acknowledgements.
async fn some_consumer(
    link: &Link,
    config: &Config,
    streams: &[StreamInfo],
) -> Option<(StreamName, ConsumerName)> {
    for stream in streams.iter().filter(|it| it.state.consumer_count > 0) {
        let name = &stream.config.name;
        let subject = format!("{}.CONSUMER.LIST.{name}", config.nats.api_prefix());
        let asked = ask(link, &subject, "", config.nats.request_timeout).await;
        let Ok::<ConsumerPage, _>(page) = asked else {
            continue;
        };
        let mut consumers = page.consumers.iter();
        if let Some(found) = consumers.find(|it| it.config.ack_policy != AckPolicy::None) {
            let stream = StreamName::parse("stream", name).ok()?;
            return Some((stream, ConsumerName::parse("consumer", &found.name).ok()?));
        }
    }
    None
}
