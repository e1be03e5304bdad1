//! JetStream itself, without the gateway: where streams are made, and what is true.

use std::net::SocketAddr;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, ServerAddr};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::Result;
use crate::history::Content;
use crate::payload;
use crate::waiting::until;

/// How long one request may take, and how long something may take that an election holds up.
const ANSWER: Duration = Duration::from_secs(5);
const ELECTION: Duration = Duration::from_secs(90);

/// How long a replica that is behind is left alone.
const PAUSE: Duration = Duration::from_millis(200);

/// How many messages are asked for at a time.
const BATCH: u64 = 500;

/// A stream to be made.
pub(crate) struct NewStream<'a> {
    pub(crate) name: &'a str,
    pub(crate) storage: &'a str,
    pub(crate) replicas: u64,
    /// How long it remembers ids.
    pub(crate) window: Duration,
    /// The sequence of its first message.
    pub(crate) first: u64,
}

/// A connection to some servers.
pub(crate) struct JetStream(Client);

impl JetStream {
    /// Connects to whichever of these servers answers.
    pub(crate) async fn connect(servers: &[SocketAddr]) -> Result<Self> {
        let urls = servers
            .iter()
            .map(|address| format!("nats://{address}").parse());
        let urls = urls.collect::<std::io::Result<Vec<ServerAddr>>>()?;
        let options = ConnectOptions::new().request_timeout(Some(ANSWER));
        Ok(Self(options.connect(urls).await?))
    }

    /// One request of JetStream's API.
    async fn ask(&self, what: &str, request: &Value) -> Result<Value> {
        let subject = format!("$JS.API.{what}");
        let request = match request {
            Value::Null => String::new(),
            request => request.to_string(),
        };
        let answer = self.0.request(subject, request.into()).await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        match answer.get("error") {
            Some(error) => Err(format!("{what}: {error}").into()),
            None => Ok(answer),
        }
    }

    /// The same as long as it takes an election.
    async fn insist(&self, what: &str, request: Value) -> Result<Value> {
        let mut problem = String::new();
        let asked = until(what, ELECTION, async || {
            let answer = self.ask(what, &request).await;
            answer.map_err(|error| problem = error.to_string()).ok()
        });
        match asked.await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(format!("{error}: {problem}").into()),
        }
    }

    /// Makes a stream that takes everything below its name.
    pub(crate) async fn create_stream(&self, stream: &NewStream<'_>) -> Result<()> {
        let name = stream.name;
        let config = json!({
            "name": name,
            "subjects": [format!("{name}.>")],
            "storage": stream.storage,
            "num_replicas": stream.replicas,
            "duplicate_window": u64::try_from(stream.window.as_nanos())?,
            "first_seq": stream.first,
            "allow_direct": true,
            "allow_batched": true,
            "allow_atomic": true,
        });
        self.insist(&format!("STREAM.CREATE.{name}"), config)
            .await?;
        Ok(())
    }

    /// A durable consumer of all of a stream, on as many servers.
    pub(crate) async fn create_consumer(
        &self,
        stream: &str,
        name: &str,
        ack_wait: Duration,
    ) -> Result<()> {
        let config = json!({
            "durable_name": name,
            "ack_policy": "explicit",
            "ack_wait": u64::try_from(ack_wait.as_nanos())?,
            "max_ack_pending": 2_000,
        });
        let request = json!({ "stream_name": stream, "config": config });
        let what = format!("CONSUMER.DURABLE.CREATE.{stream}.{name}");
        self.insist(&what, request).await?;
        Ok(())
    }

    pub(crate) async fn delete_consumer(&self, stream: &str, name: &str) -> Result<()> {
        let what = format!("CONSUMER.DELETE.{stream}.{name}");
        self.insist(&what, Value::Null).await?;
        Ok(())
    }

    pub(crate) async fn delete_stream(&self, stream: &str) -> Result<()> {
        let what = format!("STREAM.DELETE.{stream}");
        self.insist(&what, Value::Null).await?;
        Ok(())
    }

    /// Removes all messages up to this one.
    pub(crate) async fn purge(&self, stream: &str, through: u64) -> Result<()> {
        let request = json!({ "seq": through + 1 });
        self.insist(&format!("STREAM.PURGE.{stream}"), request)
            .await?;
        Ok(())
    }

    /// What the leader of a stream says of it.
    pub(crate) async fn stream(&self, stream: &str) -> Result<Value> {
        self.insist(&format!("STREAM.INFO.{stream}"), Value::Null)
            .await
    }

    pub(crate) async fn consumer(&self, stream: &str, name: &str) -> Result<Value> {
        let what = format!("CONSUMER.INFO.{stream}.{name}");
        self.insist(&what, Value::Null).await
    }

    /// The number of the server that leads a stream.
    pub(crate) async fn leader(&self, stream: &str) -> Result<usize> {
        until("a leader", ELECTION, async || {
            let info = self.stream(stream).await.ok()?;
            let leader = info["cluster"]["leader"].as_str()?;
            leader.strip_prefix('n')?.parse().ok()
        })
        .await
    }

    /// The last sequence of a stream.
    pub(crate) async fn last_sequence(&self, stream: &str) -> Result<u64> {
        let info = self.stream(stream).await?;
        Ok(info["state"]["last_seq"].as_u64().unwrap_or_default())
    }

    /// All messages of a stream, as the server has them that this is connected to.
    ///
    /// A replica that catches up answers from what it has so far: while there are fewer than the leader counts, what
    /// is said to be the end is asked for again.
    pub(crate) async fn messages(&self, stream: &str) -> Result<Vec<(u64, Content)>> {
        let state = self.stream(stream).await?["state"].take();
        let [last, count] = ["last_seq", "messages"].map(|key| state[key].as_u64().unwrap_or(0));
        let mut messages = Vec::new();
        let (mut next, began) = (1, Instant::now());
        while next <= last {
            let batch = until("messages", ELECTION, async || {
                self.batch(stream, next).await.ok().flatten()
            });
            let batch = batch.await?;
            if let Some((sequence, _)) = batch.last() {
                next = sequence + 1;
                messages.extend(batch);
            } else if messages.len() as u64 >= count || began.elapsed() > ELECTION {
                break;
            } else {
                sleep(PAUSE).await;
            }
        }
        Ok(messages)
    }

    /// The next messages; an empty batch at the end, nothing where no answer came.
    async fn batch(&self, stream: &str, from: u64) -> Result<Option<Vec<(u64, Content)>>> {
        let inbox = self.0.new_inbox();
        let mut answers = self.0.subscribe(inbox.clone()).await?;
        let request = json!({ "seq": from, "batch": BATCH }).to_string();
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        self.0
            .publish_with_reply(subject, inbox, request.into())
            .await?;
        let mut messages = Vec::new();
        loop {
            let answer = timeout(ANSWER, answers.next()).await?.ok_or("no answer")?;
            match answer.status.map(|status| status.as_u16()) {
                // The end of the batch, or nothing at or behind `from`.
                Some(204 | 404) => return Ok(Some(messages)),
                Some(_) => return Ok(None),
                None => {}
            }
            let headers = answer.headers.as_ref().ok_or("a message without headers")?;
            messages.push((
                number(headers, "Nats-Sequence")?,
                payload::content(&answer.payload),
            ));
        }
    }
}

fn number(headers: &HeaderMap, name: &str) -> Result<u64> {
    let value = headers.get(name).ok_or_else(|| format!("no {name}"))?;
    Ok(value.as_str().parse()?)
}
