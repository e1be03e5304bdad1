//! Consumers of one session: their configuration, but for the name, which is the gateway's choice.

use super::to_api;
use crate::error::Result;
use crate::nats::api;
use crate::proto;

/// What stands for the name until there is one.
const NAMELESS: &str = "ephemeral";

/// What the consumer is to be created with. Errors name the fields of [`proto::EphemeralConsumer`].
pub fn ephemeral_config(ephemeral: &proto::EphemeralConsumer) -> Result<api::ConsumerConfig> {
    let described = ephemeral.clone();
    let config = proto::ConsumerConfig {
        name: NAMELESS.to_owned(),
        filter_subjects: described.filter_subjects,
        deliver_policy: described.deliver_policy,
        opt_start_seq: described.opt_start_seq,
        opt_start_time: described.opt_start_time,
        replay_policy: described.replay_policy,
        headers_only: described.headers_only,
        ack_policy: described.ack_policy,
        ack_wait: described.ack_wait,
        max_deliver: described.max_deliver,
        backoff: described.backoff,
        max_ack_pending: described.max_ack_pending,
        inactive_threshold: described.inactive_threshold,
        num_replicas: described.num_replicas,
        mem_storage: described.mem_storage,
        metadata: described.metadata,
        ..proto::ConsumerConfig::default()
    };
    let mut config = to_api(Some(&config)).map_err(|error| error.renamed("config.", ""))?;
    // JetStream wants to be told that the last message of every subject is meant.
    if config.deliver_policy == api::DeliverPolicy::LastPerSubject
        && config.filters().next().is_none()
    {
        config.filter_subjects.push(">".to_owned());
    }
    Ok(config)
}
