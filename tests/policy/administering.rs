//! Streams, consumers, dead letters and the gateway itself.

use jetgate::auth::NewKey;
use jetgate::proto::{
    ConsumerConfig, CreateConsumerRequest, CreateStreamRequest, DeadLetterFilter,
    DeleteConsumerRequest, DeleteStreamRequest, GetConsumerRequest, GetInfoRequest,
    GetMessageRequest, GetStreamRequest, ListConsumersRequest, ListErrorReasonsRequest,
    ListSessionsRequest, ListStreamsRequest, ListSubjectsRequest, PauseConsumerRequest,
    PurgeDeadLettersRequest, PurgeStreamRequest, Republish, StreamConfig, StreamSource,
    SubjectTransform, TerminateSessionRequest, get_message_request,
};
use serde_json::json;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use super::{File, House, denied, entries, may_consume, rule};
use crate::support::consume::{Consume, open};
use crate::support::consuming::{CONSUMER, STREAM};
use crate::support::dead_letters::{
    configured, letters, replay, replay_all, terminate, until_collecting, until_letters,
};
use crate::support::{Clients, Gateway, NatsServer, refused};

fn stream(name: &str, subjects: &[&str]) -> StreamConfig {
    StreamConfig {
        name: name.to_owned(),
        subjects: subjects.iter().map(ToString::to_string).collect(),
        ..StreamConfig::default()
    }
}

async fn create(house: &House, config: StreamConfig) -> Result<(), Status> {
    let request = CreateStreamRequest {
        config: Some(config),
    };
    let mut streams = house.of("ada").streams();
    streams.create_stream(request).await.map(|_| ())
}

const BUILDER: &str =
    "streams = [{ names = [\"A_*\"], actions = [\"write\"], subjects = [\"a.>\"] }]
