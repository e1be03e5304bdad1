//! Sessions in priority groups: who gets the messages, and what the others say.

use std::time::Duration;

use jetgate::proto::{
    FetchRequest, OrderedConsumer, PriorityOptions, PriorityPolicy, StallReason, SubscribeRequest,
    UnpinConsumerRequest,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, create_consumer, fetch, fetched, nanoseconds, sequences,
    start_with_consumer, store_many, subscribe, subscribe_ordered, subscribe_window, time,
};
use crate::support::{
    Gateway, NatsServer, SOON, Toxic, Wire, eventually, metadata, refused, violated_field,
};

async fn start(policy: &str) -> (NatsServer, Gateway, Wire) {
    start_with_consumer(groups(policy)).await
}

fn groups(policy: &str) -> Value {
    json!({ "priority_policy": policy, "priority_groups": ["jobs"] })
}

fn within(request: SubscribeRequest, options: PriorityOptions) -> SubscribeRequest {
    SubscribeRequest {
        priority: Some(options),
        ..request
    }
}

fn jobs() -> PriorityOptions {
    PriorityOptions {
        group: "jobs".to_owned(),
        ..PriorityOptions::default()
    }
}

#[tokio::test]
async fn the_pinned_session_gets_the_messages_and_another_when_it_ends() {
    let (_nats, gateway, mut wire) = start("pinned_client").await;
    store_many(&mut wire, 1).await;
    let mut first = Session::open(&gateway, within(subscribe(), jobs())).await;
    let place = first.opened.priority.clone().unwrap();
    assert_eq!(place.group, "jobs");
    assert_eq!(place.policy(), PriorityPolicy::PinnedClient);
    assert!(!place.pinned_elsewhere);
    let messages = first.messages(1).await;
    // The pin is between the gateway and JetStream.
    assert_eq!(messages[0].headers, []);
    ack(&gateway, &messages).await;

    // Where the consumer has one group it need not be named.
    let mut second = Session::open(&gateway, subscribe()).await;
    assert!(second.opened.priority.as_ref().unwrap().pinned_elsewhere);
    second.stalled_by(StallReason::NotPinned).await;
    store_many(&mut wire, 20).await;
    let messages = first.messages(20).await;
    ack(&gateway, &messages).await;
    second.stalled_by(StallReason::NotPinned).await;

    // Well before the two minutes for which a pin lasts.
    drop(first);
    store_many(&mut wire, 1).await;
    let messages = second.messages(1).await;
    ack(&gateway, &messages).await;
}

#[tokio::test]
async fn unpinning_moves_the_messages_to_another_session() {
    let (_nats, gateway, mut wire) = start("pinned_client").await;
    store_many(&mut wire, 1).await;
    let mut first = Session::open(&gateway, subscribe()).await;
    ack(&gateway, &first.messages(1).await).await;
    let mut second = Session::open(&gateway, subscribe()).await;
    second.stalled_by(StallReason::NotPinned).await;

    let request = UnpinConsumerRequest {
        stream: STREAM.to_owned(),
        consumer: CONSUMER.to_owned(),
        group: "jobs".to_owned(),
    };
    gateway.consumers().unpin_consumer(request).await.unwrap();
    store_many(&mut wire, 3).await;

    let messages = second.messages(3).await;
    assert_eq!(sequences(&messages), [2, 3, 4]);
    ack(&gateway, &messages).await;
    // The other learns by 423 that its pin is gone, and stays.
    first.stalled_by(StallReason::NotPinned).await;
    drop(second);
    store_many(&mut wire, 1).await;
    assert_eq!(sequences(&first.messages(1).await), [5]);
}

