//! Where a read begins: fixed when it begins, so that a consumer made anew misses nothing that came in
//! between.

use crate::deadline::Deadline;
use crate::error::{Reason, Result};
use crate::names::StreamName;
use crate::nats::Nats;
use crate::nats::api::{ConsumerConfig, DeliverPolicy, GetMessage, StreamInfo};
use crate::token::Start;

/// Makes "new" and "last" the sequences that they are now.
pub(super) async fn fix(
    config: &mut ConsumerConfig,
    nats: &Nats,
    name: &StreamName,
    stream: &StreamInfo,
    deadline: Deadline,
) -> Result<()> {
    let behind = stream.state.last_seq + 1;
    let first = match config.deliver_policy {
        DeliverPolicy::New => Some(behind),
        DeliverPolicy::Last => last(config, nats, name, behind, deadline).await?,
        _ => None,
    };
    if let Some(first) = first {
        apply(config, Start::Sequence(first));
    }
    Ok(())
}

/// The last message that matches; without one, the first that comes. `None` where the NATS user may not
/// ask: then a consumer made anew before its first message begins at the last of that moment.
async fn last(
    config: &ConsumerConfig,
    nats: &Nats,
    name: &StreamName,
    behind: u64,
    deadline: Deadline,
) -> Result<Option<u64>> {
    let mut last = 0;
    let everything = config.filters().next().is_none().then_some(">");
    for filter in config.filters().chain(everything) {
        let request = GetMessage {
            last_by_subj: filter.to_owned(),
            ..GetMessage::default()
        };
        match nats.stored_message(name, &request, deadline).await {
            Ok(message) => last = last.max(message.sequence),
            Err(error) if error.reason() == Reason::MessageNotFound => {}
            Err(error) if error.reason() == Reason::NatsPermissionDenied => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(if last == 0 { behind } else { last }))
}

/// Where a consumer with this configuration begins; `None` where that differs from moment to moment.
pub(super) fn of(config: &ConsumerConfig) -> Option<Start> {
    match config.deliver_policy {
        DeliverPolicy::All => Some(Start::All),
        DeliverPolicy::ByStartSequence => Some(Start::Sequence(config.opt_start_seq)),
        DeliverPolicy::ByStartTime => Some(Start::Time(config.opt_start_time?.into())),
        DeliverPolicy::LastPerSubject => Some(Start::LastPerSubject),
        DeliverPolicy::Last | DeliverPolicy::New | DeliverPolicy::Other(_) => None,
    }
}

/// Lets a consumer begin there.
pub(super) fn apply(config: &mut ConsumerConfig, start: Start) {
    (config.opt_start_seq, config.opt_start_time) = (0, None);
    config.deliver_policy = match start {
        Start::All => DeliverPolicy::All,
        Start::LastPerSubject => DeliverPolicy::LastPerSubject,
        Start::Sequence(sequence) => {
            config.opt_start_seq = sequence;
            DeliverPolicy::ByStartSequence
        }
        Start::Time(time) => {
            config.opt_start_time = Some(time.into());
            DeliverPolicy::ByStartTime
        }
    };
    // JetStream wants to be told that the last message of every subject is meant.
    if start == Start::LastPerSubject && config.filters().next().is_none() {
        config.filter_subjects.push(">".to_owned());
    }
}
