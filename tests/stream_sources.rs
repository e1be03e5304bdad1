//! Streams that get messages from others and pass them on.

use jetgate::proto::{
    CreateStreamRequest, ExternalStream, GetStreamRequest, Republish, Stream, StreamConfig,
    StreamSource, SubjectTransform, UpdateStreamRequest,
};
use prost_types::FieldMask;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{
    Gateway, NatsServer, SOON, Wire, eventually, refused, start_with_stream, violated_field,
};

/// A stream `ORIGIN` with a message each on `origin.a` and `origin.b`.
async fn start() -> (NatsServer, Gateway, Wire) {
    let origin = json!({ "name": "ORIGIN", "subjects": ["origin.>"], "allow_direct": true });
    let (nats, gateway, mut wire) = start_with_stream(origin).await;
    wire.store("origin.a", b"one").await;
    wire.store("origin.b", b"two").await;
    (nats, gateway, wire)
}

async fn create(gateway: &Gateway, config: StreamConfig) -> Result<Stream, Status> {
    let request = CreateStreamRequest {
        config: Some(config),
    };
    let answer = gateway.streams().create_stream(request).await?;
    Ok(answer.into_inner().stream.unwrap())
}

async fn update(
    gateway: &Gateway,
    config: StreamConfig,
    fields: &[&str],
) -> Result<Stream, Status> {
    let paths = fields.iter().map(ToString::to_string).collect();
    let request = UpdateStreamRequest {
        config: Some(config),
        update_mask: Some(FieldMask { paths }),
        ..UpdateStreamRequest::default()
    };
    let answer = gateway.streams().update_stream(request).await?;
    Ok(answer.into_inner().stream.unwrap())
}

fn named(name: &str) -> StreamConfig {
    StreamConfig {
        name: name.to_owned(),
        ..StreamConfig::default()
    }
}

fn from_origin() -> StreamSource {
    StreamSource {
        name: "ORIGIN".to_owned(),
        ..StreamSource::default()
    }
}

