//! Ways in which JetStream, or a gateway in front of it, could break what it says: the checker must find each.

/// One in so many messages or deliveries is spoiled.
pub(super) const SPOILED: u32 = 6;

/// One of them. From its moment on it happens again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulation) enum Spoil {
    /// A message is answered as stored, and is not.
    AnswersWithoutStoring,
    /// A message is refused, and is stored.
    StoresWhatItRefuses,
    /// Message ids mean nothing.
    ForgetsIds,
    /// An answer names another sequence.
    MisnamesSequences,
    /// A message is answered as stored, and is stored later.
    StoresLate,
    /// Payloads change.
    Corrupts,
    /// A consumer leaves out messages.
    SkipsDeliveries,
    /// An acknowledgement is confirmed, and the message comes again.
    ForgetsAcknowledgements,
    /// Every delivery says that it is the first.
    MiscountsAttempts,
    /// A consumer delivers in another order.
    ShufflesDeliveries,
    /// A consumer delivers more often than it may.
    DeliversTooOften,
    /// A message of a fast batch counts as stored, and is not.
    CountsWithoutStoring,
    /// A fast batch goes on behind a message that never came.
    OverlooksGaps,
    /// What a message expects is not looked at.
    IgnoresExpectations,
    /// An atomic batch is stored but for its last message.
    TearsBatches,
}
