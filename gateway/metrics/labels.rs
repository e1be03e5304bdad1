//! The values that labels can have.

use tonic::Code;

/// How publishing one message ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PublishOutcome {
    /// The stream accepted it.
    Stored,
    /// The stream held a message of its id already.
    Duplicate,
    /// One of the two: fast ingest does not say which of messages with ids.
    StoredOrDuplicate,
    /// It is not stored.
    Failed,
    /// It may be stored: nobody answered.
    Unknown,
}

/// What a caller said about a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SettlementKind {
    /// Processed.
    Ack,
    /// Deliver it again.
    Nak,
    /// Still at work.
    InProgress,
    /// Never deliver it again.
    Term,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SettlementOutcome {
    /// Sent, and no answer asked for.
    Sent,
    /// JetStream confirmed it.
    Confirmed,
    /// It was refused or could not be sent.
    Failed,
    /// A confirmation was asked for and did not come.
    Unknown,
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refusal {
    /// There are as many as there may be.
    Full,
    /// Its address has as many as one address may have.
    AddressFull,
    /// No TLS connection came about.
    Handshake,
    /// The client's certificate is not good, or missing.
    Certificate,
    /// It did not speak what is served, or not in time.
    Protocol,
    /// It came from a proxy that did not say, as it should, whose it is.
    ProxyHeader,
}

/// What memory is held for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MemoryKind {
    /// What publish streams have taken up and JetStream has not answered.
    PublishStreams,
    /// What pulls may bring, and what waits for callers.
    Deliveries,
    /// Requests that come or are worked on.
    Requests,
}

impl MemoryKind {
    pub(super) const ALL: [Self; 3] = [Self::PublishStreams, Self::Deliveries, Self::Requests];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::PublishStreams => "publish_streams",
            Self::Deliveries => "deliveries",
            Self::Requests => "requests",
        }
    }
}

/// Why a span did not reach its receiver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DroppedSpans {
    /// More were made than could be sent.
    QueueFull,
    /// The receiver stayed away.
    Unreachable,
    /// It did not want them.
    Rejected,
}

impl DroppedSpans {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Unreachable => "unreachable",
            Self::Rejected => "rejected",
        }
    }
}

impl Refusal {
    pub(super) const ALL: [Self; 6] = [
        Self::Full,
        Self::AddressFull,
        Self::Handshake,
        Self::Certificate,
        Self::Protocol,
        Self::ProxyHeader,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::AddressFull => "address_full",
            Self::Handshake => "handshake",
            Self::Certificate => "certificate",
            Self::Protocol => "protocol",
            Self::ProxyHeader => "proxy_header",
        }
    }

    /// Whether it could have been served at another time.
    pub(crate) fn is_of_limit(self) -> bool {
        matches!(self, Self::Full | Self::AddressFull)
    }
}

impl PublishOutcome {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::StoredOrDuplicate => "stored_or_duplicate",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl SettlementKind {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Nak => "nak",
            Self::InProgress => "in_progress",
            Self::Term => "term",
        }
    }
}

impl SettlementOutcome {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// The code's name as Go writes it, which is what dashboards for gRPC servers look for.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
