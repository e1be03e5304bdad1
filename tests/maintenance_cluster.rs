//! Looking after streams and consumers that have three replicas: what goes through Raft answers as a
//! single server does.

use jetgate::proto::get_message_request::Target;
use jetgate::proto::pause_consumer_request::End;
use jetgate::proto::purge_stream_request::Limit;
use jetgate::proto::{
    ApplyConsumerRequest, ApplyOutcome, ApplyStreamRequest, ConsumerConfig, DeleteMessageRequest,
    GetConsumerRequest, GetMessageRequest, ListStreamsRequest, PauseConsumerRequest,
    PurgeStreamRequest, ResetConsumerRequest, ResumeConsumerRequest, StreamConfig,
};
use serde_json::json;
use tonic::Code;

use crate::support::{Gateway, NatsCluster, SOON, eventually, refused};

/// A cluster with a stream S of three replicas and six messages, and a consumer C of it.
async fn start() -> (NatsCluster, Gateway) {
    let cluster = NatsCluster::start().await;
    let mut wire = cluster.wire().await;
    let stream = json!({ "name": "S", "subjects": ["s.>"], "num_replicas": 3 });
    wire.create_stream(stream).await;
    for _ in 0..6 {
        wire.store("s.a", b"").await;
    }
    let consumer = json!({ "durable_name": "C", "ack_policy": "explicit" });
    wire.create_consumer("S", consumer).await;
    let gateway = Gateway::start(&cluster.url()).await;
    (cluster, gateway)
}

#[tokio::test]
async fn messages_are_read_and_removed() {
    let (_cluster, gateway) = start().await;
    let mut streams = gateway.streams();
    let delete = |sequence| DeleteMessageRequest {
        stream: "S".to_owned(),
        sequence,
        no_erase: false,
    };
    let get = |sequence| GetMessageRequest {
        stream: "S".to_owned(),
        target: Some(Target::Sequence(sequence)),
        ..GetMessageRequest::default()
    };

    streams.delete_message(delete(2)).await.unwrap();
    // The leader answers, so the deletion is seen.
    let gone = streams.get_message(get(2)).await;
    refused(gone, Code::NotFound, "MESSAGE_NOT_FOUND");
    assert!(streams.get_message(get(3)).await.is_ok());
    for sequence in [2, 99] {
        let result = streams.delete_message(delete(sequence)).await;
        refused(result, Code::NotFound, "MESSAGE_NOT_FOUND");
    }

    let purge = PurgeStreamRequest {
        stream: "S".to_owned(),
        filter: String::new(),
        limit: Some(Limit::Keep(2)),
    };
    let purged = streams.purge_stream(purge).await.unwrap();
    assert_eq!(purged.into_inner().purged, 3);
}

#[tokio::test]
async fn what_has_no_leader_is_named_in_lists() {
    let (mut cluster, gateway) = start().await;
    let mut wire = cluster.wire().await;
    wire.create_stream(json!({ "name": "ALONE", "subjects": ["alone"] }))
        .await;

    cluster.kill(cluster.leader_of_stream("ALONE").await);

    eventually(SOON * 2, async || {
        let mut streams = gateway.streams();
        let page = streams.list_streams(ListStreamsRequest::default()).await;
        let page = page.ok()?.into_inner();
        let listed = page
            .streams
            .iter()
            .filter_map(|stream| stream.config.as_ref());
        let listed: Vec<_> = listed.map(|config| config.name.as_str()).collect();
        (listed == ["S"] && page.missing == ["ALONE"]).then_some(())
    })
    .await;
    let other = ListStreamsRequest {
        name: "S*".to_owned(),
        ..ListStreamsRequest::default()
    };
    let page = gateway.streams().list_streams(other).await.unwrap();
    assert_eq!(page.into_inner().missing, Vec::<String>::new());
}

#[tokio::test]
async fn consumers_are_paused_and_reset() {
    let (_cluster, gateway) = start().await;
    let mut consumers = gateway.consumers();
    let names = || ("S".to_owned(), "C".to_owned());
    // The leader of the consumer hears of a change from the leader of all.
    let until_paused = async |expected: bool| {
        eventually(SOON, async || {
            let (stream, consumer) = names();
            let request = GetConsumerRequest { stream, consumer };
            let answer = gateway.consumers().get_consumer(request).await.ok()?;
            let state = answer.into_inner().consumer?.state?;
            (state.paused == expected).then_some(())
        })
        .await;
    };

    let (stream, consumer) = names();
    let pause = PauseConsumerRequest {
        stream,
        consumer,
        end: Some(End::PauseFor(prost_types::Duration {
            seconds: 600,
            nanos: 0,
        })),
    };
    assert!(
        consumers
            .pause_consumer(pause)
            .await
            .unwrap()
            .into_inner()
            .paused
    );
    until_paused(true).await;
    let (stream, consumer) = names();
    let resume = ResumeConsumerRequest { stream, consumer };
    consumers.resume_consumer(resume).await.unwrap();
    until_paused(false).await;

    let (stream, consumer) = names();
    let reset = ResetConsumerRequest {
        stream,
        consumer,
        sequence: Some(4),
    };
    let answer = consumers.reset_consumer(reset).await.unwrap().into_inner();
    assert_eq!(answer.reset_sequence, 4);
    assert_eq!(answer.consumer.unwrap().state.unwrap().num_pending, 3);
    let reset = ResetConsumerRequest {
        stream: "S".to_owned(),
        consumer: "NONE".to_owned(),
        sequence: None,
    };
    let result = consumers.reset_consumer(reset).await;
    refused(result, Code::NotFound, "CONSUMER_NOT_FOUND");
}

#[tokio::test]
async fn configurations_are_applied() {
    let (_cluster, gateway) = start().await;
    let apply = |max_msgs| ApplyStreamRequest {
        config: Some(StreamConfig {
            name: "S".to_owned(),
            subjects: vec!["s.>".to_owned()],
            num_replicas: 3,
            max_msgs,
            ..StreamConfig::default()
        }),
        ..ApplyStreamRequest::default()
    };
    for (max_msgs, expected) in [
        (None, ApplyOutcome::Unchanged),
        (Some(3), ApplyOutcome::Updated),
        (Some(3), ApplyOutcome::Unchanged),
    ] {
        let answer = gateway.streams().apply_stream(apply(max_msgs)).await;
        assert_eq!(answer.unwrap().into_inner().outcome(), expected);
    }
    for (name, expected) in [
        ("C", ApplyOutcome::Unchanged),
        ("D", ApplyOutcome::Created),
        ("D", ApplyOutcome::Unchanged),
    ] {
        let request = ApplyConsumerRequest {
            stream: "S".to_owned(),
            config: Some(ConsumerConfig {
                durable_name: name.to_owned(),
                ..ConsumerConfig::default()
            }),
            ..ApplyConsumerRequest::default()
        };
        let answer = gateway.consumers().apply_consumer(request).await;
        assert_eq!(answer.unwrap().into_inner().outcome(), expected, "{name}");
    }
}
