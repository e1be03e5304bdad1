//! Messages that bring a trace of their own, by every way in and out.

use jetgate::proto::{
    AckKind, Expectation, PublishAckMode, PublishBatchMode, PublishBatchRequest, PublishOnError,
    PublishOpen, PublishOrdering, PublishPath,
};

use super::*;
use crate::support::consume::{Consume, open};
use crate::support::consuming::settle;
use crate::support::publishing::Publishing;

/// A receiver and a gateway before a stream.
async fn start() -> (NatsServer, Wire, OtlpReceiver, Gateway) {
    let (nats, wire) = start_nats().await;
    let receiver = OtlpReceiver::start().await;
    let gateway = start_gateway(&nats, &receiver, "a").await;
    (nats, wire, receiver, gateway)
}

/// Asserts that the message has a span whose parent is its maker's.
#[track_caller]
fn is_sent(spans: &[ReceivedSpan]) -> &ReceivedSpan {
    let sent = one(spans, SpanKind::Producer);
    assert_eq!(sent.span.parent_span_id, CALLER.to_be_bytes());
    assert!(!is_fault(&sent.span));
    sent
}

#[tokio::test]
async fn a_message_keeps_its_own_trace_in_a_call_of_another() {
    let (_nats, mut wire, receiver, gateway) = start().await;
    let request = traced(traced_order(7, true), 8, true);
    gateway.publisher().publish(request).await.unwrap();

    // It still names who made it.
    assert_eq!(
        wire.stored(STREAM, 1).await.header("traceparent"),
        [parent(7, true)]
    );
    let call = receiver.trace(8, 1).await.remove(0);
    let spans = receiver.trace(7, 1).await;
    assert_eq!(is_sent(&spans).span.links[0].span_id, call.span.span_id);
}

