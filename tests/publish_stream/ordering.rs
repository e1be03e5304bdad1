//! STRICT streams, and streams that halt behind a message that failed.

use jetgate::proto::{
    Expectation, PublishOnError, PublishOpen, PublishOrdering, PublishPath, PublishRequest,
};

use super::{into_orders, message, numbered, orders, payloads};
use crate::support::publishing::{Outcome, Publishing};
use crate::support::start_with_stream;

fn strict() -> PublishOpen {
    PublishOpen {
        ordering: PublishOrdering::Strict as i32,
        ..into_orders()
    }
}

/// A message that JetStream refuses.
fn refused(text: &str) -> PublishRequest {
    let expect = Expectation {
        last_sequence: Some(1_000_000),
        ..Expectation::default()
    };
    PublishRequest {
        expect: Some(expect.into()),
        ..message("orders.x", text)
    }
}

fn reasons(publishing: &Publishing) -> Vec<String> {
    publishing.outcomes.values().map(Outcome::reason).collect()
}

#[tokio::test]
async fn nothing_behind_a_failed_message_is_stored_until_the_caller_resumes() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, strict()).await;
    assert_eq!(publishing.opened.path(), PublishPath::OneInFlight);
    assert_eq!(publishing.opened.on_error(), PublishOnError::Halt);

    let mut messages = numbered(1..=5);
    messages[2] = refused("3");
    publishing.publish(1, messages).await;
    publishing.publish(6, numbered(6..=7)).await;
    publishing.answered(7).await;
    publishing.resume(3).await;
    publishing.publish(8, numbered(8..=9)).await;
    publishing.answered(9).await;

    let aborted = "PRECEDING_FAILED";
    assert_eq!(
        reasons(&publishing),
        [
            "",
            "",
            "WRONG_LAST_SEQUENCE",
            aborted,
            aborted,
            aborted,
            aborted,
            "",
            ""
        ]
    );
    let Outcome::Failed(status) = &publishing.outcomes[&7] else {
        panic!("7 was stored");
    };
    assert_eq!(status.metadata["failed_item"], "3");
    assert_eq!(payloads(&mut wire, "ORDERS").await, ["1", "2", "8", "9"]);
}

#[tokio::test]
async fn a_message_that_is_wrong_by_itself_halts_as_well() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let mut publishing = Publishing::open(&gateway, strict()).await;

    let messages = vec![
        message("orders.x", "1"),
        message("a b", "2"),
        message("orders.x", "3"),
    ];
    publishing.publish(1, messages).await;
    publishing.answered(3).await;

    assert_eq!(
        reasons(&publishing),
        ["", "INVALID_REQUEST", "PRECEDING_FAILED"]
    );
    assert_eq!(payloads(&mut wire, "ORDERS").await, ["1"]);
}

#[tokio::test]
async fn a_strict_stream_can_go_on_behind_definite_failures() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let open = PublishOpen {
        on_error: PublishOnError::Continue as i32,
        ..strict()
    };
    let mut publishing = Publishing::open(&gateway, open).await;

    publishing
        .publish(
            1,
            vec![
                message("orders.x", "1"),
                refused("2"),
                message("orders.x", "3"),
            ],
        )
        .await;
    publishing.answered(3).await;

    assert_eq!(reasons(&publishing), ["", "WRONG_LAST_SEQUENCE", ""]);
    assert_eq!(payloads(&mut wire, "ORDERS").await, ["1", "3"]);
}

#[tokio::test]
async fn without_order_a_failure_halts_what_was_not_sent_yet() {
    let (_nats, gateway, mut wire) = start_with_stream(orders()).await;
    let open = PublishOpen {
        on_error: PublishOnError::Halt as i32,
        ..into_orders()
    };
    let mut publishing = Publishing::open(&gateway, open).await;

    publishing.publish(1, vec![refused("1")]).await;
    publishing.answered(1).await;
    publishing.publish(2, numbered(2..=3)).await;
    publishing.answered(3).await;
    publishing.resume(1).await;
    publishing.publish(4, numbered(4..=4)).await;
    publishing.answered(4).await;

    let aborted = "PRECEDING_FAILED";
    assert_eq!(
        reasons(&publishing),
        ["WRONG_LAST_SEQUENCE", aborted, aborted, ""]
    );
    assert_eq!(payloads(&mut wire, "ORDERS").await, ["4"]);
}
