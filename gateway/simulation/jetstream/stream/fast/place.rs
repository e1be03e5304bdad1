//! What a reply subject says of a message: `<prefix>.<batch>.<flow>.<gap mode>.<number>.<operation>.$FI`.

/// The end of such a subject.
const SUFFIX: &str = ".$FI";

/// The place of a message in a fast batch.
#[derive(Clone, Debug)]
pub(in crate::simulation::jetstream::stream) struct Place {
    pub(super) batch: String,
    /// How many messages the client wants acknowledged together, at most.
    pub(super) flow: u64,
    pub(super) number: u64,
    pub(super) operation: Operation,
}

/// What is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// It begins the batch, or goes on with it.
    Append,
    /// It is the last one.
    Commit,
    /// It is none: the batch ends with the one before.
    End,
    /// It is none: what was acknowledged is said again.
    Ping,
}

impl Operation {
    /// Whether no message follows.
    pub(super) fn closes(self) -> bool {
        matches!(self, Self::Commit | Self::End)
    }
}

impl Place {
    /// `Err` where it is of a fast batch and makes no sense; `None` where it is of none.
    pub(in crate::simulation::jetstream::stream) fn read(reply: &str) -> Option<Result<Self, ()>> {
        let rest = reply.strip_suffix(SUFFIX)?;
        Some(Self::parse(rest).ok_or(()))
    }

    fn parse(rest: &str) -> Option<Self> {
        let mut tokens = rest.rsplit('.');
        let operation: u64 = tokens.next()?.parse().ok()?;
        let number: u64 = tokens.next()?.parse().ok()?;
        let _fail = tokens.next().filter(|mode| *mode == "fail")?;
        let flow = tokens.next()?.parse().unwrap_or(10);
        let batch = tokens.next()?.to_owned();
        let operation = match (operation, number) {
            (0, 1) => Operation::Append,
            (1, 2..) => Operation::Append,
            (2, 1..) => Operation::Commit,
            (3, 2..) => Operation::End,
            (4, 1..) => Operation::Ping,
            _ => return None,
        };
        Some(Self {
            batch,
            flow,
            number,
            operation,
        })
    }
}
