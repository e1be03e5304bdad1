//! A `Schedule` as the headers by which JetStream knows a message that produces others (ADR-51).
//!
//! JetStream checks an expression and a time zone itself; here is refused what it would take and
//! misunderstand. A time whose nanoseconds since 1970 do not fit 64 bits, for example, counts as
//! past: the message is produced at once, and an interval that long for ever four times a second
//! (measured on nats-server 2.15.1).

use prost_types::{Duration, Timestamp};

use super::message::whole_seconds;
use crate::error::{Error, Result};
use crate::names::{Reserved, Subject};
use crate::proto::Schedule;
use crate::proto::schedule::When;

/// The last second whose nanoseconds since 1970 fit 64 bits with a sign.
const LAST_SECOND: i64 = 9_223_372_036;

/// A hundred years: added to any date until 2160 it stays before the last second.
const LONGEST_INTERVAL: i64 = 100 * 366 * 24 * 60 * 60;

/// The longest cron expression or time zone, in bytes.
const LONGEST_TEXT: usize = 255;

/// The predefined expressions that `cron` takes beside six fields.
const NAMED: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

/// The headers of a schedule that is kept under `subject`.
pub(super) fn headers(
    schedule: &Schedule,
    subject: &Subject,
    reserved: &Reserved,
) -> Result<Vec<(&'static str, String)>> {
    let when = schedule
        .when
        .as_ref()
        .ok_or_else(|| Error::invalid("schedule", "must have one of at, every and cron"))?;
    let target = other_subject("schedule.target", &schedule.target, &[subject], reserved)?;
    let mut headers = vec![
        ("Nats-Schedule", expression(when)?),
        ("Nats-Schedule-Target", target.to_string()),
    ];
    if let Some(zone) = time_zone(&schedule.time_zone, when)? {
        headers.push(("Nats-Schedule-Time-Zone", zone));
    }
    if let Some(ttl) = &schedule.ttl {
        let seconds = whole_seconds("schedule.ttl", ttl)?;
        headers.push(("Nats-Schedule-TTL", seconds.to_string()));
    }
    if !schedule.source.is_empty() {
        let others = [subject, &target];
        let source = other_subject("schedule.source", &schedule.source, &others, reserved)?;
        headers.push(("Nats-Schedule-Source", source.into()));
    }
    Ok(headers)
}

fn expression(when: &When) -> Result<String> {
    match when {
        When::At(time) => at(time),
        When::Every(interval) => every(interval),
        When::Cron(expression) => cron(expression),
    }
}

fn at(time: &Timestamp) -> Result<String> {
    let is_in_range =
        (0..=LAST_SECOND).contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos);
    if !is_in_range {
        let why = "must be a time from 1970 to 2262-04-11T23:47:16Z";
        return Err(Error::invalid("schedule.at", why));
    }
    Ok(format!("@at {time}"))
}

fn every(interval: &Duration) -> Result<String> {
    if interval.nanos != 0 || !(1..=LONGEST_INTERVAL).contains(&interval.seconds) {
        let why = "must be whole seconds, at least one, at most 100 years";
        return Err(Error::invalid("schedule.every", why));
    }
    Ok(format!("@every {}s", interval.seconds))
}

/// Six fields or a name. "@at" and "@every" have fields of their own, with checks of their own.
fn cron(expression: &str) -> Result<String> {
    let field = "schedule.cron";
    check_text(field, expression)?;
    let has_six_fields =
        !expression.starts_with('@') && expression.split_ascii_whitespace().count() == 6;
    if !has_six_fields && !NAMED.contains(&expression) {
        let why = "must have six fields (second, minute, hour, day of month, month, day of week), \
                   or be @yearly, @monthly, @weekly, @daily or @hourly";
        return Err(Error::invalid(field, why));
    }
    Ok(expression.to_owned())
}

fn time_zone(zone: &str, when: &When) -> Result<Option<String>> {
    let field = "schedule.time_zone";
    if zone.is_empty() {
        return Ok(None);
    }
    if !matches!(when, When::Cron(_)) {
        return Err(Error::invalid(field, "is for cron only"));
    }
    check_text(field, zone)?;
    // The servers of a cluster may differ in theirs.
    if zone.eq_ignore_ascii_case("local") {
        return Err(Error::invalid(field, "must be the name of a time zone"));
    }
    Ok(Some(zone.to_owned()))
}

fn check_text(field: &str, text: &str) -> Result<()> {
    let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if text.len() > LONGEST_TEXT || !is_printable {
        let why = "must be at most 255 printable ASCII characters";
        return Err(Error::invalid(field, why));
    }
    Ok(())
}