/// Waits until a stream holds this many messages.
async fn until_holding(wire: &mut Wire, stream: &str, messages: u64) {
    eventually(SOON, async || {
        (wire.count(stream).await == messages).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_mirror_copies_and_can_become_a_stream_of_its_own() {
    let (_nats, gateway, mut wire) = start().await;
    let mirror = StreamConfig {
        mirror: Some(from_origin()),
        ..named("COPY")
    };

    let created = create(&gateway, mirror.clone()).await.unwrap();
    assert_eq!(created.config.unwrap().mirror, Some(from_origin()));
    until_holding(&mut wire, "COPY", 2).await;
    // JetStream has set mirror_direct meanwhile, which counts as no difference.
    assert!(create(&gateway, mirror).await.is_ok());

    let bare = update(&gateway, named("COPY"), &["mirror"]).await;
    let status = refused(bare, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "config.subjects");
    let own = StreamConfig {
        subjects: vec!["copy.>".to_owned()],
        ..named("COPY")
    };
    let promoted = update(&gateway, own, &["mirror", "subjects"])
        .await
        .unwrap();
    assert_eq!(promoted.config.unwrap().mirror, None);
    assert_eq!(wire.store("copy.c", b"").await, 3);
}

#[tokio::test]
async fn a_mirror_cannot_change_its_origin() {
    let (_nats, gateway, _wire) = start().await;
    let mirror = |mirror| StreamConfig {
        mirror: Some(mirror),
        ..named("COPY")
    };
    create(&gateway, mirror(from_origin())).await.unwrap();

    let other = StreamSource {
        name: "OTHER".to_owned(),
        ..StreamSource::default()
    };
    let result = update(&gateway, mirror(other), &["mirror"]).await;

    refused(result, Code::FailedPrecondition, "IMMUTABLE_FIELD");
}

#[tokio::test]
async fn sources_are_filtered_transformed_and_changed() {
    let (_nats, gateway, mut wire) = start().await;
    let transformed = StreamSource {
        subject_transforms: vec![SubjectTransform {
            src: "origin.a".to_owned(),
            dest: "all.a".to_owned(),
        }],
        ..from_origin()
    };
    let with = |sources: Vec<StreamSource>| StreamConfig {
        subjects: vec!["all.>".to_owned()],
        sources,
        ..named("ALL")
    };

    create(&gateway, with(vec![transformed.clone()]))
        .await
        .unwrap();
    until_holding(&mut wire, "ALL", 1).await;
    assert_eq!(wire.stored("ALL", 1).await.subject, "all.a");

    let far = StreamSource {
        name: "FAR".to_owned(),
        external: Some(ExternalStream {
            api: "$JS.hub.API".to_owned(),
            deliver: String::new(),
        }),
        ..StreamSource::default()
    };
    let both = with(vec![far.clone(), transformed.clone()]);
    let updated = update(&gateway, both, &["sources"]).await.unwrap();
    assert_eq!(
        updated.config.unwrap().sources,
        [far.clone(), transformed.clone()]
    );
    // The order is no difference.
    assert!(create(&gateway, with(vec![transformed, far])).await.is_ok());
}

#[tokio::test]
async fn messages_are_transformed_and_published_again() {
    let (_nats, gateway, mut wire) = start().await;
    let config = StreamConfig {
        subjects: vec!["in.*".to_owned()],
        subject_transform: Some(SubjectTransform {
            src: "in.*".to_owned(),
            dest: "stored.{{wildcard(1)}}".to_owned(),
        }),
        republish: Some(Republish {
            src: String::new(),
            dest: "copy.>".to_owned(),
            headers_only: false,
        }),
        ..named("S")
    };
    let created = create(&gateway, config.clone()).await.unwrap();
    assert_eq!(created.config.unwrap().republish.unwrap().src, ">");
    // JetStream's default for src is no difference.
    create(&gateway, config).await.unwrap();
    let copies = wire.subscribe("copy.>").await;

    wire.store("in.x", b"payload").await;

    let copy = wire.next(copies, SOON).await.unwrap();
    assert_eq!(copy.subject, "copy.stored.x");
    assert_eq!(copy.payload, b"payload");
}

#[tokio::test]
async fn nothing_is_passed_on_to_where_servers_listen() {
    let (_nats, gateway, _wire) = start().await;
    let republishing = |dest: &str| StreamConfig {
        subjects: vec!["s.>".to_owned()],
        republish: Some(Republish {
            dest: dest.to_owned(),
            ..Republish::default()
        }),
        ..named("S")
    };
    for dest in ["$JS.API.>", "_INBOX.>", "$1.x", "{{wildcard(1)}}.>", ">"] {
        let result = create(&gateway, republishing(dest)).await;
        let status = refused(result, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), "config.republish.dest", "{dest}");
    }
    for api in ["$SYS.REQ", "$JS.API", "_INBOX.x", ""] {
        let external = ExternalStream {
            api: api.to_owned(),
            deliver: String::new(),
        };
        let mirror = StreamSource {
            external: Some(external),
            ..from_origin()
        };
        let config = StreamConfig {
            mirror: Some(mirror),
            ..named("S")
        };
        let result = create(&gateway, config).await;
        let status = refused(result, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), "config.mirror.external.api");
    }
}

#[tokio::test]
async fn switches_that_jetstream_sets_with_others_are_no_difference() {
    let (_nats, gateway, _wire) = start().await;
    let config = StreamConfig {
        subjects: vec!["s.>".to_owned()],
        subject_delete_marker_ttl: Some(prost_types::Duration {
            seconds: 5,
            nanos: 0,
        }),
        allow_msg_schedules: true,
        allow_atomic: true,
        allow_batched: true,
        ..named("S")
    };

    let first = create(&gateway, config.clone()).await.unwrap();
    let again = create(&gateway, config).await.unwrap();

    let set = first.config.unwrap();
    assert!(set.allow_rollup_hdrs && set.allow_msg_ttl && set.allow_batched && set.allow_atomic);
    assert_eq!(first.etag, again.etag);
}

#[tokio::test]
async fn a_stream_with_sources_remembers_no_ids() {
    let (_nats, gateway, mut wire) = start().await;
    let config = StreamConfig {
        subjects: vec!["s.>".to_owned()],
        sources: vec![from_origin()],
        ..named("S")
    };
    create(&gateway, config.clone()).await.unwrap();
    until_holding(&mut wire, "S", 2).await;

    for _ in 0..2 {
        let id = b"Nats-Msg-Id: 1\r\n";
        wire.request("s.a", Some(id), b"").await.unwrap();
    }

    assert_eq!(wire.count("S").await, 4);
    let request = GetStreamRequest {
        stream: "S".to_owned(),
    };
    let stream = gateway.streams().get_stream(request).await.unwrap();
    let shown = stream.into_inner().stream.unwrap().config.unwrap();
    assert_eq!(shown.duplicate_window, None);
    assert!(create(&gateway, config).await.is_ok());
}

#[tokio::test]
async fn a_stream_says_how_it_keeps_up() {
    let (_nats, gateway, mut wire) = start().await;
    let missing = StreamSource {
        name: "MISSING".to_owned(),
        ..StreamSource::default()
    };
    let config = StreamConfig {
        sources: vec![from_origin(), missing],
        ..named("ALL")
    };
    create(&gateway, config).await.unwrap();
    until_holding(&mut wire, "ALL", 2).await;

    let request = GetStreamRequest {
        stream: "ALL".to_owned(),
    };
    let stream = gateway.streams().get_stream(request).await.unwrap();

    let mut sources = stream.into_inner().stream.unwrap().sources;
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    let [missing, origin] = &sources[..] else {
        panic!("{sources:?}")
    };
    assert_eq!((missing.name.as_str(), missing.active), ("MISSING", None));
    assert_eq!((origin.name.as_str(), origin.lag), ("ORIGIN", 0));
    assert!(origin.active.is_some() && origin.error.is_empty());
}
