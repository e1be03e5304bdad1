//! What no consumer can have, refused before JetStream is asked, and which field is blamed.

use jetgate::proto::{
    ConsumerConfig, CreateConsumerRequest, DeleteConsumerRequest, DeliverPolicy,
    GetConsumerRequest, ListConsumersRequest, UpdateConsumerRequest,
};
use tonic::Code;

use super::{create, durable, seconds, start};
use crate::support::{Gateway, refused, violated_field};

/// Creates a consumer and returns the field that is blamed.
async fn blamed(gateway: &Gateway, config: ConsumerConfig) -> String {
    let answer = create(gateway, config).await;
    violated_field(&refused(answer, Code::InvalidArgument, "INVALID_REQUEST"))
}

#[tokio::test]
async fn refuses_bad_consumer_names_everywhere() {
    let (_nats, gateway, _wire) = start().await;
    let long = "x".repeat(256);
    let mut consumers = gateway.consumers();

    for name in [
        "a.b", "a*", ">", "a/b", "a\\b", "a b", "a\tb", "a\nb", "a\u{0}b", &long,
    ] {
        assert_eq!(
            blamed(&gateway, durable(name)).await,
            "config.durable_name",
            "{name:?}"
        );
        let (stream, consumer) = ("ORDERS".to_owned(), name.to_owned());
        let ephemeral = ConsumerConfig {
            name: consumer.clone(),
            ..ConsumerConfig::default()
        };
        assert_eq!(blamed(&gateway, ephemeral).await, "config.name", "{name:?}");

        let request = GetConsumerRequest {
            stream: stream.clone(),
            consumer: consumer.clone(),
        };
        let answer = consumers.get_consumer(request).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), "consumer", "{name:?}");

        let answer = consumers
            .delete_consumer(DeleteConsumerRequest { stream, consumer })
            .await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), "consumer", "{name:?}");
    }
}

#[tokio::test]
async fn refuses_bad_stream_names_everywhere() {
    let (_nats, gateway, _wire) = start().await;
    let mut consumers = gateway.consumers();

    for name in ["", "a.b", "*", ">", "a b", "a\nb"] {
        let (stream, consumer) = (name.to_owned(), "c".to_owned());
        let config = Some(durable("c"));
        let request = CreateConsumerRequest {
            stream: stream.clone(),
            config: config.clone(),
        };
        let created = consumers.create_consumer(request).await.err();
        let request = UpdateConsumerRequest {
            stream: stream.clone(),
            config,
            ..Default::default()
        };
        let updated = consumers.update_consumer(request).await.err();
        let request = ListConsumersRequest {
            stream: stream.clone(),
            ..Default::default()
        };
        let listed = consumers.list_consumers(request).await.err();
        let request = GetConsumerRequest {
            stream: stream.clone(),
            consumer: consumer.clone(),
        };
        let found = consumers.get_consumer(request).await.err();
        let request = DeleteConsumerRequest { stream, consumer };
        let deleted = consumers.delete_consumer(request).await.err();

        for status in [created, updated, listed, found, deleted] {
            let status = status.map_or(Ok(()), Err);
            let status = refused(status, Code::InvalidArgument, "INVALID_REQUEST");
            assert_eq!(violated_field(&status), "stream", "{name:?}");
        }
    }
}

#[tokio::test]
async fn refuses_a_consumer_without_a_name_and_one_with_two() {
    let (_nats, gateway, _wire) = start().await;

    let field = blamed(&gateway, ConsumerConfig::default()).await;
    assert!(
        ["config.durable_name", "config.name"].contains(&field.as_str()),
        "{field}"
    );

    let two = ConsumerConfig {
        name: "other".to_owned(),
        ..durable("c")
    };
    let field = blamed(&gateway, two).await;
    assert!(
        ["config.durable_name", "config.name"].contains(&field.as_str()),
        "{field}"
    );
}

#[tokio::test]
async fn refuses_filters_that_are_none_or_two_kinds_of_them() {
    let (_nats, gateway, _wire) = start().await;

    for subject in ["a..b", "a b", "a.", ".a", "a.>.b", "a\r\nb"] {
        let filter_subject = subject.to_owned();
        let field = blamed(
            &gateway,
            ConsumerConfig {
                filter_subject,
                ..durable("c")
            },
        )
        .await;
        assert_eq!(field, "config.filter_subject", "{subject:?}");
        let filter_subjects = vec!["good".to_owned(), subject.to_owned()];
        let field = blamed(
            &gateway,
            ConsumerConfig {
                filter_subjects,
                ..durable("c")
            },
        )
        .await;
        assert!(
            field.starts_with("config.filter_subjects"),
            "{subject:?}: {field}"
        );
    }

    let filter_subject = "orders.a".to_owned();
    let filter_subjects = vec!["orders.b".to_owned()];
    let both = ConsumerConfig {
        filter_subject,
        filter_subjects,
        ..durable("c")
    };
    assert!(
        blamed(&gateway, both)
            .await
            .starts_with("config.filter_subject")
    );
}