fn other_subject(
    field: &str,
    text: &str,
    others: &[&Subject],
    reserved: &Reserved,
) -> Result<Subject> {
    let subject = Subject::parse(field, text, reserved)?;
    if others.contains(&&subject) {
        let why = "must differ from the schedule's subject and from its target";
        return Err(Error::invalid(field, why));
    }
    Ok(subject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule(when: When) -> Schedule {
        Schedule {
            when: Some(when),
            target: "jobs.run".to_owned(),
            ..Schedule::default()
        }
    }

    fn convert(schedule: &Schedule) -> Result<Vec<(&'static str, String)>> {
        let reserved = Reserved::new("_INBOX");
        let subject = Subject::parse("subject", "jobs.plan", &reserved).unwrap();
        headers(schedule, &subject, &reserved)
    }

    fn expression_of(when: When) -> Result<String> {
        convert(&schedule(when)).map(|headers| headers[0].1.clone())
    }

    fn time(seconds: i64, nanos: i32) -> When {
        When::At(Timestamp { seconds, nanos })
    }

    fn interval(seconds: i64, nanos: i32) -> When {
        When::Every(Duration { seconds, nanos })
    }

    #[test]
    fn each_kind_has_its_expression() {
        for (when, expected) in [
            (time(1_893_456_000, 0), "@at 2030-01-01T00:00:00Z"),
            (time(0, 5_000_000), "@at 1970-01-01T00:00:00.005Z"),
            (interval(90, 0), "@every 90s"),
            (
                When::Cron("0 30 9 * * mon-fri".to_owned()),
                "0 30 9 * * mon-fri",
            ),
            (When::Cron("@daily".to_owned()), "@daily"),
        ] {
            assert_eq!(expression_of(when).unwrap(), expected);
        }
    }

    #[test]
    fn refuses_what_jetstream_would_misunderstand() {
        for when in [
            time(-1, 0),
            time(LAST_SECOND + 1, 0),
            time(0, -1),
            time(0, 1_000_000_000),
            interval(0, 0),
            interval(0, 999),
            interval(1, 1),
            interval(LONGEST_INTERVAL + 1, 0),
            When::Cron(String::new()),
            When::Cron("@every 1s".to_owned()),
            When::Cron("@at 2030-01-01T00:00:00Z".to_owned()),
            When::Cron("0 9 * * *".to_owned()),
            When::Cron("0 9 * * * *\r\nNats-Rollup: all".to_owned()),
            When::Cron("* ".repeat(200)),
        ] {
            let error = expression_of(when.clone()).unwrap_err();
            assert_eq!(
                error.reason(),
                crate::error::Reason::InvalidRequest,
                "{when:?}"
            );
        }
    }

    #[test]
    fn every_part_becomes_a_header() {
        let whole = Schedule {
            time_zone: "Europe/Berlin".to_owned(),
            ttl: Some(Duration {
                seconds: 60,
                nanos: 0,
            }),
            source: "jobs.last".to_owned(),
            ..schedule(When::Cron("@hourly".to_owned()))
        };
        let expected = [
            ("Nats-Schedule", "@hourly"),
            ("Nats-Schedule-Target", "jobs.run"),
            ("Nats-Schedule-Time-Zone", "Europe/Berlin"),
            ("Nats-Schedule-TTL", "60"),
            ("Nats-Schedule-Source", "jobs.last"),
        ];
        let expected = expected.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(convert(&whole).unwrap(), expected);
    }

    #[test]
    fn subjects_differ_and_are_plain() {
        for (target, source) in [
            ("", ""),
            ("jobs.plan", ""),
            ("jobs.*", ""),
            ("$JS.API.INFO", ""),
            ("jobs.run", "jobs.run"),
            ("jobs.run", "jobs.plan"),
            ("jobs.run", "jobs.>"),
        ] {
            let wrong = Schedule {
                target: target.to_owned(),
                source: source.to_owned(),
                ..schedule(interval(1, 0))
            };
            assert!(convert(&wrong).is_err(), "{target} {source}");
        }
    }

    #[test]
    fn a_time_zone_needs_a_cron_expression_and_a_name() {
        let in_zone = |when, zone: &str| Schedule {
            time_zone: zone.to_owned(),
            ..schedule(when)
        };
        let cron = || When::Cron("@daily".to_owned());
        assert!(convert(&in_zone(cron(), "UTC")).is_ok());
        for wrong in [
            in_zone(cron(), "Local"),
            in_zone(cron(), "a\nb"),
            in_zone(interval(1, 0), "UTC"),
            in_zone(time(1, 0), "UTC"),
        ] {
            assert!(convert(&wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_header(cron in ".{0,80}", zone in ".{0,80}", target in ".{0,80}") {
            let schedule = Schedule { target, time_zone: zone, ..schedule(When::Cron(cron)) };
            for (_, value) in convert(&schedule).unwrap_or_default() {
                prop_assert!(!value.contains(['\r', '\n', '\0']));
            }
        }

        #[test]
        fn every_time_in_range_is_a_date(seconds in 0..=LAST_SECOND, nanos in 0..1_000_000_000) {
            let text = expression_of(time(seconds, nanos)).unwrap();
            let parsed: Timestamp = text.strip_prefix("@at ").unwrap().parse().unwrap();
            prop_assert_eq!(parsed, Timestamp { seconds, nanos });
        }
    }
}
