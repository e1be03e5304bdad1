//! Resume tokens: where a read of a stream stands, and all that any replica needs to go on with it.
//!
//! As ack tokens they are versioned, checksummed and unsigned: a token grants nothing that permission
//! to read its stream does not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::bytes::{Reader, Writer};

/// The first byte of every resume token of this layout; ack tokens begin with another.
const VERSION: u8 = 101;

/// Longer input is not looked at: two names of 255 bytes and the numbers fit easily.
const LONGEST: usize = 2_048;

/// A read that can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeToken {
    /// A fingerprint of the NATS account.
    pub account: u32,
    /// The stream.
    pub stream: String,
    /// When the stream was created: one made anew is another.
    pub created: Moment,
    /// A fingerprint of the filters.
    pub filters: u32,
    /// Where the read began.
    pub start: Start,
    /// How far it came, by the kind of its source.
    pub reached: Reached,
}

/// Where a read began. "New" and "last" are a sequence by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first message.
    All,
    /// At a sequence.
    Sequence(u64),
    /// At a time.
    Time(Moment),
    /// At the last message of each subject.
    LastPerSubject,
}

/// How far a read came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Without acknowledgements.
    Ordered {
        /// The last sequence passed; 0 is none.
        position: u64,
        /// The stream's last sequence when a read of the last message per subject began.
        snapshot_end: u64,
    },
    /// With a consumer of its own.
    Ephemeral {
        /// The consumer's name.
        consumer: String,
        /// A fingerprint of the consumer's creation time.
        incarnation: u32,
        /// Everything up to here is settled.
        ack_floor: u64,
    },
}

/// A time, as protobuf has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970.
    pub seconds: i64,
    /// The nanoseconds of the second.
    pub nanos: u32,
}

impl ResumeToken {
    /// The token as callers see it: base64 with the URL-safe alphabet, without padding.
    pub fn encode(&self) -> String {
        let mut out = Writer::new(VERSION);
        out.number(self.account.into());
        out.text(&self.stream);
        self.created.write(&mut out);
        out.number(self.filters.into());
        self.start.write(&mut out);
        self.reached.write(&mut out);
        URL_SAFE_NO_PAD.encode(out.finish())
    }

    /// Reads a token; `None` for anything that [`ResumeToken::encode`] did not make.
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let mut input = Reader::new(&bytes, VERSION)?;
        let token = Self {
            account: input.number()?.try_into().ok()?,
            stream: input.text()?.to_owned(),
            created: Moment::read(&mut input)?,
            filters: input.number()?.try_into().ok()?,
            start: Start::read(&mut input)?,
            reached: Reached::read(&mut input)?,
        };
        input.is_empty().then_some(token)
    }
}

impl Start {
    fn write(self, out: &mut Writer) {
        match self {
            Self::All => out.number(0),
            Self::Sequence(sequence) => {
                out.number(1);
                out.number(sequence);
            }
            Self::Time(time) => {
                out.number(2);
                time.write(out);
            }
            Self::LastPerSubject => out.number(3),
        }
    }

    fn read(input: &mut Reader<'_>) -> Option<Self> {
        Some(match input.number()? {
            0 => Self::All,
            1 => Self::Sequence(input.number()?),
            2 => Self::Time(Moment::read(input)?),
            3 => Self::LastPerSubject,
            _ => return None,
        })
    }
}

impl Reached {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Ordered {
                position,
                snapshot_end,
            } => {
                out.number(0);
                out.number(*position);
                out.number(*snapshot_end);
            }
            Self::Ephemeral {
                consumer,
                incarnation,
                ack_floor,
            } => {
                out.number(1);
                out.text(consumer);
                out.number((*incarnation).into());
                out.number(*ack_floor);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Option<Self> {
        Some(match input.number()? {
            0 => Self::Ordered {
                position: input.number()?,
                snapshot_end: input.number()?,
            },
            1 => Self::Ephemeral {
                consumer: input.text()?.to_owned(),
                incarnation: input.number()?.try_into().ok()?,
                ack_floor: input.number()?,
            },
            _ => return None,
        })
    }
}

impl Moment {
    /// Seconds before 1970 are rare; written as they are they take ten bytes.
    fn write(self, out: &mut Writer) {
        out.number(self.seconds.cast_unsigned());
        out.number(self.nanos.into());
    }

    fn read(input: &mut Reader<'_>) -> Option<Self> {
        let seconds = input.number()?.cast_signed();
        let nanos = input.number()?.try_into().ok()?;
        (nanos < 1_000_000_000).then_some(Self { seconds, nanos })
    }
}

impl From<prost_types::Timestamp> for Moment {
    fn from(time: prost_types::Timestamp) -> Self {
        Self {
            seconds: time.seconds,
            nanos: time.nanos.unsigned_abs(),
        }
    }
}

impl From<Moment> for prost_types::Timestamp {
    fn from(moment: Moment) -> Self {
        Self {
            seconds: moment.seconds,
            nanos: moment.nanos.cast_signed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::AckToken;
    use proptest::prelude::*;

    fn moments() -> impl Strategy<Value = Moment> {
        (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Moment { seconds, nanos })
    }

    fn starts() -> impl Strategy<Value = Start> {
        prop_oneof![
            Just(Start::All),
            any::<u64>().prop_map(Start::Sequence),
            moments().prop_map(Start::Time),
            Just(Start::LastPerSubject),
        ]
    }

    fn reached() -> impl Strategy<Value = Reached> {
        prop_oneof![
            any::<[u64; 2]>().prop_map(|[position, snapshot_end]| Reached::Ordered {
                position,
                snapshot_end
            }),
            ("[a-z0-9-]{1,64}", any::<u32>(), any::<u64>()).prop_map(
                |(consumer, incarnation, ack_floor)| Reached::Ephemeral {
                    consumer,
                    incarnation,
                    ack_floor
                }
            ),
        ]
    }

    prop_compose! {
        fn tokens()(
            stream in ".{0,255}",
            created in moments(),
            prints in any::<[u32; 2]>(),
            start in starts(),
            reached in reached(),
        ) -> ResumeToken {
            ResumeToken { account: prints[0], stream, created, filters: prints[1], start, reached }
        }
    }

    proptest! {
        #[test]
        fn survives_a_round_trip(token in tokens()) {
            prop_assert_eq!(ResumeToken::decode(&token.encode()), Some(token));
        }

        #[test]
        fn a_changed_character_is_noticed(token in tokens(), place in any::<proptest::sample::Index>()) {
            let text = token.encode();
            let place = place.index(text.len());
            let other = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
            let mut changed = text;
            changed.replace_range(place..=place, other);
            prop_assert_eq!(ResumeToken::decode(&changed), None);
        }

        #[test]
        fn nonsense_is_refused(text in ".*") {
            prop_assert_eq!(ResumeToken::decode(&text), None);
        }

        /// A caller that mixes up its tokens is told so.
        #[test]
        fn no_resume_token_is_an_ack_token(token in tokens()) {
            prop_assert_eq!(AckToken::decode(&token.encode()), None);
        }
    }
}
