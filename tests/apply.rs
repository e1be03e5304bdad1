//! Applying configurations: creating what is missing, changing what differs, and saying so.

mod apply_consumer;
mod etags;

use jetgate::proto::{
    ApplyOutcome, ApplyStreamRequest, ApplyStreamResponse, FieldChange, RetentionPolicy,
    StorageType, StreamConfig,
};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{Gateway, metadata, refused, start, start_with_stream, violated_field};

fn orders() -> StreamConfig {
    StreamConfig {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders.>".to_owned()],
        ..StreamConfig::default()
    }
}

async fn apply(
    gateway: &Gateway,
    config: StreamConfig,
    validate_only: bool,
) -> Result<ApplyStreamResponse, Status> {
    let request = ApplyStreamRequest {
        config: Some(config),
        validate_only,
        ..ApplyStreamRequest::default()
    };
    let answer = gateway.streams().apply_stream(request).await?;
    Ok(answer.into_inner())
}

fn names(changes: &[FieldChange]) -> Vec<&str> {
    changes.iter().map(|it| it.field.as_str()).collect()
}

#[tokio::test]
async fn creates_then_changes_then_leaves_a_stream() {
    let (nats, gateway) = start().await;

    let created = apply(&gateway, orders(), false).await.unwrap();
    assert_eq!(created.outcome(), ApplyOutcome::Created);
    assert!(names(&created.changes).contains(&"subjects"));
    assert_eq!(created.stream.unwrap().config.unwrap().name, "ORDERS");

    let limited = StreamConfig {
        max_msgs: Some(5),
        ..orders()
    };
    let updated = apply(&gateway, limited.clone(), false).await.unwrap();
    assert_eq!(updated.outcome(), ApplyOutcome::Updated);
    let [change] = &updated.changes[..] else {
        panic!("{:?}", updated.changes)
    };
    assert_eq!(
        (
            change.field.as_str(),
            change.old_value.as_str(),
            change.new_value.as_str()
        ),
        ("max_msgs", "", "5")
    );
    assert!(change.possible && change.remedy.is_empty());
    assert_eq!(updated.stream.unwrap().config.unwrap().max_msgs, Some(5));

    let unchanged = apply(&gateway, limited, false).await.unwrap();
    assert_eq!(unchanged.outcome(), ApplyOutcome::Unchanged);
    assert_eq!(unchanged.changes, []);
    // What is not set any more gets its default.
    let reset = apply(&gateway, orders(), false).await.unwrap();
    assert_eq!(names(&reset.changes), ["max_msgs"]);
    let mut wire = nats.wire().await;
    assert_eq!(wire.stream_info("ORDERS").await["config"]["max_msgs"], -1);
}

#[tokio::test]
async fn only_says_what_it_would_do() {
    let (nats, gateway) = start().await;
    let mut wire = nats.wire().await;

    let planned = apply(&gateway, orders(), true).await.unwrap();
    assert_eq!(planned.outcome(), ApplyOutcome::Created);
    assert_eq!(planned.stream, None);
    let answer = wire.try_api("STREAM.INFO.ORDERS", Value::Null).await;
    assert_eq!(answer.unwrap()["error"]["err_code"], 10059);

    apply(&gateway, orders(), false).await.unwrap();
    let other = StreamConfig {
        storage: StorageType::Memory.into(),
        max_msgs: Some(5),
        ..orders()
    };
    let planned = apply(&gateway, other, true).await.unwrap();
    assert_eq!(planned.outcome(), ApplyOutcome::Updated);
    assert_eq!(names(&planned.changes), ["max_msgs", "storage"]);
    let storage = &planned.changes[1];
    assert_eq!(
        (storage.old_value.as_str(), storage.new_value.as_str()),
        (r#""file""#, r#""memory""#)
    );
    assert!(!storage.possible && !storage.remedy.is_empty());
    let stored = wire.stream_info("ORDERS").await["config"].take();
    assert_eq!(
        (&stored["max_msgs"], &stored["storage"]),
        (&json!(-1), &json!("file"))
    );
}

#[tokio::test]
async fn changes_nothing_where_one_change_is_impossible() {
    let (nats, gateway) = start().await;
    apply(&gateway, orders(), false).await.unwrap();

    let other = StreamConfig {
        storage: StorageType::Memory.into(),
        first_seq: 7,
        max_msgs: Some(5),
        ..orders()
    };
    let result = apply(&gateway, other, false).await;

    let status = refused(result, Code::FailedPrecondition, "IMMUTABLE_FIELD");
    assert_eq!(
        metadata(&status, "fields").as_deref(),
        Some("first_seq,storage")
    );
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[1].field, "config.storage");
    assert!(violations[1].description.contains("another stream"));
    let mut wire = nats.wire().await;
    assert_eq!(wire.stream_info("ORDERS").await["config"]["max_msgs"], -1);
}

