//! The list of reasons that errors can have.

use jetgate::proto::{ErrorReason, ListErrorReasonsRequest, Retry, StatusCode};

use crate::support::Gateway;

#[tokio::test]
async fn lists_every_reason_even_while_nats_is_away() {
    // Nothing listens there.
    let gateway = Gateway::start_unready("nats://127.0.0.1:1", |_| ()).await;

    let answer = gateway
        .gateway()
        .list_error_reasons(ListErrorReasonsRequest {})
        .await;

    let reasons = answer.unwrap().into_inner().reasons;
    assert!(reasons.is_sorted_by_key(|it| it.reason));
    for it in &reasons {
        let name = it.reason().as_str_name();
        assert_eq!(name, format!("ERROR_REASON_{}", it.name));
        assert_ne!(it.code(), StatusCode::Unspecified, "{name}");
        assert_ne!(it.retry(), Retry::Unspecified, "{name}");
        assert!(it.description.ends_with('.'), "{name}: {}", it.description);
    }
    let unknown = reasons
        .iter()
        .find(|it| it.reason() == ErrorReason::PublishOutcomeUnknown)
        .unwrap();
    assert_eq!(unknown.code(), StatusCode::Unavailable);
    assert_eq!(unknown.retry(), Retry::WithSameId);
    assert!(unknown.description.starts_with("The connection to NATS"));
}