#[tokio::test]
async fn a_session_that_does_not_pull_loses_its_pin() {
    let mut settings = groups("pinned_client");
    settings["priority_timeout"] = json!(nanoseconds(3));
    let (_nats, gateway, mut wire) = start_with_consumer(settings).await;
    store_many(&mut wire, 1).await;
    let mut first = Session::open(&gateway, subscribe_window(1)).await;
    let held = first.messages(1).await;
    let mut second = Session::open(&gateway, subscribe()).await;
    store_many(&mut wire, 2).await;

    // The first has no room, so the second takes its place.
    ack(&gateway, &second.messages(2).await).await;
    ack(&gateway, &held).await;
    first.stalled_by(StallReason::NotPinned).await;
    // While it pulls it keeps the pin, for longer than that time.
    for _ in 0..5 {
        let heartbeat = second.informed_heartbeat().await;
        assert_eq!(heartbeat.stall_reason(), StallReason::NoMessages);
    }
    store_many(&mut wire, 1).await;
    assert_eq!(sequences(&second.messages(1).await), [4]);
}

#[tokio::test]
async fn a_pin_outlives_the_connection() {
    let nats = NatsServer::start().await;
    let toxic = Toxic::start(nats.address()).await;
    let near = Gateway::start(&nats.url()).await;
    let far = Gateway::start(&format!("nats://{}", toxic.address())).await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, groups("pinned_client")).await;
    store_many(&mut wire, 1).await;
    let mut pinned = Session::open(&far, subscribe()).await;
    ack(&far, &pinned.messages(1).await).await;
    let mut other = Session::open(&near, subscribe()).await;
    other.stalled_by(StallReason::NotPinned).await;

    toxic.cut();
    pinned.stalled_by(StallReason::NatsDisconnected).await;
    store_many(&mut wire, 2).await;
    toxic.restore();

    // Without its id it would wait for two minutes.
    assert_eq!(sequences(&pinned.messages(2).await), [2, 3]);
    other.stalled_by(StallReason::NotPinned).await;
}

#[tokio::test]
async fn overflow_comes_only_while_enough_waits() {
    let (_nats, gateway, mut wire) = start("overflow").await;
    let options = PriorityOptions {
        min_pending: 3,
        ..jobs()
    };
    let mut session = Session::open(&gateway, within(subscribe_window(1), options)).await;
    session.stalled_by(StallReason::NoMessages).await;
    store_many(&mut wire, 2).await;
    session.stalled_by(StallReason::BelowOverflow).await;

    store_many(&mut wire, 1).await;
    let messages = session.messages(1).await;
    assert_eq!(sequences(&messages), [1]);
    ack(&gateway, &messages).await;
    session.stalled_by(StallReason::BelowOverflow).await;
}

#[tokio::test]
async fn overflow_comes_while_enough_is_unsettled() {
    let (_nats, gateway, mut wire) = start("overflow").await;
    store_many(&mut wire, 2).await;
    // Without minimums a session gets whatever there is.
    let mut first = Session::open(&gateway, subscribe_window(1)).await;
    let held = first.messages(1).await;
    let options = PriorityOptions {
        min_ack_pending: 2,
        ..jobs()
    };
    let mut second = Session::open(&gateway, within(subscribe_window(1), options)).await;
    second.stalled_by(StallReason::BelowOverflow).await;

    ack(&gateway, &held).await;
    assert_eq!(sequences(&first.messages(1).await), [2]);
}

#[tokio::test]
async fn the_best_priority_that_pulls_gets_the_messages() {
    let (_nats, gateway, mut wire) = start("prioritized").await;
    let options = PriorityOptions {
        priority: 5,
        ..jobs()
    };
    let mut second = Session::open(&gateway, within(subscribe(), options)).await;
    let mut first = Session::open(&gateway, within(subscribe_window(3), jobs())).await;
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_waiting"] == 2).then_some(())
    })
    .await;
    store_many(&mut wire, 5).await;

    // The better one first, as far as it has room.
    assert_eq!(sequences(&first.messages(3).await), [1, 2, 3]);
    assert_eq!(sequences(&second.messages(2).await), [4, 5]);
}

