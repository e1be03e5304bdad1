//! Messages that produce others: what is kept, what is produced and when, and what is refused.

use std::time::{Duration, SystemTime};

use jetgate::proto::publish_request::{Expiry, Payload};
use jetgate::proto::schedule::When;
use jetgate::proto::{Header, PublishRequest, Schedule};
use prost_types::Timestamp;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{
    NatsServer, SOON, StoredMessage, eventually, metadata, refused, start_with_stream,
    violated_field,
};

/// A stream that keeps schedules.
fn jobs() -> Value {
    json!({ "name": "JOBS", "subjects": ["jobs.>"], "allow_msg_schedules": true, "allow_msg_ttl": true })
}

fn schedule(when: When) -> Schedule {
    Schedule {
        when: Some(when),
        target: "jobs.run".to_owned(),
        ..Schedule::default()
    }
}

fn soon() -> When {
    When::At((SystemTime::now() + Duration::from_secs(1)).into())
}

fn every_second() -> When {
    When::Every(prost_types::Duration {
        seconds: 1,
        nanos: 0,
    })
}

fn cron(expression: &str) -> When {
    When::Cron(expression.to_owned())
}

fn request(schedule: Schedule) -> PublishRequest {
    PublishRequest {
        subject: "jobs.plan".to_owned(),
        payload: Some(Payload::Text("work".to_owned())),
        schedule: Some(schedule.into()),
        ..PublishRequest::default()
    }
}

/// The last message of a subject, once there is one with that payload.
async fn last(nats: &NatsServer, subject: &str, payload: &str) -> StoredMessage {
    eventually(SOON, async || {
        let mut wire = nats.wire().await;
        let body = json!({ "last_by_subj": subject });
        let answer = wire.try_api("STREAM.MSG.GET.JOBS", body).await?;
        let sequence = answer["message"]["seq"].as_u64()?;
        let stored = wire.stored("JOBS", sequence).await;
        (stored.payload == payload.as_bytes()).then_some(stored)
    })
    .await
}

