//! What scenarios write down, and whether something is so.

use base64::Engine as _;
use jetgate_client::{Code, Delivery, Error, Expect, Message, Published, Retry};
use serde_json::{Value, json};

/// Text, or the bytes that are written as base64.
pub(crate) fn bytes(written: &Value) -> Vec<u8> {
    match written {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        other => base64::engine::general_purpose::STANDARD
            .decode(other["base64"].as_str().unwrap())
            .unwrap(),
    }
}

type Headers = Vec<(String, Vec<u8>)>;

/// Headers, sorted by name: several values of a name keep their order.
pub(crate) fn headers(written: &Value) -> Headers {
    let pairs = written.as_array().unwrap().iter();
    sorted(
        pairs
            .map(|pair| (pair[0].as_str().unwrap().to_owned(), bytes(&pair[1])))
            .collect(),
    )
}

fn sorted(mut headers: Headers) -> Headers {
    headers.sort_by(|one, other| one.0.cmp(&other.0));
    headers
}

pub(crate) fn message(written: &Value) -> Message {
    let text = |name: &str| written[name].as_str().unwrap().to_owned();
    let mut message = Message::new(text("subject"), bytes(&written["payload"]));
    for name in written.as_object().unwrap().keys() {
        match name.as_str() {
            "subject" | "payload" => {}
            "message_id" => message = message.message_id(text("message_id")),
            "expect" => message = message.expect(expect(&written["expect"])),
            "headers" => {
                for pair in written["headers"].as_array().unwrap() {
                    let value = String::from_utf8(bytes(&pair[1])).unwrap();
                    message = message.header(pair[0].as_str().unwrap(), value);
                }
            }
            other => panic!("unknown field {other}"),
        }
    }
    message
}

fn expect(written: &Value) -> Expect {
    let mut expect = Expect::default();
    for (name, value) in written.as_object().unwrap() {
        match name.as_str() {
            "stream" => expect.stream = value.as_str().map(str::to_owned),
            "last_sequence" => expect.last_sequence = value.as_u64(),
            "last_subject_sequence" => expect.last_subject_sequence = value.as_u64(),
            "last_message_id" => expect.last_message_id = value.as_str().map(str::to_owned),
            other => panic!("unknown field {other}"),
        }
    }
    expect
}

pub(crate) fn error(error: &Error, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        match name.as_str() {
            "reason" => assert_eq!(error.reason_name(), value, "{error:?}"),
            "code" => assert_eq!(&code(error.code()), value, "{error:?}"),
            "retry" => assert_eq!(retry(error.retry()), value, "{error:?}"),
            "violations" => {
                let fields: Vec<_> = error.violations().map(|(field, _)| field).collect();
                assert_eq!(&json!(fields), value, "{error:?}");
            }
            "retry_delay" => {
                let seconds = error.retry_delay().map(|delay| delay.as_secs_f64());
                assert_eq!(seconds, value.as_f64(), "{error:?}");
            }
            "says" => {
                let said = error.message().to_lowercase();
                assert!(said.contains(value.as_str().unwrap()), "{error:?}");
            }
            "metadata" => {
                for (fact, value) in value.as_object().unwrap() {
                    assert_eq!(&error.metadata()[fact], value, "{error:?}");
                }
            }
            other => panic!("unknown field {other}"),
        }
    }
}

/// gRPC's name of a status: NOT_FOUND.
fn code(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

fn retry(retry: Retry) -> &'static str {
    match retry {
        Retry::Never => "never",
        Retry::Later => "later",
        Retry::SameId => "same_id",
        Retry::AfterRead => "after_read",
        _ => "unspecified",
    }
}

pub(crate) fn outcome(outcome: &Result<Published, Error>, expected: &Value) {
    match (outcome, expected.get("error")) {
        (Ok(published), None) => result(published, expected),
        (Err(failed), Some(expected)) => error(failed, expected),
        (outcome, _) => panic!("{outcome:?} instead of {expected}"),
    }
}

pub(crate) fn result(published: &Published, expected: &Value) {
    let Some(fields) = expected.as_object() else {
        return;
    };
    for (name, value) in fields {
        match name.as_str() {
            "stream" => assert_eq!(published.stream(), value),
            "sequence" => assert_eq!(&published.sequence(), value),
            "duplicate" => assert_eq!(&published.duplicate(), value),
            "message_id" => assert_eq!(&published.message_id(), value),
            other => panic!("unknown field {other}"),
        }
    }
}

pub(crate) fn delivery(message: &Delivery, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        match name.as_str() {
            "subject" => assert_eq!(message.subject(), value),
            "payload" => assert_eq!(message.payload(), &bytes(value), "{message:?}"),
            "sequence" => assert_eq!(&message.sequence(), value),
            "attempt" => assert_eq!(&message.attempt(), value, "{message:?}"),
            "message_id" => assert_eq!(message.message_id(), value),
            "headers" => {
                let received = message
                    .headers()
                    .map(|(name, value)| (name.to_owned(), value.to_vec()));
                assert_eq!(sorted(received.collect()), headers(value));
            }
            other => panic!("unknown field {other}"),
        }
    }
}

/// An answer of the world has all of this.
pub(crate) fn answer(answer: &Value, expected: &Value) {
    for (name, value) in expected.as_object().into_iter().flatten() {
        match name.as_str() {
            "headers" => assert_eq!(headers(&answer["headers"]), headers(value)),
            name => assert_eq!(&answer[name], value, "{name}"),
        }
    }
}
