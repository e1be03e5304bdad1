//! The NATS protocol by hand: what a client library refuses to send, and JetStream's API without
//! the gateway, so that tests look at what is really stored.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{SOON, eventually};

/// How long to wait for any answer of the server.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the API answers while whoever should answer is not ready for it.
const UNAVAILABLE: u64 = 10_008;

/// A connection to a nats-server.
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
    subscriptions: u64,
    /// Messages for one subscription that came while another was read.
    waiting: VecDeque<WireMessage>,
}

/// A message as the server sent it.
#[derive(Clone, Debug)]
pub(crate) struct WireMessage {
    pub(crate) subscription: u64,
    pub(crate) subject: String,
    pub(crate) reply: String,
    /// The whole header block with its status line; empty without headers.
    pub(crate) headers: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// A message as its stream holds it.
#[derive(Clone, Debug)]
pub(crate) struct StoredMessage {
    pub(crate) subject: String,
    pub(crate) payload: Vec<u8>,
    /// Names and values in their order.
    pub(crate) headers: Vec<(String, String)>,
}

impl StoredMessage {
    /// The values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

impl Wire {
    /// Connects without credentials.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, json!({})).await
    }

    /// Connects as a user of the server's configuration.
    pub(crate) async fn connect_as(address: SocketAddr, user: &str, password: &str) -> Self {
        Self::connect_with(address, json!({ "user": user, "pass": password })).await
    }

    async fn connect_with(address: SocketAddr, credentials: Value) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = BufReader::new(stream);
        let mut wire = Self {
            stream,
            subscriptions: 0,
            waiting: VecDeque::new(),
        };
        let mut options = json!({
            "verbose": false, "pedantic": false, "protocol": 1, "name": "test",
            "lang": "test", "version": "0", "headers": true, "no_responders": true,
        });
        for (key, value) in credentials.as_object().unwrap() {
            options[key] = value.clone();
        }
        let info = wire.line().await;
        assert!(info.starts_with("INFO "), "{info}");
        wire.send(format!("CONNECT {options}\r\nPING\r\n").as_bytes())
            .await;
        wire.until_pong().await;
        wire
    }

    /// Publishes without headers.
    pub(crate) async fn publish(&mut self, subject: &str, payload: &[u8]) {
        self.send_message(subject, "", None, payload).await;
    }

    /// Publishes a request whose answers come on a subject of the caller's.
    pub(crate) async fn publish_with_reply(&mut self, subject: &str, reply: &str, payload: &[u8]) {
        self.send_message(subject, reply, None, payload).await;
    }

    /// Publishes with a header block whose lines are sent as they are: `b"A: 1\r\nB: x\ry\r\n"`.
    pub(crate) async fn publish_raw(&mut self, subject: &str, headers: &[u8], payload: &[u8]) {
        self.send_message(subject, "", Some(headers), payload).await;
    }

    /// Publishes with a reply subject of the test's own, and header lines as in [`Wire::publish_raw`].
    pub(crate) async fn publish_from(
        &mut self,
        subject: &str,
        reply: &str,
        headers: Option<&[u8]>,
    ) {
        self.send_message(subject, reply, headers, b"0").await;
    }

    /// Subscribes and waits until the server knows.
    pub(crate) async fn subscribe(&mut self, subject: &str) -> u64 {
        self.subscriptions += 1;
        let id = self.subscriptions;
        self.send(format!("SUB {subject} {id}\r\nPING\r\n").as_bytes())
            .await;
        self.until_pong().await;
        id
    }

    /// The next message of a subscription, or `None` when none comes within `patience`.
    pub(crate) async fn next(
        &mut self,
        subscription: u64,
        patience: Duration,
    ) -> Option<WireMessage> {
        let wanted = |message: &WireMessage| message.subscription == subscription;
        if let Some(place) = self.waiting.iter().position(wanted) {
            return self.waiting.remove(place);
        }
        let arrives = async {
            loop {
                match self.message_or_line().await {
                    Ok(message) if wanted(&message) => return message,
                    Ok(message) => self.waiting.push_back(message),
                    Err(line) => assert!(!line.starts_with("-ERR"), "{line}"),
                }
            }
        };
        timeout(patience, arrives).await.ok()
    }

    /// Sends a request, with header lines as in [`Wire::publish_raw`], and waits for its answer.
    pub(crate) async fn request(
        &mut self,
        subject: &str,
        headers: Option<&[u8]>,
        payload: &[u8],
    ) -> Option<WireMessage> {
        let inbox = format!("_INBOX.{:016x}", fastrand::u64(..));
        let subscription = self.subscribe(&inbox).await;
        self.send_message(subject, &inbox, headers, payload).await;
        let answer = self.next(subscription, PATIENCE).await;
        self.send(format!("UNSUB {subscription}\r\n").as_bytes())
            .await;
        answer
    }

