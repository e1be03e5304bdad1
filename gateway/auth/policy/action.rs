//! What callers can be allowed to do, and the words for it.

/// The table of a rule that speaks of an action.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Area {
    /// Storing messages.
    Publish,
    /// Reading and settling messages.
    Consume,
    /// Streams, and the messages that they hold.
    Streams,
    /// Consumers.
    Consumers,
    /// Dead letters.
    DeadLetters,
    /// The gateway itself.
    Gateway,
}

/// Something that a caller does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Stores messages of a subject.
    Publish,
    /// Reads messages by a consumer, and settles them.
    Consume,
    /// Sees that a stream exists, its configuration and its state.
    ViewStreams,
    /// Reads and counts stored messages without a consumer.
    ReadStreams,
    /// Creates and changes streams.
    WriteStreams,
    /// Removes messages of a stream.
    PurgeStreams,
    /// Deletes streams.
    DeleteStreams,
    /// Makes streams that copy from other accounts and domains.
    ExternalStreams,
    /// Sees that a consumer exists, its configuration and its state.
    ViewConsumers,
    /// Creates and changes consumers.
    WriteConsumers,
    /// Deletes consumers.
    DeleteConsumers,
    /// Pauses, resumes, resets and unpins consumers.
    ControlConsumers,
    /// Reads dead letters.
    ViewDeadLetters,
    /// Publishes the messages of dead letters again.
    ReplayDeadLetters,
    /// Removes dead letters.
    PurgeDeadLetters,
    /// Asks how the gateway and its NATS server are.
    Info,
    /// Asks which services there are.
    Reflection,
    /// Asks whether the gateway serves.
    Health,
    /// Sees the sessions of other callers.
    ViewSessions,
    /// Ends sessions.
    TerminateSessions,
}

/// Every action, with its area and its word there; the areas of one action have none.
const ALL: [(Action, Area, &str); 20] = [
    (Action::Publish, Area::Publish, ""),
    (Action::Consume, Area::Consume, ""),
    (Action::ViewStreams, Area::Streams, "view"),
    (Action::ReadStreams, Area::Streams, "read"),
    (Action::WriteStreams, Area::Streams, "write"),
    (Action::PurgeStreams, Area::Streams, "purge"),
    (Action::DeleteStreams, Area::Streams, "delete"),
    (Action::ExternalStreams, Area::Streams, "external"),
    (Action::ViewConsumers, Area::Consumers, "view"),
    (Action::WriteConsumers, Area::Consumers, "write"),
    (Action::DeleteConsumers, Area::Consumers, "delete"),
    (Action::ControlConsumers, Area::Consumers, "control"),
    (Action::ViewDeadLetters, Area::DeadLetters, "view"),
    (Action::ReplayDeadLetters, Area::DeadLetters, "replay"),
    (Action::PurgeDeadLetters, Area::DeadLetters, "purge"),
    (Action::Info, Area::Gateway, "info"),
    (Action::Reflection, Area::Gateway, "reflection"),
    (Action::Health, Area::Gateway, "health"),
    (Action::ViewSessions, Area::Gateway, "view_sessions"),
    (
        Action::TerminateSessions,
        Area::Gateway,
        "terminate_sessions",
    ),
];

impl Action {
    /// Whether it changes streams, consumers, dead letters or sessions of others.
    pub fn administers(self) -> bool {
        matches!(
            self,
            Self::WriteStreams
                | Self::PurgeStreams
                | Self::DeleteStreams
                | Self::WriteConsumers
                | Self::DeleteConsumers
                | Self::ControlConsumers
                | Self::ReplayDeadLetters
                | Self::PurgeDeadLetters
                | Self::TerminateSessions
        )
    }
}

impl Area {
    /// Its key in a rule.
    pub fn key(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Consume => "consume",
            Self::Streams => "streams",
            Self::Consumers => "consumers",
            Self::DeadLetters => "dead_letters",
            Self::Gateway => "gateway",
        }
    }

    /// Its actions.
    pub fn actions(self) -> impl Iterator<Item = Action> {
        let own = ALL.into_iter().filter(move |(_, area, _)| *area == self);
        own.map(|(action, ..)| action)
    }

    /// The action that a word names here.
    pub fn action(self, word: &str) -> Option<Action> {
        self.actions().find(|action| action.word() == word)
    }

    /// The words for its actions.
    pub fn words(self) -> Vec<&'static str> {
        self.actions().map(Action::word).collect()
    }

    /// What follows from any other action on the same things: who may do something there, sees it.
    pub(super) fn implied(self) -> Option<Action> {
        match self {
            Self::Streams => Some(Action::ViewStreams),
            Self::Consumers => Some(Action::ViewConsumers),
            Self::DeadLetters => Some(Action::ViewDeadLetters),
            Self::Publish | Self::Consume | Self::Gateway => None,
        }
    }
}

impl Action {
    /// The area that it belongs to.
    pub fn area(self) -> Area {
        self.row().1
    }

    /// Its word in the area; empty where that has no other.
    pub fn word(self) -> &'static str {
        self.row().2
    }

    /// The permission that it needs, as errors name it: `publish`, `streams.view`.
    pub fn permission(self) -> String {
        let (_, area, word) = self.row();
        match word {
            "" => area.key().to_owned(),
            word => format!("{}.{word}", area.key()),
        }
    }

    fn row(self) -> (Self, Area, &'static str) {
        // Rows stand in the order of the actions.
        ALL[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_stands_in_its_row() {
        for (place, (action, area, word)) in ALL.into_iter().enumerate() {
            assert_eq!(action as usize, place);
            assert_eq!(area.action(word), Some(action));
        }
        assert_eq!(Action::ReadStreams.permission(), "streams.read");
        assert_eq!(Action::Publish.permission(), "publish");
    }
}
