//! JetStream's JSON API, as far as publishing and consuming ask for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::consumer::Consumer;
use super::{JetStream, Out, written};
use crate::nats::api::ConsumerConfig;

impl JetStream {
    /// The answer to a request; `None` where nobody is there to answer.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        operation: &str,
        request: &Value,
    ) -> Option<Value> {
        if operation == "STREAM.NAMES" {
            let subject = request["subject"].as_str().unwrap_or_default();
            let names = self
                .stream
                .takes(subject)
                .then(|| vec![self.stream.name.clone()]);
            return Some(json!({"total": 1, "offset": 0, "limit": 1024, "streams": names}));
        }
        let name = &self.stream.name;
        let parts: Vec<&str> = operation.split('.').collect();
        match parts.as_slice() {
            ["STREAM", "INFO", stream] if stream == name => {
                let info = self.stream.info(now, self.consumers.len());
                self.stream.is_led().then_some(info)
            }
            ["STREAM", "MSG", "GET", stream] if stream == name => {
                self.stream.is_led().then(|| self.message(request))
            }
            ["CONSUMER", "INFO", stream, consumer] if stream == name => {
                let Some(consumer) = self.consumers.iter().find(|it| it.name == *consumer) else {
                    return Some(error(404, 10014, "consumer not found"));
                };
                let is_led = consumer.is_led(now);
                is_led.then(|| consumer.info(&self.stream, self.time(now)))
            }
            ["CONSUMER", "CREATE", stream, consumer, ..] if stream == name => {
                Some(self.create(now, consumer, request))
            }
            ["CONSUMER", "DELETE", stream, consumer] if stream == name => {
                Some(match self.delete_consumer(consumer) {
                    true => json!({"success": true}),
                    false => error(404, 10014, "consumer not found"),
                })
            }
            ["STREAM" | "CONSUMER", _, _, ..] => Some(error(404, 10059, "stream not found")),
            _ => None,
        }
    }

    fn message(&self, request: &Value) -> Value {
        let sequence = request["seq"].as_u64().unwrap_or_default();
        let is_next = request["next_by_subj"].is_string();
        let found = self.stream.next(sequence);
        let found = found.filter(|(found, _)| is_next || *found == sequence);
        let Some((sequence, stored)) = found else {
            return error(404, 10037, "no message found");
        };
        let mut headers = String::new();
        for (name, values) in stored.headers.iter().flat_map(async_nats::HeaderMap::iter) {
            for value in values {
                headers += &format!("{name}: {}\r\n", value.as_str());
            }
        }
        if !headers.is_empty() {
            headers = format!("NATS/1.0\r\n{headers}\r\n");
        }
        json!({"message": {
            "subject": stored.subject,
            "seq": sequence,
            "hdrs": STANDARD.encode(headers),
            "data": STANDARD.encode(&stored.payload),
            "time": written(stored.time),
        }})
    }

    fn create(&mut self, now: Instant, name: &str, request: &Value) -> Value {
        let config = serde_json::from_value(request["config"].clone());
        let Ok(config) = config else {
            return error(400, 10025, "invalid JSON");
        };
        self.make_consumer(now, name, config);
        let time = self.time(now);
        let made = self.consumers.iter().find(|it| it.name == name);
        made.map_or(Value::Null, |it| it.info(&self.stream, time))
    }

    /// Makes a consumer, unless there is one of this name.
    pub(in crate::simulation) fn make_consumer(
        &mut self,
        now: Instant,
        name: &str,
        config: ConsumerConfig,
    ) {
        if self.consumer(name).is_some() {
            return;
        }
        let time = self.time(now);
        self.consumers.push(Consumer::new(name, config, now, time));
        self.tell("CONSUMER.CREATED", &format!(".{name}"));
    }

    /// Deletes a consumer; false where there is none.
    pub(in crate::simulation) fn delete_consumer(&mut self, name: &str) -> bool {
        let Some(place) = self.consumers.iter().position(|it| it.name == name) else {
            return false;
        };
        self.consumers.remove(place).gone(&mut self.out);
        self.tell("CONSUMER.DELETED", &format!(".{name}"));
        true
    }

    /// Tells what happened to the stream, or to something of it.
    pub(super) fn tell(&mut self, what: &str, whose: &str) {
        let stream = &self.stream.name;
        let subject = format!("$JS.EVENT.ADVISORY.{what}.{stream}{whose}");
        let advisory = json!({"stream": stream});
        self.out.push(Out::answer(&subject, &advisory));
    }
}

fn error(code: u16, err_code: u64, description: &str) -> Value {
    json!({"error": {"code": code, "err_code": err_code, "description": description}})
}
