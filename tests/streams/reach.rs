//! Settings that the operator can switch off, because they reach beyond the stream.

use jetgate::proto::{
    ApplyStreamRequest, CreateStreamRequest, ExternalStream, GetInfoRequest, Placement, Republish,
    StreamConfig, StreamSource, UpdateStreamRequest,
};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::support::{Gateway, NatsServer, metadata, refused, violated_field};

/// A gateway on which nothing of this kind is allowed.
async fn start() -> (NatsServer, Gateway, Gateway) {
    let nats = NatsServer::start().await;
    let free = Gateway::start(&nats.url()).await;
    let change = |config: &mut jetgate::config::Config| {
        config.streams.allow_republish = false;
        config.streams.allow_external_sources = false;
        config.streams.allow_placement = false;
    };
    let strict = Gateway::start_with(&nats.url(), change).await;
    (nats, free, strict)
}

/// Each such setting: a stream with it, the field, and the switch.
fn reaching() -> Vec<(StreamConfig, &'static str, &'static str)> {
    let plain = |name: &str| StreamConfig {
        name: name.to_owned(),
        subjects: vec![name.to_lowercase()],
        ..StreamConfig::default()
    };
    let far = StreamSource {
        name: "ORIGIN".to_owned(),
        external: Some(ExternalStream {
            api: "$JS.hub.API".to_owned(),
            deliver: String::new(),
        }),
        ..StreamSource::default()
    };
    let near = StreamSource {
        name: "NEAR".to_owned(),
        ..StreamSource::default()
    };
    let republish = Republish {
        dest: "copy.>".to_owned(),
        ..Republish::default()
    };
    let placement = Placement {
        tags: vec!["ssd".to_owned()],
        ..Placement::default()
    };
    vec![
        (
            StreamConfig {
                republish: Some(republish),
                ..plain("REPUBLISH")
            },
            "config.republish",
            "streams.allow_republish",
        ),
        (
            StreamConfig {
                placement: Some(placement),
                ..plain("PLACED")
            },
            "config.placement",
            "streams.allow_placement",
        ),
        (
            StreamConfig {
                mirror: Some(far.clone()),
                subjects: vec![],
                ..plain("MIRROR")
            },
            "config.mirror.external",
            "streams.allow_external_sources",
        ),
        (
            StreamConfig {
                sources: vec![near, far],
                ..plain("SOURCES")
            },
            "config.sources[1].external",
            "streams.allow_external_sources",
        ),
    ]
}

async fn create(gateway: &Gateway, config: &StreamConfig) -> Result<(), Status> {
    let config = Some(config.clone());
    let mut streams = gateway.streams();
    let created = streams.create_stream(CreateStreamRequest { config });
    created.await.map(|_| ())
}

async fn apply(
    gateway: &Gateway,
    config: &StreamConfig,
    validate_only: bool,
) -> Result<(), Status> {
    let request = ApplyStreamRequest {
        config: Some(config.clone()),
        validate_only,
        ..ApplyStreamRequest::default()
    };
    gateway.streams().apply_stream(request).await.map(|_| ())
}

async fn update(gateway: &Gateway, config: &StreamConfig, mask: &[&str]) -> Result<(), Status> {
    let paths: Vec<_> = mask.iter().map(ToString::to_string).collect();
    let request = UpdateStreamRequest {
        config: Some(config.clone()),
        update_mask: (!paths.is_empty()).then_some(FieldMask { paths }),
        ..UpdateStreamRequest::default()
    };
    gateway.streams().update_stream(request).await.map(|_| ())
}

#[track_caller]
fn assert_off(result: Result<(), Status>, field: &str, switch: &str) {
    let status = refused(result, Code::PermissionDenied, "DISABLED_BY_OPERATOR");
    assert_eq!(violated_field(&status), field);
    assert_eq!(metadata(&status, "switch").as_deref(), Some(switch));
}

#[tokio::test]
async fn what_is_off_is_refused_by_its_field() {
    let (_nats, free, strict) = start().await;
    for (config, field, switch) in reaching() {
        assert_off(create(&strict, &config).await, field, switch);
        for validate_only in [true, false] {
            assert_off(apply(&strict, &config, validate_only).await, field, switch);
        }
        create(&free, &config).await.unwrap();
    }
    let plain = StreamConfig {
        name: "PLAIN".to_owned(),
        subjects: vec!["plain".to_owned()],
        ..StreamConfig::default()
    };
    create(&strict, &plain).await.unwrap();
    for (config, field, switch) in reaching() {
        if config.mirror.is_some() {
            continue; // What is no mirror cannot become one.
        }
        let config = StreamConfig {
            name: "PLAIN".to_owned(),
            subjects: plain.subjects.clone(),
            ..config
        };
        assert_off(update(&strict, &config, &[]).await, field, switch);
        assert_off(apply(&strict, &config, false).await, field, switch);
    }
}

#[tokio::test]
async fn what_is_there_already_stays_and_does_not_stand_in_the_way() {
    let (_nats, free, strict) = start().await;
    for (config, field, switch) in reaching() {
        create(&free, &config).await.unwrap();

        // Equal streams may be created again, and other settings change beside these.
        create(&strict, &config).await.unwrap();
        apply(&strict, &config, false).await.unwrap();
        let described = StreamConfig {
            description: "d".to_owned(),
            ..config.clone()
        };
        update(&strict, &described, &["description"]).await.unwrap();
        update(&strict, &described, &[]).await.unwrap();
        let counted = StreamConfig {
            max_msgs: Some(5),
            ..described
        };
        apply(&strict, &counted, false).await.unwrap();

        let mut other = counted;
        match (&mut other.republish, &mut other.placement) {
            (Some(republish), _) => republish.dest = "elsewhere.>".to_owned(),
            (_, Some(placement)) => placement.tags.push("fast".to_owned()),
            _ => {
                let sources = other.mirror.iter_mut().chain(&mut other.sources);
                for source in sources.filter(|it| it.external.is_some()) {
                    source.external.as_mut().unwrap().api = "$JS.leaf.API".to_owned();
                }
            }
        }
        assert_off(update(&strict, &other, &[]).await, field, switch);
    }
}

#[tokio::test]
async fn what_is_off_may_be_taken_away() {
    let (_nats, free, strict) = start().await;
    for (config, ..) in reaching() {
        create(&free, &config).await.unwrap();
        let plain = StreamConfig {
            name: config.name.clone(),
            subjects: vec![config.name.to_lowercase()],
            ..StreamConfig::default()
        };
        apply(&strict, &plain, false).await.unwrap();
    }
}

#[tokio::test]
async fn the_switches_can_be_seen() {
    let (_nats, free, strict) = start().await;
    for (gateway, expected) in [(free, true), (strict, false)] {
        let info = gateway.gateway().get_info(GetInfoRequest {}).await.unwrap();
        let limits = info.into_inner().limits.unwrap();
        let switches = [
            limits.allow_republish,
            limits.allow_external_sources,
            limits.allow_placement,
        ];
        assert_eq!(switches, [expected; 3]);
    }
}
