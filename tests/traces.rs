//! Traces: from the publisher's call over the stored message to its delivery, as an OTLP receiver sees
//! them.

mod messages;
mod receivers;

use jetgate::config::Config;
use jetgate::proto::publish_request::Payload;
use jetgate::proto::{Header, PublishRequest, ReceivedMessage};
use jetgate::publishing::MintMessageId;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use tonic::{Code, IntoRequest, Request};

use crate::support::consuming::{
    CONSUMER, STREAM, Session, create_consumer, fetch, fetched, subscribe,
};
use crate::support::otlp::{OtlpReceiver, ReceivedSpan};
use crate::support::{Gateway, NatsServer, Replica, SOON, Wire, eventually, http_get, refused};

/// The span of whoever calls.
const CALLER: u64 = 0x00f0_67aa_0ba9_02b7;

/// A trace as callers name it.
fn parent(trace: u128, is_sampled: bool) -> String {
    format!("00-{trace:032x}-{CALLER:016x}-0{}", u8::from(is_sampled))
}

/// A request that belongs to a trace.
fn traced<T>(request: T, trace: u128, is_sampled: bool) -> Request<T> {
    let mut request = request.into_request();
    let parent = parent(trace, is_sampled).parse().unwrap();
    request.metadata_mut().insert("traceparent", parent);
    request
}

fn order() -> PublishRequest {
    PublishRequest {
        subject: "orders.x".to_owned(),
        payload: Some(Payload::Text("text".to_owned())),
        ..PublishRequest::default()
    }
}

/// A message that brings a trace of its own.
fn traced_order(trace: u128, is_sampled: bool) -> PublishRequest {
    let header = Header {
        name: "traceparent".to_owned(),
        value: parent(trace, is_sampled),
        ..Header::default()
    };
    PublishRequest {
        headers: vec![header],
        ..order()
    }
}

async fn start_nats() -> (NatsServer, Wire) {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"], "allow_batched": true,
        "allow_atomic": true });
    wire.create_stream(stream).await;
    create_consumer(&mut wire, json!({})).await;
    (nats, wire)
}

/// A gateway that begins no traces itself.
async fn start_gateway(nats: &NatsServer, receiver: &OtlpReceiver, name: &str) -> Gateway {
    let change = |config: &mut Config| {
        config.traces.otlp_endpoint = Some(receiver.url());
        config.traces.sample_ratio = 0.0;
        config.traces.resource_attributes = format!("k8s.pod.name={name}");
    };
    Gateway::start_with(&nats.url(), change).await
}

/// The span of this kind, of which there is one.
#[track_caller]
fn one(spans: &[ReceivedSpan], kind: SpanKind) -> &ReceivedSpan {
    let mut found = spans.iter().filter(|it| it.span.kind == kind as i32);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("no {kind:?} in {spans:#?}"));
    assert!(found.next().is_none(), "{spans:#?}");
    first
}

fn header<'a>(message: &'a ReceivedMessage, name: &str) -> Option<&'a str> {
    let header = message.headers.iter().find(|header| header.name == name)?;
    Some(&header.value)
}

fn is_fault(span: &Span) -> bool {
    span.status
        .as_ref()
        .is_some_and(|status| status.code == StatusCode::Error as i32)
}

/// The span of a context in a header.
fn span_id(traceparent: &str) -> Vec<u8> {
    let id = traceparent.split('-').nth(2).unwrap();
    u64::from_str_radix(id, 16).unwrap().to_be_bytes().to_vec()
}