#[tokio::test]
async fn refuses_filters_that_overlap() {
    let (_nats, gateway, _wire) = start().await;

    let filter_subjects = vec!["orders.>".to_owned(), "orders.x".to_owned()];
    let answer = create(
        &gateway,
        ConsumerConfig {
            filter_subjects,
            ..durable("c")
        },
    )
    .await;

    assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn refuses_enum_values_that_it_does_not_know() {
    let (_nats, gateway, _wire) = start().await;

    for (config, field) in [
        (
            ConsumerConfig {
                ack_policy: 99,
                ..durable("c")
            },
            "config.ack_policy",
        ),
        (
            ConsumerConfig {
                deliver_policy: 99,
                ..durable("c")
            },
            "config.deliver_policy",
        ),
        (
            ConsumerConfig {
                replay_policy: -1,
                ..durable("c")
            },
            "config.replay_policy",
        ),
    ] {
        assert_eq!(blamed(&gateway, config).await, field);
    }
}

#[tokio::test]
async fn refuses_durations_that_are_negative() {
    let (_nats, gateway, _wire) = start().await;

    for (config, field) in [
        (
            ConsumerConfig {
                ack_wait: seconds(-1),
                ..durable("c")
            },
            "config.ack_wait",
        ),
        (
            ConsumerConfig {
                max_expires: seconds(-1),
                ..durable("c")
            },
            "config.max_expires",
        ),
        (
            ConsumerConfig {
                inactive_threshold: seconds(-1),
                ..durable("c")
            },
            "config.inactive_threshold",
        ),
    ] {
        assert_eq!(blamed(&gateway, config).await, field);
    }
    let backoff = vec![seconds(1).unwrap(), seconds(-1).unwrap()];
    let field = blamed(
        &gateway,
        ConsumerConfig {
            backoff,
            ..durable("c")
        },
    )
    .await;
    assert!(field.starts_with("config.backoff"), "{field}");
}

#[tokio::test]
async fn refuses_limits_that_are_none() {
    let (_nats, gateway, _wire) = start().await;

    for (config, field) in [
        (
            ConsumerConfig {
                max_deliver: Some(0),
                ..durable("c")
            },
            "config.max_deliver",
        ),
        (
            ConsumerConfig {
                description: "x".repeat(4097),
                ..durable("c")
            },
            "config.description",
        ),
    ] {
        assert_eq!(blamed(&gateway, config).await, field);
    }
}

#[tokio::test]
async fn refuses_more_backoff_than_deliveries() {
    let (_nats, gateway, _wire) = start().await;

    let backoff = vec![seconds(1).unwrap(), seconds(2).unwrap()];
    let config = ConsumerConfig {
        backoff,
        max_deliver: Some(1),
        ..durable("c")
    };

    let answer = create(&gateway, config).await;
    assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn refuses_a_start_that_does_not_go_with_the_policy() {
    let (_nats, gateway, _wire) = start().await;
    let policy = |policy: DeliverPolicy| policy as i32;
    let by_sequence = policy(DeliverPolicy::ByStartSequence);
    let by_time = policy(DeliverPolicy::ByStartTime);
    let time = Some("2026-01-02T03:04:05Z".parse().unwrap());

    for (config, field) in [
        (
            ConsumerConfig {
                deliver_policy: by_sequence,
                ..durable("c")
            },
            "config.opt_start_seq",
        ),
        (
            ConsumerConfig {
                deliver_policy: by_time,
                ..durable("c")
            },
            "config.opt_start_time",
        ),
        (
            ConsumerConfig {
                opt_start_seq: 5,
                ..durable("c")
            },
            "config.opt_start_seq",
        ),
        (
            ConsumerConfig {
                opt_start_time: time,
                ..durable("c")
            },
            "config.opt_start_time",
        ),
    ] {
        assert_eq!(blamed(&gateway, config).await, field);
    }
}
