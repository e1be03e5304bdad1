//! Streams whose callers' credentials end.

use jetgate::proto::DrainingReason;
use jetgate::proto::subscribe_response::Event;
use tonic::Code;

use super::consume::Consume;
use super::consuming::Session;
use super::refused;

/// Both are told before (R9), and end UNAUTHENTICATED.
pub(crate) async fn end_with_credentials(consuming: &mut Consume, subscribed: &mut Session) {
    let draining = consuming.draining().await;
    assert_eq!(draining.reason(), DrainingReason::CredentialsExpire);
    let end = consuming.end().await;
    refused(end, Code::Unauthenticated, "UNAUTHENTICATED");
    while !matches!(subscribed.event().await, Event::Draining(_)) {}
    let end = Err::<(), _>(subscribed.end().await);
    refused(end, Code::Unauthenticated, "UNAUTHENTICATED");
}