    /// A request to JetStream's API (`STREAM.INFO.ORDERS`) and its answer, errors included.
    pub(crate) async fn try_api(&mut self, subject: &str, body: Value) -> Option<Value> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self
            .request(&format!("$JS.API.{subject}"), None, body.as_bytes())
            .await?;
        serde_json::from_slice(&answer.payload).ok()
    }

    /// A request to JetStream's API that must succeed. A leader that is new to it says so, and is asked again.
    pub(crate) async fn api(&mut self, subject: &str, body: Value) -> Value {
        let answer = eventually(SOON, async || {
            let answer = self.try_api(subject, body.clone()).await;
            let answer = answer.unwrap_or_else(|| panic!("no answer to {subject}"));
            (answer["error"]["err_code"] != UNAVAILABLE).then_some(answer)
        })
        .await;
        assert!(answer.get("error").is_none(), "{subject}: {answer}");
        answer
    }

    /// Creates a stream from JetStream's own JSON and returns its configuration.
    pub(crate) async fn create_stream(&mut self, config: Value) -> Value {
        let name = config["name"].as_str().unwrap().to_owned();
        self.api(&format!("STREAM.CREATE.{name}"), config).await["config"].take()
    }

    /// Creates a consumer from JetStream's own JSON and returns its configuration.
    pub(crate) async fn create_consumer(&mut self, stream: &str, config: Value) -> Value {
        let names = [config["durable_name"].as_str(), config["name"].as_str()];
        let name = names.into_iter().flatten().next().unwrap();
        let subject = format!("CONSUMER.CREATE.{stream}.{name}");
        let body = json!({ "stream_name": stream, "config": config });
        self.api(&subject, body).await["config"].take()
    }

    /// Publishes to a stream and returns the sequence.
    pub(crate) async fn store(&mut self, subject: &str, payload: &[u8]) -> u64 {
        self.store_raw(subject, None, payload).await
    }

    /// The same with header lines as in [`Wire::publish_raw`].
    pub(crate) async fn store_raw(
        &mut self,
        subject: &str,
        headers: Option<&[u8]>,
        payload: &[u8],
    ) -> u64 {
        let answer = self.request(subject, headers, payload).await;
        let answer = answer.expect("no ack");
        let ack: Value = serde_json::from_slice(&answer.payload).expect("no stream takes it");
        ack["seq"].as_u64().unwrap()
    }

    /// A stream's configuration and state.
    pub(crate) async fn stream_info(&mut self, stream: &str) -> Value {
        self.api(&format!("STREAM.INFO.{stream}"), Value::Null)
            .await
    }

    /// A consumer's configuration and state.
    pub(crate) async fn consumer_info(&mut self, stream: &str, consumer: &str) -> Value {
        self.api(&format!("CONSUMER.INFO.{stream}.{consumer}"), Value::Null)
            .await
    }

    /// How many messages a stream holds.
    pub(crate) async fn count(&mut self, stream: &str) -> u64 {
        self.stream_info(stream).await["state"]["messages"]
            .as_u64()
            .unwrap()
    }

    /// A stored message.
    pub(crate) async fn stored(&mut self, stream: &str, sequence: u64) -> StoredMessage {
        let subject = format!("STREAM.MSG.GET.{stream}");
        let message = self.api(&subject, json!({ "seq": sequence })).await["message"].take();
        let decode = |key: &str| {
            STANDARD
                .decode(message[key].as_str().unwrap_or(""))
                .unwrap()
        };
        let headers = String::from_utf8(decode("hdrs")).unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((
                name.to_owned(),
                value.strip_prefix(' ').unwrap_or(value).to_owned(),
            ))
        };
        StoredMessage {
            subject: message["subject"].as_str().unwrap().to_owned(),
            payload: decode("data"),
            headers: headers.split("\r\n").skip(1).filter_map(header).collect(),
        }
    }

    async fn send_message(
        &mut self,
        subject: &str,
        reply: &str,
        headers: Option<&[u8]>,
        payload: &[u8],
    ) {
        let mut bytes = Vec::new();
        if let Some(lines) = headers {
            let block = [b"NATS/1.0\r\n", lines, b"\r\n"].concat();
            let (header_size, size) = (block.len(), block.len() + payload.len());
            bytes.extend(format!("HPUB {subject} {reply} {header_size} {size}\r\n").bytes());
            bytes.extend(block);
        } else {
            bytes.extend(format!("PUB {subject} {reply} {}\r\n", payload.len()).bytes());
        }
        bytes.extend(payload);
        // Once the server has answered the PING it has taken the message.
        bytes.extend(b"\r\nPING\r\n");
        self.send(&bytes).await;
        self.until_pong().await;
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn until_pong(&mut self) {
        let pong = async {
            loop {
                match self.message_or_line().await {
                    Ok(message) => self.waiting.push_back(message),
                    Err(line) if line == "PONG" => return,
                    Err(line) => assert!(!line.starts_with("-ERR"), "{line}"),
                }
            }
        };
        timeout(PATIENCE, pong)
            .await
            .expect("nats-server does not answer");
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.unwrap();
        assert!(read > 0, "nats-server closed the connection");
        line.trim_end().to_owned()
    }

    /// Reads one protocol element: a message, or the line of anything else. Answers PING.
    async fn message_or_line(&mut self) -> Result<WireMessage, String> {
        let line = self.line().await;
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |word: &str| word.parse::<usize>().unwrap();
        let (subject, id, reply, header_size, size) = match words[..] {
            ["MSG", subject, id, size] => (subject, id, "", 0, number(size)),
            ["MSG", subject, id, reply, size] => (subject, id, reply, 0, number(size)),
            ["HMSG", subject, id, head, size] => (subject, id, "", number(head), number(size)),
            ["HMSG", subject, id, reply, head, size] => {
                (subject, id, reply, number(head), number(size))
            }
            ["PING"] => {
                self.send(b"PONG\r\n").await;
                return Err(line);
            }
            _ => return Err(line),
        };
        let mut bytes = vec![0; size + 2];
        self.stream.read_exact(&mut bytes).await.unwrap();
        Ok(WireMessage {
            subscription: id.parse().unwrap(),
            subject: subject.to_owned(),
            reply: reply.to_owned(),
            headers: bytes[..header_size].to_vec(),
            payload: bytes[header_size..size].to_vec(),
        })
    }
}