#[tokio::test]
async fn a_trace_runs_from_the_publishers_call_to_the_delivery_at_another_gateway() {
    let (nats, mut wire) = start_nats().await;
    let receiver = OtlpReceiver::start().await;
    let first = start_gateway(&nats, &receiver, "first").await;
    let second = start_gateway(&nats, &receiver, "second").await;

    let mut request = traced(order(), 7, true);
    let state = "vendor=1,other=2";
    request
        .metadata_mut()
        .insert("tracestate", state.parse().unwrap());
    first.publisher().publish(request).await.unwrap();
    let stored = wire.stored(STREAM, 1).await;
    let mut session = Session::open(&second, traced(subscribe(), 8, true)).await;
    let message = session.messages(1).await.remove(0);
    drop(session);

    // The consumer gets what is stored, and can go on from there.
    let carried = stored.header("traceparent")[0].to_owned();
    assert!(carried.starts_with(&parent(7, true)[..36]), "{carried}");
    assert_eq!(header(&message, "traceparent"), Some(&*carried));
    assert_eq!(header(&message, "tracestate"), Some(state));

    let spans = receiver.trace(7, 3).await;
    let (call, sent, delivered) = (
        one(&spans, SpanKind::Server),
        one(&spans, SpanKind::Producer),
        one(&spans, SpanKind::Consumer),
    );
    assert_eq!(call.span.parent_span_id, CALLER.to_be_bytes());
    assert_eq!(call.span.trace_state, state);
    assert_eq!(sent.span.parent_span_id, call.span.span_id);
    assert_eq!(sent.span.span_id, span_id(&carried));
    assert_eq!(delivered.span.parent_span_id, sent.span.span_id);
    let order = [call, sent, delivered].map(|it| it.span.start_time_unix_nano);
    assert!(order.is_sorted(), "{order:?}");
    assert!(call.span.end_time_unix_nano >= sent.span.end_time_unix_nano);

    // Each says where it was made.
    assert_eq!(call.resource("k8s.pod.name").as_deref(), Some("first"));
    assert_eq!(
        delivered.resource("k8s.pod.name").as_deref(),
        Some("second")
    );
    assert_eq!(call.resource("service.name").as_deref(), Some("jetgate"));

    // The delivery names the session that it was made in.
    let session = receiver.trace(8, 1).await.remove(0);
    assert_eq!(session.span.name, "jetgate.v1.SubscriberService/Subscribe");
    let link = &delivered.span.links[0];
    assert_eq!(
        (&link.trace_id, &link.span_id),
        (&session.span.trace_id, &session.span.span_id)
    );
}

#[tokio::test]
async fn spans_say_what_the_conventions_ask_for() {
    let (nats, _wire) = start_nats().await;
    let receiver = OtlpReceiver::start().await;
    let gateway = start_gateway(&nats, &receiver, "a").await;
    let message = PublishRequest {
        message_id: "mine".to_owned(),
        ..order()
    };
    gateway
        .publisher()
        .publish(traced(message, 7, true))
        .await
        .unwrap();
    fetched(&gateway, fetch(1)).await;

    let spans = receiver.trace(7, 3).await;
    let holds = |it: &ReceivedSpan, name: &str, wanted: &[(&str, &str)]| {
        assert_eq!(it.span.name, name);
        for (key, value) in wanted {
            assert_eq!(it.attribute(key).as_deref(), Some(*value), "{name}: {key}");
        }
    };
    let method = "jetgate.v1.PublisherService/Publish";
    let call = [
        ("rpc.system.name", "grpc"),
        ("rpc.method", method),
        ("rpc.response.status_code", "OK"),
        ("client.address", "127.0.0.1"),
    ];
    holds(one(&spans, SpanKind::Server), method, &call);
    let sent = [
        ("messaging.system", "nats"),
        ("messaging.operation.name", "publish"),
        ("messaging.operation.type", "send"),
        ("messaging.destination.name", "orders.x"),
        ("messaging.message.id", "mine"),
        ("messaging.message.body.size", "4"),
        ("messaging.nats.stream", STREAM),
        ("messaging.nats.stream_sequence", "1"),
        ("messaging.nats.duplicate", "false"),
    ];
    holds(one(&spans, SpanKind::Producer), "publish ORDERS", &sent);
    let delivered = [
        ("messaging.system", "nats"),
        ("messaging.operation.name", "deliver"),
        ("messaging.operation.type", "receive"),
        ("messaging.destination.name", "orders.x"),
        ("messaging.consumer.group.name", CONSUMER),
        ("messaging.nats.stream", STREAM),
        ("messaging.nats.stream_sequence", "1"),
        ("messaging.nats.delivery_attempt", "1"),
    ];
    holds(
        one(&spans, SpanKind::Consumer),
        "deliver ORDERS",
        &delivered,
    );
    assert!(spans.iter().all(|it| !is_fault(&it.span)));
}

