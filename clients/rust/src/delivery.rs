//! A message as it was delivered.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::wire::{ReceivedMessage, text};

/// A message as it was delivered.
///
/// Its payload shares the memory of the batch that it came in: copy what is kept for long.
#[derive(Clone, Debug)]
pub struct Delivery {
    raw: ReceivedMessage,
    source: Arc<Source>,
}

/// What delivered it.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) stream: String,
    pub(crate) consumer: String,
}

impl Delivery {
    pub(crate) fn new(raw: ReceivedMessage, source: &Arc<Source>) -> Self {
        Self {
            raw,
            source: Arc::clone(source),
        }
    }

    /// Where it was published.
    pub fn subject(&self) -> &str {
        text(&self.raw.subject)
    }

    /// What it says.
    pub fn payload(&self) -> &Bytes {
        &self.raw.data
    }

    /// What it says, as text; bytes that are none are replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.raw.data)
    }

    /// The headers that it was published with; a name may occur several times.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.raw.headers.iter().map(|header| {
            let value = match header.binary_value.is_empty() {
                true => &header.value,
                false => &header.binary_value,
            };
            (text(&header.name), &value[..])
        })
    }

    /// The first header of this name that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers().filter(|(each, _)| *each == name);
        all.find_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The stream that has it.
    pub fn stream(&self) -> &str {
        &self.source.stream
    }

    /// The consumer that delivered it.
    pub fn consumer(&self) -> &str {
        &self.source.consumer
    }

    /// Its place in the stream.
    pub fn sequence(&self) -> u64 {
        self.raw.stream_sequence
    }

    /// 1 for the first delivery by this consumer, 2 for the first repetition, and so on.
    pub fn attempt(&self) -> u32 {
        self.raw.delivery_attempt
    }

    /// The id that it was published with; empty without.
    pub fn message_id(&self) -> &str {
        text(&self.raw.message_id)
    }

    /// When it was stored.
    pub fn published_at(&self) -> SystemTime {
        let time = self.raw.publish_time.unwrap_or_default();
        let since = Duration::new(
            time.seconds.max(0).unsigned_abs(),
            time.nanos.max(0).unsigned_abs(),
        );
        SystemTime::UNIX_EPOCH + since
    }

    /// How many messages waited for the consumer after this one.
    pub fn pending(&self) -> u64 {
        self.raw.pending
    }
}
