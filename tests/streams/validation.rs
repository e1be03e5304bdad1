//! What no stream can have, refused before JetStream is asked, and which field is blamed.

use jetgate::proto::{
    CreateStreamRequest, DeleteStreamRequest, GetStreamRequest, StreamConfig, UpdateStreamRequest,
};
use tonic::Code;

use super::{create, named, seconds};
use crate::support::{Gateway, refused, start, violated_field};

/// Creates a stream and returns the field that is blamed.
async fn blamed(gateway: &Gateway, config: StreamConfig) -> String {
    let answer = create(gateway, config).await;
    violated_field(&refused(answer, Code::InvalidArgument, "INVALID_REQUEST"))
}

#[tokio::test]
async fn refuses_bad_names_everywhere() {
    let (_nats, gateway) = start().await;
    let long = "x".repeat(256);
    let mut streams = gateway.streams();

    for name in [
        "", "a.b", "a*", ">", "a/b", "a\\b", "a b", "a\tb", "a\nb", "a\u{0}b", &long,
    ] {
        let name = name.to_owned();
        let config = StreamConfig {
            name: name.clone(),
            ..named("S")
        };
        assert_eq!(
            blamed(&gateway, config.clone()).await,
            "config.name",
            "{name:?}"
        );

        let request = UpdateStreamRequest {
            config: Some(config),
            ..Default::default()
        };
        let answer = streams.update_stream(request).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), "config.name", "{name:?}");

        let answer = streams
            .get_stream(GetStreamRequest {
                stream: name.clone(),
            })
            .await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), "stream", "{name:?}");

        let answer = streams
            .delete_stream(DeleteStreamRequest {
                stream: name.clone(),
            })
            .await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), "stream", "{name:?}");
    }
}

#[tokio::test]
async fn refuses_a_request_without_a_configuration() {
    let (_nats, gateway) = start().await;

    let answer = gateway
        .streams()
        .create_stream(CreateStreamRequest { config: None })
        .await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    assert!(violated_field(&status).starts_with("config"));

    let answer = gateway
        .streams()
        .update_stream(UpdateStreamRequest::default())
        .await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    assert!(violated_field(&status).starts_with("config"));
}

#[tokio::test]
async fn refuses_subjects_that_are_none_or_the_servers() {
    let (_nats, gateway) = start().await;
    let bad = [
        "", ".", "a..b", "a b", "a.", "a.>.b", ">", "$JS.>", "$SYS.x", "_INBOX.>", "a\r\nb",
    ];

    for subject in bad {
        let subjects = vec!["good".to_owned(), subject.to_owned()];
        let field = blamed(
            &gateway,
            StreamConfig {
                subjects,
                ..named("S")
            },
        )
        .await;
        assert!(field.starts_with("config.subjects"), "{subject:?}: {field}");
    }

    let none = StreamConfig {
        subjects: Vec::new(),
        ..named("S")
    };
    assert!(blamed(&gateway, none).await.starts_with("config.subjects"));
}

#[tokio::test]
async fn refuses_enum_values_that_it_does_not_know() {
    let (_nats, gateway) = start().await;

    for (config, field) in [
        (
            StreamConfig {
                retention: 99,
                ..named("S")
            },
            "config.retention",
        ),
        (
            StreamConfig {
                storage: 99,
                ..named("S")
            },
            "config.storage",
        ),
        (
            StreamConfig {
                discard: -1,
                ..named("S")
            },
            "config.discard",
        ),
        (
            StreamConfig {
                compression: 99,
                ..named("S")
            },
            "config.compression",
        ),
    ] {
        assert_eq!(blamed(&gateway, config).await, field);
    }
}

#[tokio::test]
async fn refuses_durations_that_are_negative_or_too_short() {
    let (_nats, gateway) = start().await;
    let millis = |millis: i32| {
        Some(prost_types::Duration {
            seconds: 0,
            nanos: millis * 1_000_000,
        })
    };

    for (config, field) in [
        (
            StreamConfig {
                max_age: seconds(-1),
                ..named("S")
            },
            "config.max_age",
        ),
        (
            StreamConfig {
                max_age: millis(50),
                ..named("S")
            },
            "config.max_age",
        ),
        (
            StreamConfig {
                duplicate_window: seconds(-1),
                ..named("S")
            },
            "config.duplicate_window",
        ),
        (
            StreamConfig {
                duplicate_window: millis(50),
                ..named("S")
            },
            "config.duplicate_window",
        ),
        (
            StreamConfig {
                max_age: seconds(i64::MAX),
                ..named("S")
            },
            "config.max_age",
        ),
    ] {
        assert_eq!(blamed(&gateway, config.clone()).await, field, "{config:?}");
    }
}

#[tokio::test]
async fn refuses_limits_that_are_none() {
    let (_nats, gateway) = start().await;

    for (config, field) in [
        (
            StreamConfig {
                max_msgs: Some(0),
                ..named("S")
            },
            "config.max_msgs",
        ),
        (
            StreamConfig {
                max_msgs: Some(-2),
                ..named("S")
            },
            "config.max_msgs",
        ),
        (
            StreamConfig {
                num_replicas: 6,
                ..named("S")
            },
            "config.num_replicas",
        ),
        (
            StreamConfig {
                description: "x".repeat(4097),
                ..named("S")
            },
            "config.description",
        ),
    ] {
        assert_eq!(blamed(&gateway, config).await, field);
    }
}

#[tokio::test]
async fn takes_the_longest_name() {
    let (_nats, gateway) = start().await;
    let name = "x".repeat(255);

    let config = StreamConfig {
        name: name.clone(),
        ..named("S")
    };
    let stream = create(&gateway, config).await.unwrap();

    assert_eq!(stream.config.unwrap().name, name);
}
