//! Whether a caller may publish a message, with everything that the message brings about.

use prost::Message as _;

use crate::auth::Access;
use crate::auth::policy::{Action, Ask};
use crate::error::Result;
use crate::proto::{PublishRequest, Rollup};
use crate::subscription::own;

/// What stands for a stream that the message does not name.
const UNNAMED: &str = "(name it by expect.stream)";

/// Refuses a message that the caller may not publish.
///
/// # Errors
///
/// `PERMISSION_DENIED`, or `MESSAGE_TOO_LARGE` for one that is larger than the caller's may be.
pub fn may_publish(access: &Access, message: &PublishRequest) -> Result<()> {
    if let Some(account) = access.account() {
        account.check_size(|| message.encoded_len() as u64)?;
    }
    if !access.is_limited() {
        return Ok(());
    }
    access.may(&Ask::publish(&message.subject))?;
    let expect = message.expect.as_ref();
    // Whether the condition holds tells of messages of that subject.
    if let Some(expect) = expect.filter(|it| !it.last_subject_sequence_subject.is_empty()) {
        access.may(&Ask::publish(&expect.last_subject_sequence_subject))?;
    }
    // JetStream keeps to the stream that is expected.
    let named = expect.map_or("", |it| it.stream.as_str());
    let stream = match named {
        "" => UNNAMED,
        stream => stream,
    };
    if message.rollup == Rollup::All as i32 {
        let purge = Ask::to(Action::PurgeStreams).stream(stream);
        access.may(&purge.subject(">"))?;
    }
    if let Some(schedule) = &message.schedule {
        access.may(&Ask::publish(&schedule.target))?;
        if !schedule.source.is_empty() {
            // The message that is produced has the payload of another.
            let reader = own::stem(access.owner());
            access.may(&Ask::consume(stream, &reader).subject(&schedule.source))?;
        }
    }
    Ok(())
}