#[tokio::test]
async fn a_message_for_later_comes_at_its_time_and_its_schedule_goes() {
    let (nats, gateway, _wire) = start_with_stream(jobs()).await;
    let header = Header {
        name: "Kind".to_owned(),
        value: "late".to_owned(),
        ..Header::default()
    };
    let ttl = Some(prost_types::Duration {
        seconds: 3600,
        nanos: 0,
    });
    let plan = PublishRequest {
        headers: vec![header],
        ..request(Schedule {
            ttl,
            ..schedule(soon())
        })
    };

    let started = SystemTime::now();
    let answer = gateway.publisher().publish(plan).await.unwrap();
    assert_eq!(answer.into_inner().sequence, 1);

    let produced = last(&nats, "jobs.run", "work").await;
    assert!(started.elapsed().unwrap() >= Duration::from_millis(900));
    assert_eq!(produced.header("Kind"), ["late"]);
    assert_eq!(produced.header("Nats-TTL"), ["3600"]);
    assert_eq!(produced.header("Nats-Scheduler"), ["jobs.plan"]);
    assert!(produced.header("Nats-Msg-Id").is_empty());
    eventually(SOON, async || {
        (nats.wire().await.count("JOBS").await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_interval_and_a_cron_expression_produce_again_and_again() {
    let (nats, gateway, _wire) = start_with_stream(jobs()).await;
    for (name, when) in [("every", every_second()), ("cron", cron("* * * * * *"))] {
        let plan = PublishRequest {
            subject: format!("jobs.{name}"),
            ..request(Schedule {
                target: format!("jobs.run.{name}"),
                ..schedule(when)
            })
        };
        gateway.publisher().publish(plan).await.unwrap();
    }

    eventually(SOON, async || {
        let body = json!({ "subjects_filter": "jobs.run.*" });
        let mut wire = nats.wire().await;
        let info = wire.try_api("STREAM.INFO.JOBS", body).await?;
        let counts = &info["state"]["subjects"];
        let produced = |name: &str| counts[format!("jobs.run.{name}")].as_u64();
        (produced("every")? >= 2 && produced("cron")? >= 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_source_is_sampled_once_it_has_a_message() {
    let (nats, gateway, mut wire) = start_with_stream(jobs()).await;
    let plan = Schedule {
        source: "jobs.sensor".to_owned(),
        ..schedule(every_second())
    };
    gateway.publisher().publish(request(plan)).await.unwrap();

    last(&nats, "jobs.run", "work").await;
    wire.store("jobs.sensor", b"21 degrees").await;
    last(&nats, "jobs.run", "21 degrees").await;
}

#[tokio::test]
async fn a_new_schedule_of_a_subject_replaces_the_old_one() {
    let (_nats, gateway, mut wire) = start_with_stream(jobs()).await;
    let mut publisher = gateway.publisher();

    publisher
        .publish(request(schedule(cron("@daily"))))
        .await
        .unwrap();
    let in_zone = Schedule {
        time_zone: "Europe/Berlin".to_owned(),
        ..schedule(cron("0 30 9 * * mon-fri"))
    };
    publisher.publish(request(in_zone)).await.unwrap();

    assert_eq!(wire.count("JOBS").await, 1);
    let stored = wire.stored("JOBS", 2).await;
    assert_eq!(stored.header("Nats-Schedule"), ["0 30 9 * * mon-fri"]);
    assert_eq!(stored.header("Nats-Schedule-Time-Zone"), ["Europe/Berlin"]);
    assert_eq!(stored.header("Nats-Schedule-Target"), ["jobs.run"]);
}

#[tokio::test]
async fn a_stream_without_the_setting_says_which_it_needs() {
    let config = json!({ "name": "JOBS", "subjects": ["jobs.>"] });
    let (_nats, gateway, mut wire) = start_with_stream(config).await;

    for validate_only in [true, false] {
        let plan = PublishRequest {
            validate_only,
            ..request(schedule(cron("@daily")))
        };
        let answer = gateway.publisher().publish(plan).await;
        let status = refused(answer, Code::FailedPrecondition, "NOT_ENABLED_ON_STREAM");
        let setting = metadata(&status, "setting");
        assert_eq!(setting.as_deref(), Some("allow_msg_schedules"));
    }
    assert_eq!(wire.count("JOBS").await, 0);
}

#[tokio::test]
async fn a_ttl_of_what_is_produced_needs_its_setting() {
    let mut config = jobs();
    config["allow_msg_ttl"] = json!(false);
    let (_nats, gateway, _wire) = start_with_stream(config).await;
    let ttl = Some(prost_types::Duration {
        seconds: 60,
        nanos: 0,
    });

    for validate_only in [true, false] {
        let plan = Schedule {
            ttl,
            ..schedule(cron("@daily"))
        };
        let plan = PublishRequest {
            validate_only,
            ..request(plan)
        };
        let answer = gateway.publisher().publish(plan).await;
        let status = refused(answer, Code::FailedPrecondition, "NOT_ENABLED_ON_STREAM");
        assert_eq!(
            metadata(&status, "setting").as_deref(),
            Some("allow_msg_ttl")
        );
    }
}

#[tokio::test]
async fn validate_only_takes_a_schedule_and_keeps_nothing() {
    let (_nats, gateway, mut wire) = start_with_stream(jobs()).await;
    let plan = PublishRequest {
        validate_only: true,
        expiry: Some(Expiry::NeverExpires(true)),
        ..request(schedule(every_second()))
    };

    let answer = gateway.publisher().publish(plan).await.unwrap();

    assert_eq!(answer.into_inner().stream, "JOBS");
    assert_eq!(wire.count("JOBS").await, 0);
}

#[tokio::test]
async fn names_the_field_that_is_wrong() {
    let (_nats, gateway, mut wire) = start_with_stream(jobs()).await;
    let time = |seconds| When::At(Timestamp { seconds, nanos: 0 });
    let interval = |seconds, nanos| When::Every(prost_types::Duration { seconds, nanos });
    let towards = |target: &str| Schedule {
        target: target.to_owned(),
        ..schedule(every_second())
    };
    let from = |source: &str| Schedule {
        source: source.to_owned(),
        ..schedule(every_second())
    };
    let in_zone = |when, zone: &str| Schedule {
        time_zone: zone.to_owned(),
        ..schedule(when)
    };
    let lasting = |nanos| Schedule {
        ttl: Some(prost_types::Duration { seconds: 1, nanos }),
        ..schedule(every_second())
    };
    let unset = Schedule {
        when: None,
        ..schedule(every_second())
    };
    for (plan, field) in [
        (unset, "schedule"),
        (schedule(time(-1)), "schedule.at"),
        // The year 9999, which JetStream would take for the past.
        (schedule(time(253_402_300_799)), "schedule.at"),
        (schedule(interval(0, 500_000_000)), "schedule.every"),
        (schedule(interval(9_223_372_036, 0)), "schedule.every"),
        (schedule(cron("")), "schedule.cron"),
        (schedule(cron("@every 1s")), "schedule.cron"),
        (schedule(cron("0 9 * * *")), "schedule.cron"),
        (towards(""), "schedule.target"),
        (towards("jobs.*"), "schedule.target"),
        (towards("jobs.plan"), "schedule.target"),
        (towards("$JS.API.INFO"), "schedule.target"),
        (from("jobs.plan"), "schedule.source"),
        (from("jobs.run"), "schedule.source"),
        (from("jobs.>"), "schedule.source"),
        (in_zone(every_second(), "UTC"), "schedule.time_zone"),
        (in_zone(cron("@daily"), "Local"), "schedule.time_zone"),
        (lasting(1), "schedule.ttl"),
    ] {
        let answer = gateway.publisher().publish(request(plan)).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(violated_field(&status), field);
    }
    assert_eq!(wire.count("JOBS").await, 0);
}

#[tokio::test]
async fn passes_on_what_only_jetstream_can_judge() {
    let (_nats, gateway, mut wire) = start_with_stream(jobs()).await;
    wire.create_stream(json!({ "name": "OTHER", "subjects": ["other"] }))
        .await;
    let towards = |target: &str, source: &str| Schedule {
        target: target.to_owned(),
        source: source.to_owned(),
        ..schedule(every_second())
    };
    let in_zone = Schedule {
        time_zone: "Nowhere/Land".to_owned(),
        ..schedule(cron("@daily"))
    };
    for (plan, err_code) in [
        (schedule(cron("61 * * * * *")), "10189"),
        // The 30th of February.
        (schedule(cron("0 0 0 30 2 *")), "10189"),
        (in_zone, "10223"),
        (towards("other", ""), "10190"),
        (towards("jobs.run", "other"), "10203"),
    ] {
        let answer = gateway.publisher().publish(request(plan)).await;
        let status = refused(answer, Code::InvalidArgument, "REJECTED_BY_JETSTREAM");
        assert_eq!(metadata(&status, "err_code").as_deref(), Some(err_code));
    }
    let elsewhere = PublishRequest {
        validate_only: true,
        ..request(towards("other", ""))
    };
    let answer = gateway.publisher().publish(elsewhere).await;
    let status = refused(answer, Code::InvalidArgument, "REJECTED_BY_JETSTREAM");
    assert_eq!(violated_field(&status), "schedule.target");
    assert_eq!(wire.count("JOBS").await, 0);
}