/// What the plan calls impossible JetStream refuses, and what it calls possible JetStream takes.
#[tokio::test]
async fn the_plan_agrees_with_jetstream() {
    let existing = json!({
        "name": "ORDERS", "subjects": ["orders.>"], "deny_delete": true, "deny_purge": true,
        "allow_msg_ttl": true,
    });
    let (_nats, gateway, mut wire) = start_with_stream(existing).await;
    let settings = [
        ("retention", json!("interest")),
        ("retention", json!("workqueue")),
        ("storage", json!("memory")),
        ("deny_delete", json!(false)),
        ("deny_purge", json!(false)),
        ("allow_msg_ttl", json!(false)),
        ("allow_msg_counter", json!(true)),
        ("persist_mode", json!("async")),
        ("max_consumers", json!(7)),
        ("discard", json!("new")),
        ("no_ack", json!(true)),
        ("compression", json!("s2")),
        ("mirror_direct", json!(true)),
        ("allow_atomic", json!(true)),
        ("allow_batched", json!(true)),
        ("republish", json!({ "src": ">", "dest": "copy.>" })),
        (
            "subject_transform",
            json!({ "src": "orders.a", "dest": "orders.b" }),
        ),
        ("sources", json!([{ "name": "OTHER" }])),
    ];
    let base = StreamConfig {
        deny_delete: true,
        deny_purge: true,
        allow_msg_ttl: true,
        ..orders()
    };
    for (field, value) in settings {
        let desired = with(&base, field, &value);
        let plan = apply(&gateway, desired, true).await.unwrap();
        let change = plan.changes.iter().find(|it| it.field == field);
        let possible = change.unwrap_or_else(|| panic!("{field}")).possible;

        let mut config = wire.stream_info("ORDERS").await["config"].take();
        let before = config.clone();
        config[field] = value;
        let answer = wire.try_api("STREAM.UPDATE.ORDERS", config).await.unwrap();
        assert_eq!(answer.get("error").is_none(), possible, "{field}: {answer}");
        wire.try_api("STREAM.UPDATE.ORDERS", before).await.unwrap();
    }
}

/// `base` with one setting of JetStream's JSON.
fn with(base: &StreamConfig, field: &str, value: &Value) -> StreamConfig {
    use jetgate::proto::{
        Compression, DiscardPolicy, PersistMode, Republish, StreamSource, SubjectTransform,
    };
    let mut config = base.clone();
    let text = |key: &str| value[key].as_str().unwrap().to_owned();
    match field {
        "retention" if value == "interest" => config.retention = RetentionPolicy::Interest.into(),
        "retention" => config.retention = RetentionPolicy::WorkQueue.into(),
        "storage" => config.storage = StorageType::Memory.into(),
        "deny_delete" => config.deny_delete = false,
        "deny_purge" => config.deny_purge = false,
        "allow_msg_ttl" => config.allow_msg_ttl = false,
        "allow_msg_counter" => config.allow_msg_counter = true,
        "persist_mode" => config.persist_mode = PersistMode::Async.into(),
        "max_consumers" => config.max_consumers = Some(7),
        "discard" => config.discard = DiscardPolicy::New.into(),
        "no_ack" => config.no_ack = true,
        "compression" => config.compression = Compression::S2.into(),
        "mirror_direct" => config.mirror_direct = true,
        "allow_atomic" => config.allow_atomic = true,
        "allow_batched" => config.allow_batched = true,
        "republish" => {
            config.republish = Some(Republish {
                src: text("src"),
                dest: text("dest"),
                headers_only: false,
            });
        }
        "subject_transform" => {
            let (src, dest) = (text("src"), text("dest"));
            config.subject_transform = Some(SubjectTransform { src, dest });
        }
        "sources" => {
            let name = value[0]["name"].as_str().unwrap().to_owned();
            config.sources = vec![StreamSource {
                name,
                ..StreamSource::default()
            }];
        }
        _ => panic!("{field}"),
    }
    config
}

#[tokio::test]
async fn a_sealed_stream_stays_as_it_is() {
    let (_nats, gateway) = start().await;
    let sealed = StreamConfig {
        sealed: true,
        ..orders()
    };
    let status = refused(
        apply(&gateway, sealed.clone(), false).await,
        Code::InvalidArgument,
        "INVALID_REQUEST",
    );
    assert_eq!(violated_field(&status), "config.sealed");
    apply(&gateway, orders(), false).await.unwrap();

    let first = apply(&gateway, sealed.clone(), false).await.unwrap();
    let second = apply(&gateway, sealed, false).await.unwrap();

    assert_eq!(first.outcome(), ApplyOutcome::Updated);
    assert_eq!(second.outcome(), ApplyOutcome::Unchanged);
}

#[tokio::test]
async fn two_that_apply_the_same_at_once_both_succeed() {
    let (_nats, gateway) = start().await;
    let (one, other) = tokio::join!(
        apply(&gateway, orders(), false),
        apply(&gateway, orders(), false)
    );
    for answer in [one.unwrap(), other.unwrap()] {
        assert_ne!(answer.outcome(), ApplyOutcome::Updated);
        assert!(answer.stream.is_some());
    }
}