consume = [{ streams = [\"ORDERS\"], filters = [\"orders.eu.>\"] }]
publish = [\"a.copy.>\"]";

#[tokio::test]
async fn a_stream_reaches_no_further_than_its_maker() {
    let house = House::with(&rule("ada", BUILDER)).await;

    create(&house, stream("A_1", &["a.1.>"])).await.unwrap();
    denied(
        create(&house, stream("B_1", &["a.2"])).await,
        "streams.write",
    );
    denied(
        create(&house, stream("A_2", &["a.2", "b.>"])).await,
        "streams.write",
    );

    let copying = |filter: &str| StreamConfig {
        sources: vec![StreamSource {
            name: STREAM.to_owned(),
            filter_subject: filter.to_owned(),
            ..StreamSource::default()
        }],
        ..stream("A_3", &[])
    };
    create(&house, copying("orders.eu.>")).await.unwrap();
    denied(create(&house, copying("orders.us.>")).await, "consume");
    denied(create(&house, copying("")).await, "consume");

    let republishing = |destination: &str| StreamConfig {
        republish: Some(Republish {
            dest: destination.to_owned(),
            ..Republish::default()
        }),
        ..stream("A_4", &["a.4.>"])
    };
    create(&house, republishing("a.copy.>")).await.unwrap();
    denied(create(&house, republishing("orders.>")).await, "publish");
    let renaming = StreamConfig {
        subject_transform: Some(SubjectTransform {
            src: "a.5.*".to_owned(),
            dest: "orders.{{wildcard(1)}}".to_owned(),
        }),
        ..stream("A_5", &["a.5.*"])
    };
    denied(create(&house, renaming).await, "streams.write");
}

#[tokio::test]
async fn lists_show_what_the_caller_may_see() {
    let text = "streams = [{ names = [\"A_*\"], actions = [\"view\"] }]
consumers = [{ streams = [\"ORDERS\"], names = [\"c-*\"], actions = [\"view\"] }]";
    let rules = format!(
        "{}{}",
        rule("ada", text),
        rule("ops", "gateway = [\"info\"]")
    );
    let mut house = House::with(&rules).await;
    for name in ["A_1", "B_1", "A_2"] {
        house.wire.create_stream(json!({ "name": name })).await;
    }
    house.consumer("c-1", "orders.1").await;
    house.consumer("d-1", "orders.1").await;
    let (mut streams, mut consumers) = (house.of("ada").streams(), house.of("ada").consumers());

    let listed = streams
        .list_streams(ListStreamsRequest::default())
        .await
        .unwrap();
    let names: Vec<_> = listed
        .into_inner()
        .streams
        .into_iter()
        .map(|it| it.config.unwrap().name)
        .collect();
    assert_eq!(names, ["A_1", "A_2"]);
    let request = ListConsumersRequest {
        stream: STREAM.to_owned(),
        ..ListConsumersRequest::default()
    };
    let listed = consumers
        .list_consumers(request.clone())
        .await
        .unwrap()
        .into_inner();
    let names: Vec<_> = listed.consumers.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["c-1"]);

    let get = |stream: &str| GetStreamRequest {
        stream: stream.to_owned(),
    };
    streams.get_stream(get("A_1")).await.unwrap();
    denied(streams.get_stream(get("ORDERS")).await, "streams.view");
    let none = house.of("ops").consumers().list_consumers(request).await;
    denied(none, "consumers.view");
}

#[tokio::test]
async fn what_a_stream_holds_is_read_and_removed_by_subjects() {
    let text = "streams = [{ names = [\"ORDERS\"], actions = [\"read\", \"purge\"], subjects = [\"orders.eu.>\"] }]";
    let mut house = House::with(&rule("ada", text)).await;
    let (mine, other) = (
        house.wire.store("orders.eu.1", b"1").await,
        house.wire.store("orders.us.1", b"2").await,
    );
    let mut streams = house.of("ada").streams();

    let get = |sequence| GetMessageRequest {
        stream: STREAM.to_owned(),
        target: Some(get_message_request::Target::Sequence(sequence)),
        ..GetMessageRequest::default()
    };
    streams.get_message(get(mine)).await.unwrap();
    denied(streams.get_message(get(other)).await, "streams.read");
    let list = |filter: &str| ListSubjectsRequest {
        stream: STREAM.to_owned(),
        filter: filter.to_owned(),
        ..ListSubjectsRequest::default()
    };
    streams.list_subjects(list("orders.eu.*")).await.unwrap();
    denied(streams.list_subjects(list("")).await, "streams.read");
    let purge = |filter: &str| PurgeStreamRequest {
        stream: STREAM.to_owned(),
        filter: filter.to_owned(),
        ..PurgeStreamRequest::default()
    };
    denied(streams.purge_stream(purge("")).await, "streams.purge");
    denied(
        streams.purge_stream(purge("orders.us.1")).await,
        "streams.purge",
    );
    streams.purge_stream(purge("orders.eu.1")).await.unwrap();
    let delete = DeleteStreamRequest {
        stream: STREAM.to_owned(),
    };
    denied(streams.delete_stream(delete).await, "streams.delete");
    assert_eq!(house.wire.count("ORDERS").await, 1);
}

#[tokio::test]
async fn consumers_are_made_and_controlled_by_name_and_filter() {
    let text = "consumers = [{ streams = [\"ORDERS\"], names = [\"c*\"], actions = [\"write\"], filters = [\"orders.eu.>\"] }]";
    let mut house = House::with(&rule("ada", text)).await;
    let mut consumers = house.of("ada").consumers();
    let create = |name: &str, filter: &str| CreateConsumerRequest {
        stream: STREAM.to_owned(),
        config: Some(ConsumerConfig {
            durable_name: name.to_owned(),
            filter_subject: filter.to_owned(),
            ..ConsumerConfig::default()
        }),
    };
    consumers
        .create_consumer(create("c", "orders.eu.1"))
        .await
        .unwrap();
    for (name, filter) in [("c2", "orders.us.1"), ("c2", ""), ("d", "orders.eu.1")] {
        let result = consumers.create_consumer(create(name, filter)).await;
        denied(result, "consumers.write");
    }
    let get = GetConsumerRequest {
        stream: STREAM.to_owned(),
        consumer: CONSUMER.to_owned(),
    };
    consumers.get_consumer(get).await.unwrap();
    let delete = DeleteConsumerRequest {
        stream: STREAM.to_owned(),
        consumer: CONSUMER.to_owned(),
    };
    denied(consumers.delete_consumer(delete).await, "consumers.delete");
    let pause = PauseConsumerRequest {
        stream: STREAM.to_owned(),
        consumer: CONSUMER.to_owned(),
        ..PauseConsumerRequest::default()
    };
    denied(consumers.pause_consumer(pause).await, "consumers.control");
    house.wire.consumer_info(STREAM, CONSUMER).await;
}

#[tokio::test]
async fn dead_letters_are_shown_removed_and_replayed_by_rule() {
    let ada = "dead_letters = [{ streams = [\"ORDERS\"], consumers = [\"other\"], actions = [\"view\", \"purge\"] }]
gateway = [\"info\"]";
    let bob = "dead_letters = [{ streams = [\"ORDERS\"], actions = [\"replay\"] }]
publish = [\"orders.none\"]";
    let ops = "[[rule]]\nname = \"ops\"\ngroups = [\"operators\"]\ngateway = [\"info\"]\n\
               dead_letters = [{ streams = [\"*\"], actions = [\"*\"] }]\npublish = [\">\"]\n";
    let rules = format!("{}{}{ops}", rule("ada", ada), rule("bob", bob));
    let mut house = House::configured(&rules, configured).await;
    let ops = house.of("ops");
    until_collecting(&ops).await;
    house.consumer(CONSUMER, "orders.>").await;
    house.wire.store("orders.x", b"1").await;
    terminate(&mut house.wire, 1, "hopeless").await;
    until_letters(&ops, &mut house.wire, 1).await;

    assert_eq!(letters(&house.of("ada")).await, []);
    let everything = PurgeDeadLettersRequest {
        all: true,
        ..PurgeDeadLettersRequest::default()
    };
    let mut purging = house.of("ada").dead_letters();
    denied(
        purging.purge_dead_letters(everything).await,
        "dead_letters.purge",
    );
    let own = PurgeDeadLettersRequest {
        filter: Some(DeadLetterFilter {
            stream: STREAM.to_owned(),
            consumer: "other".to_owned(),
            ..DeadLetterFilter::default()
        }),
        ..PurgeDeadLettersRequest::default()
    };
    let purged = purging.purge_dead_letters(own).await.unwrap().into_inner();
    assert_eq!(purged.purged, 0);

    // The message is published as its replayer's own.
    let mut replaying = replay_all("1");
    replaying.all = false;
    replaying.filter = Some(DeadLetterFilter {
        stream: STREAM.to_owned(),
        ..DeadLetterFilter::default()
    });
    let (replayed, _) = replay(&house.of("bob"), replaying.clone()).await.unwrap();
    let status = replayed[0].status.as_ref().unwrap();
    assert_eq!(status.code, Code::PermissionDenied as i32);
    let (replayed, _) = replay(&ops, replaying).await.unwrap();
    assert_eq!(replayed[0].status.as_ref().unwrap().code, 0);
}

#[tokio::test]
async fn the_gateway_itself_is_for_those_whom_the_rules_name() {
    let ops = "[[rule]]\nname = \"ops\"\ngroups = [\"operators\"]\ngateway = [\"*\"]\n";
    let rules = format!("{}{ops}", rule("ada", &may_consume()));
    let mut house = House::with(&rules).await;
    house.consumer(CONSUMER, "orders.>").await;
    let (ada, ops) = (house.of("ada"), house.of("ops"));

    ops.gateway().get_info(GetInfoRequest {}).await.unwrap();
    denied(
        ada.gateway().get_info(GetInfoRequest {}).await,
        "gateway.info",
    );
    ada.gateway()
        .list_error_reasons(ListErrorReasonsRequest {})
        .await
        .unwrap();
    let mut health = house.gateway.health();
    health.check(HealthCheckRequest::default()).await.unwrap();

    let ask = || tokio_stream::iter([ServerReflectionRequest::default()]);
    let mut reflection = ServerReflectionClient::new(ops.called());
    reflection.server_reflection_info(ask()).await.unwrap();
    let mut reflection = ServerReflectionClient::new(ada.called());
    denied(
        reflection.server_reflection_info(ask()).await,
        "gateway.reflection",
    );

    let session = Consume::open(&ada, open()).await;
    let list = async |clients: &Clients| {
        let request = ListSessionsRequest::default();
        let page = clients.gateway().list_sessions(request).await.unwrap();
        page.into_inner().sessions.len()
    };
    assert_eq!((list(&ada).await, list(&ops).await), (1, 1));
    assert_eq!(list(&house.of("bob")).await, 0);
    let end = TerminateSessionRequest {
        session_id: session.opened.session_id.clone(),
        ..TerminateSessionRequest::default()
    };
    denied(
        ada.gateway().terminate_session(end.clone()).await,
        "gateway.terminate_sessions",
    );
    ops.gateway().terminate_session(end).await.unwrap();
}

#[tokio::test]
async fn health_follows_the_rules_where_it_is_not_open() {
    let nats = NatsServer::start().await;
    let callers = ["ada", "bob"].map(|name| (name, NewKey::make(name)));
    let keys = File::with(&entries(&callers));
    let rules = File::with(&rule("ada", "gateway = [\"health\"]"));
    let gateway = Gateway::start_unready(&nats.url(), |config| {
        config.auth.api_keys_file = Some(keys.path());
        config.auth.policy_file = Some(rules.path());
        config.auth.open_health = false;
    })
    .await;
    let check = async |clients: &Clients| {
        let request = HealthCheckRequest::default();
        clients.health().check(request).await
    };
    let [ada, bob] = callers.map(|(_, key)| gateway.showing(key.secret()));
    check(&ada).await.unwrap();
    denied(check(&bob).await, "gateway.health");
    refused(
        check(&gateway).await,
        Code::Unauthenticated,
        "UNAUTHENTICATED",
    );
}

#[tokio::test]
async fn a_method_that_there_is_not_is_not_found() {
    let house = House::with(&rule("ada", "publish = [\"a\"]")).await;
    let mut grpc = tonic::client::Grpc::new(house.of("ada").called());
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<GetInfoRequest, GetInfoRequest>::default();
    let path = "/jetgate.v1.StreamService/Nothing".parse().unwrap();
    let request = tonic::Request::new(GetInfoRequest {});
    let result = grpc.unary(request, path, codec).await.map(|_| ());
    refused(result, Code::Unimplemented, "METHOD_NOT_FOUND");
}
