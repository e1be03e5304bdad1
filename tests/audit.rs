//! The audit log: who was refused, who changed what, and who had which session open.

use std::time::Duration;

use jetgate::auth::NewKey;
use jetgate::proto::{
    CreateStreamRequest, DeleteStreamRequest, GetInfoRequest, PublishOpen, PublishRequest,
    PurgeStreamRequest, StreamConfig, TerminateSessionRequest,
};
use serde_json::Value;
use tempfile::TempDir;
use tonic::Code;

use crate::support::publishing::Publishing;
use crate::support::{Clients, NatsServer, Process, Replica, SOON, eventually, refused};

/// A gateway that logs JSON, and a caller that may call.
struct House {
    nats: NatsServer,
    process: Process,
    ada: Clients,
    key: NewKey,
    folder: TempDir,
}

impl House {
    async fn start() -> Self {
        let nats = NatsServer::start().await;
        let key = NewKey::make("ada");
        let folder = TempDir::new().unwrap();
        let keys = folder.path().join("keys.toml");
        std::fs::write(&keys, key.entry()).unwrap();
        let config = folder.path().join("jetgate.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [nats]\nurl = {:?}\n[auth]\napi_keys_file = {keys:?}\nreload_interval = \"1s\"\n[log]\nformat = \"json\"\n",
            nats.url()
        );
        std::fs::write(&config, text).unwrap();
        let Replica {
            process, clients, ..
        } = Replica::configured(&config).await;
        Self {
            nats,
            process,
            ada: clients.showing(key.secret()),
            key,
            folder,
        }
    }

    /// The first event of this kind that is as wanted.
    async fn event(&self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(SOON, async || {
            let output = self.process.output();
            let lines = output
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let mut events = lines.filter(|line: &Value| line["target"] == "jetgate::audit");
            events.find_map(|line| (line["event"] == kind && wanted(&line)).then_some(line))
        })
        .await
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