#[tokio::test]
async fn refuses_what_does_not_go_with_the_consumer() {
    let (_nats, gateway, mut wire) = start("pinned_client").await;
    let several = json!({
        "durable_name": "several", "ack_policy": "explicit",
        "priority_policy": "overflow", "priority_groups": ["a", "b"],
    });
    wire.create_consumer(STREAM, several).await;
    let plain = json!({ "durable_name": "plain", "ack_policy": "explicit" });
    wire.create_consumer(STREAM, plain).await;
    let at = |consumer: &str, options: PriorityOptions| {
        let source = jetgate::proto::subscribe_request::Source::Consumer(consumer.to_owned());
        SubscribeRequest {
            source: Some(source),
            priority: Some(options),
            ..subscribe()
        }
    };
    let other = PriorityOptions {
        group: "other".to_owned(),
        ..PriorityOptions::default()
    };
    let minimum = PriorityOptions {
        min_pending: 1,
        ..PriorityOptions::default()
    };
    let priority = PriorityOptions {
        priority: 1,
        ..PriorityOptions::default()
    };
    for request in [
        at("plain", PriorityOptions::default()),
        at("several", PriorityOptions::default()),
        at(CONSUMER, other),
        at(CONSUMER, minimum),
        at(CONSUMER, priority),
    ] {
        let answer = gateway.subscriber().subscribe(request).await;
        let status = refused(
            answer.map(|_| ()),
            Code::FailedPrecondition,
            "PRIORITY_MISMATCH",
        );
        assert!(metadata(&status, "priority_policy").is_some());
    }

    let too_low = PriorityOptions {
        priority: 10,
        ..jobs()
    };
    let bad_name = PriorityOptions {
        group: "a b".to_owned(),
        ..PriorityOptions::default()
    };
    let pin = PriorityOptions {
        pin_id: "x".to_owned(),
        ..jobs()
    };
    for (request, field) in [
        (at(CONSUMER, too_low), "priority.priority"),
        (at(CONSUMER, bad_name), "priority.group"),
        (at(CONSUMER, pin), "priority.pin_id"),
        (
            within(subscribe_ordered(OrderedConsumer::default()), jobs()),
            "priority",
        ),
    ] {
        let answer = gateway.subscriber().subscribe(request).await;
        let status = refused(answer.map(|_| ()), Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field);
    }
}

#[tokio::test]
async fn a_fetch_stays_pinned_by_the_id_of_the_last() {
    let (_nats, gateway, mut wire) = start("pinned_client").await;
    store_many(&mut wire, 6).await;
    let answer = gateway.subscriber().fetch(fetch(2)).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!(sequences(&answer.messages), [1, 2]);
    assert!(!answer.pin_id.is_empty());

    // Another client waits in vain.
    let other = FetchRequest {
        max_wait: time(Duration::from_secs(1)),
        ..fetch(2)
    };
    assert_eq!(fetched(&gateway, other.clone()).await, []);
    let pinned = FetchRequest {
        priority: Some(PriorityOptions {
            pin_id: answer.pin_id,
            ..jobs()
        }),
        ..fetch(2)
    };
    assert_eq!(sequences(&fetched(&gateway, pinned.clone()).await), [3, 4]);

    // An id that is not the pinned client's is given up, and the client waits as others do.
    let stale = FetchRequest {
        priority: Some(PriorityOptions {
            pin_id: "stale".to_owned(),
            ..jobs()
        }),
        ..other
    };
    assert_eq!(fetched(&gateway, stale).await, []);
    assert_eq!(sequences(&fetched(&gateway, pinned).await), [5, 6]);

    let mismatch = FetchRequest {
        priority: Some(PriorityOptions {
            min_pending: 3,
            ..jobs()
        }),
        ..fetch(1)
    };
    let answer = gateway.subscriber().fetch(mismatch).await;
    refused(answer, Code::FailedPrecondition, "PRIORITY_MISMATCH");
}