#[tokio::test]
async fn a_call_that_fails_says_why() {
    let (nats, _wire) = start_nats().await;
    let receiver = OtlpReceiver::start().await;
    let gateway = start_gateway(&nats, &receiver, "a").await;

    let wrong = traced(PublishRequest::default(), 7, true);
    let answer = gateway.publisher().publish(wrong).await;
    refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    let nowhere = PublishRequest {
        subject: "nowhere".to_owned(),
        ..order()
    };
    let answer = gateway.publisher().publish(traced(nowhere, 8, true)).await;
    refused(answer, Code::NotFound, "NO_STREAM_FOR_SUBJECT");

    // A caller's mistake is no fault of the gateway's.
    let call = receiver.trace(7, 1).await.remove(0);
    assert_eq!(
        call.attribute("rpc.response.status_code").as_deref(),
        Some("INVALID_ARGUMENT")
    );
    assert_eq!(
        call.attribute("error.type").as_deref(),
        Some("INVALID_REQUEST")
    );
    assert!(!is_fault(&call.span));
    let spans = receiver.trace(8, 2).await;
    let sent = one(&spans, SpanKind::Producer);
    assert_eq!(
        sent.attribute("error.type").as_deref(),
        Some("NO_STREAM_FOR_SUBJECT")
    );
    assert!(is_fault(&sent.span));
}

#[tokio::test]
async fn what_is_not_sampled_is_handed_on_and_has_no_span() {
    let (nats, mut wire) = start_nats().await;
    let receiver = OtlpReceiver::start().await;
    let gateway = start_gateway(&nats, &receiver, "a").await;

    gateway
        .publisher()
        .publish(traced(order(), 7, false))
        .await
        .unwrap();
    gateway.publisher().publish(order()).await.unwrap();
    gateway
        .publisher()
        .publish(traced_order(9, false))
        .await
        .unwrap();
    let mut nonsense = order().into_request();
    nonsense
        .metadata_mut()
        .insert("traceparent", "nonsense".parse().unwrap());
    gateway.publisher().publish(nonsense).await.unwrap();
    gateway
        .publisher()
        .publish(traced(order(), 10, true))
        .await
        .unwrap();
    fetched(&gateway, fetch(5)).await;

    assert_eq!(
        wire.stored(STREAM, 1).await.header("traceparent"),
        [parent(7, false)]
    );
    assert!(
        wire.stored(STREAM, 2)
            .await
            .headers
            .iter()
            .all(|(name, _)| name == "Nats-Msg-Id")
    );
    assert_eq!(
        wire.stored(STREAM, 3).await.header("traceparent"),
        [parent(9, false)]
    );
    assert!(
        wire.stored(STREAM, 4)
            .await
            .header("traceparent")
            .is_empty()
    );
    // The last one came, so that the others would have, too.
    receiver.trace(10, 3).await;
    assert_eq!(receiver.spans().len(), 3);
}

#[tokio::test]
async fn calls_begin_traces_as_often_as_configured() {
    let (nats, mut wire) = start_nats().await;
    let receiver = OtlpReceiver::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.traces.otlp_endpoint = Some(receiver.url());
        config.traces.sample_ratio = 1.0;
        config.traces.service_name = "edge".to_owned();
    })
    .await;
    gateway.publisher().publish(order()).await.unwrap();

    let stored = wire.stored(STREAM, 1).await;
    let carried = stored.header("traceparent")[0];
    assert!(carried.ends_with("-01"), "{carried}");
    let trace = u128::from_str_radix(carried.split('-').nth(1).unwrap(), 16).unwrap();
    let spans = receiver.trace(trace, 2).await;
    let call = one(&spans, SpanKind::Server);
    assert!(call.span.parent_span_id.is_empty());
    assert_eq!(call.resource("service.name").as_deref(), Some("edge"));
    // Nor do probes: the tests' own ask for the gateway's health all the time.
    let names = receiver.spans().into_iter().map(|it| it.span.name);
    assert_eq!(names.filter(|name| name.contains("Health")).count(), 0);
}

