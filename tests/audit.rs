//! The audit log: who was refused, who changed what, and who had which session open.

use std::net::SocketAddr;
use std::time::Duration;

use jetgate::auth::NewKey;
use jetgate::proto::{
    CreateStreamRequest, DeleteConsumerRequest, DeleteStreamRequest, GetInfoRequest, PublishOpen,
    PublishRequest, PurgeStreamRequest, StreamConfig, TerminateSessionRequest,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;

use crate::support::consume::{Consume, open};
use crate::support::consuming::{CONSUMER, STREAM, Session, create_consumer, subscribe};
use crate::support::pki::Authority;
use crate::support::publishing::Publishing;
use crate::support::{
    Clients, File, NatsServer, Process, Replica, SOON, eventually, metadata, refused,
};

/// A gateway that logs JSON, and a caller that may call.
struct House {
    nats: NatsServer,
    process: Process,
    public: SocketAddr,
    ada: Clients,
    key: NewKey,
    folder: TempDir,
}

impl House {
    async fn start() -> Self {
        Self::with("").await
    }

    /// With more in the section of authentication.
    async fn with(auth: &str) -> Self {
        let nats = NatsServer::start().await;
        let key = NewKey::make("ada");
        let folder = TempDir::new().unwrap();
        let keys = folder.path().join("keys.toml");
        std::fs::write(&keys, key.entry()).unwrap();
        let config = folder.path().join("jetgate.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [nats]\nurl = {:?}\n[auth]\napi_keys_file = {keys:?}\nreload_interval = \"1s\"\n{auth}\n[log]\nformat = \"json\"\n",
            nats.url()
        );
        std::fs::write(&config, text).unwrap();
        let Replica {
            process,
            public,
            clients,
            ..
        } = Replica::configured(&config).await;
        Self {
            nats,
            process,
            public,
            ada: clients.showing(key.secret()),
            key,
            folder,
        }
    }

    /// The first event of this kind that is as wanted.
    async fn event(&self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(SOON, async || self.events(kind).into_iter().find(&wanted)).await
    }

    /// The events of this kind until now.
    fn events(&self, kind: &str) -> Vec<Value> {
        let output = self.process.output();
        let lines = output.lines();
        let events = lines.filter_map(|line| serde_json::from_str(line).ok());
        events
            .filter(|event: &Value| event["target"] == "jetgate::audit" && event["event"] == kind)
            .collect()
    }

    async fn administered(&self, method: &str) -> Value {
        let is_method = |event: &Value| event["method"].as_str().unwrap().ends_with(method);
        self.event("administered", is_method).await
    }
}

#[tokio::test]
async fn changes_are_written_down_with_who_made_them_and_what_came_of_it() {
    let house = House::start().await;
    let mut streams = house.ada.streams();
    let create = CreateStreamRequest {
        config: Some(StreamConfig {
            name: "ORDERS".to_owned(),
            subjects: vec!["orders.>".to_owned()],
            ..StreamConfig::default()
        }),
    };
    streams.create_stream(create).await.unwrap();
    let purge = PurgeStreamRequest {
        stream: "NOTHING".to_owned(),
        ..PurgeStreamRequest::default()
    };
    let purged = streams.purge_stream(purge).await;
    refused(purged, Code::NotFound, "STREAM_NOT_FOUND");
    let delete = DeleteStreamRequest {
        stream: "ORDERS".to_owned(),
    };
    streams.delete_stream(delete).await.unwrap();

    let created = house.administered("/CreateStream").await;
    assert_eq!(
        (&created["caller"], &created["by"]),
        (&"ada".into(), &"api_key".into())
    );
    assert_eq!(
        (&created["stream"], &created["code"]),
        (&"ORDERS".into(), &"Ok".into())
    );
    assert!(created["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    let purged = house.administered("/PurgeStream").await;
    assert_eq!(purged["stream"], "NOTHING");
    assert_eq!(purged["reason"], "STREAM_NOT_FOUND");
    assert_eq!(
        house.administered("/DeleteStream").await["stream"],
        "ORDERS"
    );
    // Nothing changes by asking.
    house
        .ada
        .gateway()
        .get_info(GetInfoRequest {})
        .await
        .unwrap();
    assert!(!house.process.output().contains("/GetInfo"));
}

#[tokio::test]
async fn changes_whose_callers_leave_are_written_down() {
    let house = House::start().await;
    house.nats.pause();
    let purge = PurgeStreamRequest {
        stream: "ORDERS".to_owned(),
        ..PurgeStreamRequest::default()
    };
    let mut streams = house.ada.streams();
    let leaves = tokio::time::timeout(Duration::from_millis(500), streams.purge_stream(purge));
    leaves
        .await
        .expect_err("an answer of a server that is paused");

    let purged = house.administered("/PurgeStream").await;
    assert_eq!(
        (&purged["stream"], &purged["code"]),
        (&"ORDERS".into(), &"Cancelled".into())
    );
    house.nats.resume();
}

#[tokio::test]
async fn callers_whose_keys_are_withdrawn_in_the_middle_are_written_down() {
    let house = House::start().await;
    let mut session = Publishing::open(&house.ada, PublishOpen::default()).await;
    std::fs::write(house.folder.path().join("keys.toml"), "").unwrap();

    refused(
        session.end().await,
        Code::Unauthenticated,
        "UNAUTHENTICATED",
    );
    let event = house.event("unauthenticated", |_| true).await;
    assert_eq!(
        (&event["caller"], &event["by"]),
        (&"ada".into(), &"api_key".into())
    );
}

#[tokio::test]
async fn sessions_are_written_down_from_their_opening_to_their_end() {
    let house = House::start().await;
    let mut session = Publishing::open(&house.ada, PublishOpen::default()).await;
    let opened = house.event("session_opened", |_| true).await;
    assert_eq!(
        (&opened["caller"], &opened["kind"]),
        (&"ada".into(), &"PublishStream".into())
    );
    let id = opened["session"].as_str().unwrap().to_owned();

    let terminate = TerminateSessionRequest {
        session_id: id.clone(),
        ..TerminateSessionRequest::default()
    };
    let mut gateway = house.ada.gateway();
    gateway.terminate_session(terminate).await.unwrap();
    session.end().await.unwrap_err();
    let closed = house.event("session_closed", |_| true).await;
    assert_eq!(closed["session"], id.as_str());
    assert_eq!(
        house.administered("/TerminateSession").await["session"],
        id.as_str()
    );
}

#[tokio::test]
async fn sessions_of_consumers_are_written_down_with_what_they_read() {
    let house = House::start().await;
    let mut wire = house.nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;

    let consuming = Consume::open(&house.ada, open()).await;
    let subscribing = Session::open(&house.ada, subscribe()).await;
    let mut ids = Vec::new();
    for kind in ["Consume", "Subscribe"] {
        let is_kind = |event: &Value| event["kind"] == kind;
        let opened = house.event("session_opened", is_kind).await;
        assert_eq!(
            (&opened["caller"], &opened["stream"], &opened["consumer"]),
            (&"ada".into(), &STREAM.into(), &CONSUMER.into())
        );
        ids.push(opened["session"].clone());
    }

    drop((consuming, subscribing));
    for id in ids {
        let is_it = |event: &Value| event["session"] == id;
        house.event("session_closed", is_it).await;
    }
}

#[tokio::test]
async fn certificates_that_are_refused_are_written_down() {
    let authority = Authority::new();
    let server = authority.issue("server", "gateway.test");
    let tls = format!(
        "[tls]\ncert_file = {:?}\nkey_file = {:?}\nclient_ca_file = {:?}",
        server.certificate,
        server.key,
        authority.file()
    );
    let house = House::with(&tls).await;
    let others = Authority::new();
    let stranger = others.issue("ada", "ada.test");
    for shown in [Some(&stranger), None] {
        let client = authority.client(shown);
        let channel = client.channel(house.public, "gateway.test");
        let clients = Clients::over(channel);
        clients
            .gateway()
            .get_info(GetInfoRequest {})
            .await
            .unwrap_err();
    }

    for why in ["invalid peer certificate", "no certificates"] {
        let is_it = |event: &Value| event["error"].as_str().is_some_and(|it| it.contains(why));
        let event = house.event("unauthenticated", is_it).await;
        assert_eq!(event["by"], "certificate");
        assert!(event["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    }
}

#[tokio::test]
async fn changes_of_consumers_are_written_down() {
    let house = House::start().await;
    let mut wire = house.nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    create_consumer(&mut wire, json!({})).await;

    let delete = DeleteConsumerRequest {
        stream: STREAM.to_owned(),
        consumer: CONSUMER.to_owned(),
    };
    house.ada.consumers().delete_consumer(delete).await.unwrap();

    let deleted = house.administered("/DeleteConsumer").await;
    assert_eq!(
        (&deleted["stream"], &deleted["consumer"], &deleted["code"]),
        (&STREAM.into(), &CONSUMER.into(), &"Ok".into())
    );
}

/// Two rules, so that the second one's line is not the first of the file.
const RULES: &str = "[[rule]]
name = \"ada\"
callers = [\"ada\"]
publish = [\"orders.>\"]
[[rule]]
name = \"no-secrets\"
effect = \"deny\"
callers = [\"*\"]
publish = [\"orders.secret.>\"]
";

fn to(subject: &str) -> PublishRequest {
    PublishRequest {
        subject: subject.to_owned(),
        ..PublishRequest::default()
    }
}

#[tokio::test]
async fn what_is_denied_is_written_down_with_the_rule_that_says_so() {
    let rules = File::with(RULES);
    let house = House::with(&format!("policy_file = {:?}", rules.path())).await;
    let mut publisher = house.ada.publisher();

    for (subject, rule, line) in [("orders.secret.1", "no-secrets", 9), ("else", "", 0)] {
        let answer = publisher.publish(to(subject)).await;
        let status = refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
        let is_it = |event: &Value| event["subjects"] == subject;
        let event = house.event("denied", is_it).await;
        assert_eq!(
            event["decision_id"].as_str(),
            metadata(&status, "decision_id").as_deref()
        );
        assert_eq!(
            (&event["rule"], &event["line"]),
            (&rule.into(), &line.into())
        );
        assert_eq!(
            (&event["caller"], &event["by"], &event["permission"]),
            (&"ada".into(), &"api_key".into(), &"publish".into())
        );
    }
}

#[tokio::test]
async fn of_one_call_ten_denials_are_written_down() {
    let rules = File::with(RULES);
    let house = House::with(&format!("policy_file = {:?}", rules.path())).await;
    let mut stream = Publishing::open(&house.ada, PublishOpen::default()).await;

    let messages = (0..30).map(|number| to(&format!("orders.secret.{number}")));
    stream.publish(1, messages.collect()).await;
    stream.settled(30).await;
    assert!(
        stream
            .outcomes
            .values()
            .all(|it| it.reason() == "PERMISSION_DENIED")
    );
    // A call of its own, whose line comes behind all that the stream has written.
    let answer = house.ada.publisher().publish(to("else")).await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    house
        .event("denied", |event| event["subjects"] == "else")
        .await;

    let secret = |event: &Value| {
        event["subjects"]
            .as_str()
            .unwrap()
            .starts_with("orders.secret.")
    };
    let denied = house.events("denied");
    assert_eq!(denied.iter().filter(|event| secret(event)).count(), 10);
}

#[tokio::test]
async fn in_shadow_mode_what_would_be_denied_is_written_down() {
    let rules = File::with(RULES);
    let auth = format!("policy_file = {:?}\npolicy_mode = \"shadow\"", rules.path());
    let house = House::with(&auth).await;
    let mut wire = house.nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;

    let mut publisher = house.ada.publisher();
    publisher.publish(to("orders.secret.1")).await.unwrap();

    let event = house.event("would_be_denied", |_| true).await;
    assert_eq!(
        (&event["rule"], &event["subjects"]),
        (&"no-secrets".into(), &"orders.secret.1".into())
    );
    assert!(house.events("denied").is_empty());
}

#[tokio::test]
async fn who_is_refused_is_written_down_and_secrets_and_payloads_are_not() {
    const PAYLOAD: &str = "what-only-the-reader-may-see";
    let house = House::start().await;
    let wrong = NewKey::make("ada");
    let info = house
        .ada
        .showing(wrong.secret())
        .gateway()
        .get_info(GetInfoRequest {})
        .await;
    refused(info, Code::Unauthenticated, "UNAUTHENTICATED");
    let message = PublishRequest {
        subject: "orders.x".to_owned(),
        payload: Some(jetgate::proto::publish_request::Payload::Text(
            PAYLOAD.to_owned(),
        )),
        ..PublishRequest::default()
    };
    house.ada.publisher().publish(message).await.unwrap_err();

    let refused = house.event("unauthenticated", |_| true).await;
    assert!(refused["path"].as_str().unwrap().ends_with("/GetInfo"));
    let output = house.process.output();
    for secret in [wrong.secret(), house.key.secret(), PAYLOAD] {
        assert!(!output.contains(secret));
    }
}