#[tokio::test]
async fn a_batch_has_spans_for_messages_with_a_trace_and_gives_the_others_its_own() {
    let (_nats, mut wire, receiver, gateway) = start().await;
    for (round, mode) in [
        PublishBatchMode::Independent,
        PublishBatchMode::OrderedStopOnError,
        PublishBatchMode::Atomic,
    ]
    .into_iter()
    .enumerate()
    {
        let (trace, call) = (100 + round as u128, 200 + round as u128);
        let request = PublishBatchRequest {
            messages: vec![order(), traced_order(trace, true), order()],
            mode: mode as i32,
            ..PublishBatchRequest::default()
        };
        let answer = gateway
            .publisher()
            .publish_batch(traced(request, call, true))
            .await;
        assert_eq!(answer.unwrap().into_inner().failed_count, 0);

        let first = 1 + 3 * round as u64;
        let server = receiver.trace(call, 1).await.remove(0);
        let sent = receiver.trace(trace, 1).await;
        assert_eq!(
            is_sent(&sent).attribute("messaging.nats.stream").as_deref(),
            Some(STREAM)
        );
        for (sequence, own) in [(first, false), (first + 1, true), (first + 2, false)] {
            let stored = wire.stored(STREAM, sequence).await;
            let carried = stored.header("traceparent");
            match own {
                true => assert_eq!(carried, [parent(trace, true)]),
                false => assert_eq!(span_id(carried[0]), server.span.span_id, "{mode:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_message_of_a_batch_that_fails_says_why() {
    let (_nats, _wire, receiver, gateway) = start().await;
    let nowhere = PublishRequest {
        subject: "nowhere".to_owned(),
        ..traced_order(8, true)
    };
    let request = PublishBatchRequest {
        messages: vec![traced_order(7, true), nowhere, traced_order(9, true)],
        mode: PublishBatchMode::OrderedStopOnError as i32,
        ..PublishBatchRequest::default()
    };
    let answer = gateway.publisher().publish_batch(request).await.unwrap();
    assert_eq!(answer.into_inner().failed_count, 2);

    is_sent(&receiver.trace(7, 1).await);
    for (trace, reason) in [(8, "NO_STREAM_FOR_SUBJECT"), (9, "PRECEDING_FAILED")] {
        let failed = receiver.trace(trace, 1).await.remove(0);
        assert_eq!(failed.attribute("error.type").as_deref(), Some(reason));
        assert!(is_fault(&failed.span));
    }
}

#[tokio::test]
async fn a_publish_stream_has_spans_for_messages_with_a_trace_alone() {
    let (_nats, mut wire, receiver, gateway) = start().await;
    let ways = [
        (PublishAckMode::PerMessage, PublishOrdering::None),
        (PublishAckMode::PerMessage, PublishOrdering::Strict),
        (PublishAckMode::Cumulative, PublishOrdering::None),
    ];
    for (round, (ack_mode, ordering)) in ways.into_iter().enumerate() {
        let open = PublishOpen {
            stream: STREAM.to_owned(),
            ack_mode: ack_mode as i32,
            ordering: ordering as i32,
            ..PublishOpen::default()
        };
        let mut stream = Publishing::open(&gateway, open).await;
        let trace = 100 * (1 + round as u128);
        let messages = vec![
            order(),
            traced_order(trace, true),
            traced_order(trace + 1, false),
            traced_order(trace + 2, true),
        ];
        stream.publish(1, messages).await;
        stream.settled(4).await;

        is_sent(&receiver.trace(trace, 1).await);
        is_sent(&receiver.trace(trace + 2, 1).await);
        let first = 1 + 4 * round as u64;
        assert!(
            wire.stored(STREAM, first)
                .await
                .header("traceparent")
                .is_empty()
        );
        for (offset, sampled) in [(1, true), (2, false), (3, true)] {
            let stored = wire.stored(STREAM, first + offset).await;
            let trace = trace + u128::from(offset) - 1;
            assert_eq!(stored.header("traceparent"), [parent(trace, sampled)]);
        }
    }
    assert_eq!(receiver.spans().len(), 2 * ways.len());
}

#[tokio::test]
async fn messages_that_fail_in_a_publish_stream_say_why() {
    let (_nats, _wire, receiver, gateway) = start().await;
    let mut stream = Publishing::open(&gateway, PublishOpen::default()).await;
    let nowhere = PublishRequest {
        subject: "nowhere".to_owned(),
        ..traced_order(7, true)
    };
    stream
        .publish(1, vec![nowhere, traced_order(8, true)])
        .await;
    stream.answered(2).await;

    let failed = receiver.trace(7, 1).await.remove(0);
    assert_eq!(
        failed.attribute("error.type").as_deref(),
        Some("NO_STREAM_FOR_SUBJECT")
    );
    is_sent(&receiver.trace(8, 1).await);
}

#[tokio::test]
async fn messages_of_a_fast_batch_say_what_became_of_each() {
    let (_nats, mut wire, receiver, gateway) = start().await;
    let fast = json!({ "name": "FAST", "subjects": ["fast"], "allow_batched": true });
    wire.create_stream(fast).await;
    let open = PublishOpen {
        stream: "FAST".to_owned(),
        ack_mode: PublishAckMode::Cumulative as i32,
        ordering: PublishOrdering::Strict as i32,
        on_error: PublishOnError::Halt as i32,
        ..PublishOpen::default()
    };
    let mut stream = Publishing::open(&gateway, open).await;
    assert_eq!(stream.opened.path(), PublishPath::FastIngest);
    let fast = |trace| PublishRequest {
        subject: "fast".to_owned(),
        ..traced_order(trace, true)
    };
    let condition = Expectation {
        last_sequence: Some(1_000),
        ..Expectation::default()
    };
    let refused = PublishRequest {
        expect: Some(condition.into()),
        ..fast(8)
    };
    stream.publish(1, vec![fast(7), refused, fast(9)]).await;
    stream.settled(3).await;

    is_sent(&receiver.trace(7, 1).await);
    for (trace, why) in [(8, "WRONG_LAST_SEQUENCE"), (9, "PRECEDING_FAILED")] {
        let failed = receiver.trace(trace, 1).await.remove(0);
        assert_eq!(failed.attribute("error.type").as_deref(), Some(why));
    }
}

#[tokio::test]
async fn every_delivery_has_a_span_with_its_attempt() {
    let (_nats, _wire, receiver, gateway) = start().await;
    gateway
        .publisher()
        .publish(traced_order(7, true))
        .await
        .unwrap();

    let messages = fetched(&gateway, fetch(1)).await;
    settle(&gateway, AckKind::Nak, &messages).await;
    let mut consume = Consume::open(&gateway, open()).await;
    let messages = consume.messages(1).await;
    consume.half_close();
    consume.end().await.unwrap();
    // A caller that leaves gives back what it holds.
    let mut session = Session::open(&gateway, subscribe()).await;
    assert_eq!(
        session.messages(1).await[0].stream_sequence,
        messages[0].stream_sequence
    );

    let spans = receiver.trace(7, 4).await;
    let delivered = spans
        .iter()
        .filter(|it| it.span.kind == SpanKind::Consumer as i32);
    let attempts: Vec<_> = delivered
        .map(|it| {
            assert_eq!(it.span.parent_span_id, CALLER.to_be_bytes());
            it.attribute("messaging.nats.delivery_attempt").unwrap()
        })
        .collect();
    assert_eq!(attempts, ["1", "2", "3"]);
}