#[tokio::test]
async fn a_part_of_the_calls_begins_traces_where_a_part_is_configured() {
    let (nats, _wire) = start_nats().await;
    let receiver = OtlpReceiver::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.traces.otlp_endpoint = Some(receiver.url());
        config.traces.sample_ratio = 0.5;
    })
    .await;
    for _ in 0..400 {
        gateway.publisher().publish(order()).await.unwrap();
    }
    // What ends before the gateway has been handed over by then.
    gateway.shutdown().await;

    let spans = receiver.spans();
    let calls = spans
        .iter()
        .filter(|it| it.span.kind == SpanKind::Server as i32);
    let calls = calls.count();
    assert!((120..=280).contains(&calls), "{calls}");
}

#[tokio::test]
async fn a_trace_makes_no_message_too_large_for_its_stream() {
    let (nats, mut wire) = start_nats().await;
    let small = json!({ "name": "SMALL", "subjects": ["small"], "max_msg_size": 1_000 });
    wire.create_stream(small).await;
    let receiver = OtlpReceiver::start().await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.traces.otlp_endpoint = Some(receiver.url());
        config.publish.mint_message_id = MintMessageId::Never;
    })
    .await;
    for (size, carries) in [(600, true), (1_000, false)] {
        let message = PublishRequest {
            subject: "small".to_owned(),
            payload: Some(Payload::Text("x".repeat(size))),
            ..PublishRequest::default()
        };
        let request = traced(message, 7, true);
        let answer = gateway.publisher().publish(request).await.unwrap();
        let stored = wire.stored("SMALL", answer.into_inner().sequence).await;
        assert_eq!(!stored.header("traceparent").is_empty(), carries, "{size}");
    }
}

#[tokio::test]
async fn nothing_is_handed_on_without_a_receiver() {
    let (nats, mut wire) = start_nats().await;
    let gateway = Gateway::start(&nats.url()).await;
    gateway
        .publisher()
        .publish(traced(order(), 7, true))
        .await
        .unwrap();
    gateway
        .publisher()
        .publish(traced_order(8, true))
        .await
        .unwrap();

    assert!(
        wire.stored(STREAM, 1)
            .await
            .header("traceparent")
            .is_empty()
    );
    // A header is a header.
    assert_eq!(
        wire.stored(STREAM, 2).await.header("traceparent"),
        [parent(8, true)]
    );
}

#[tokio::test]
async fn logs_name_the_trace() {
    let (nats, _wire) = start_nats().await;
    let receiver = OtlpReceiver::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("jetgate.toml");
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [nats]\nurl = \"{}\"\n[log]\nformat = \"json\"\nfilter = \"info,jetgate=debug\"\n\
         [traces]\notlp_endpoint = \"{}\"\nsample_ratio = 0.0\n",
        nats.url(),
        receiver.url()
    );
    std::fs::write(&file, config).unwrap();
    let Replica {
        mut process,
        clients,
        ..
    } = Replica::configured(&file).await;
    drop(Session::open(&clients, traced(subscribe(), 7, true)).await);

    let record = async |message: &str| -> Value {
        eventually(SOON, async || {
            let lines = process.output();
            let mut lines = lines
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            lines.find(|line: &Value| {
                line["message"] == message
                    && line["method"].as_str().is_none_or(|it| it == "Subscribe")
            })
        })
        .await
    };
    let trace = format!("{:032x}", 7);
    for message in ["session opened", "session ends"] {
        let record = record(message).await;
        assert_eq!(record["span"]["trace_id"], trace, "{record}");
    }
    let record = record("call ended").await;
    assert_eq!(record["trace_id"], trace, "{record}");
    process.signal(Signal::TERM);
    assert!(process.ended(SOON).await.success());
    // What was not sent yet is sent at the end.
    receiver.trace(7, 1).await;
}
