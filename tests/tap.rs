//! Hostile calls, by a generator over every method of the contract, and what they bring about at NATS:
//! the server's log says what the gateway sends it, a listener to everything in the account what the
//! server sends on anybody's behalf.
//!
//! `JETGATE_TEST_SEED` makes other calls, `JETGATE_TEST_TAP_SECONDS` more of them.

mod calls;
mod generator;
mod sent;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use jetgate::config::{Config, Secret};
use jetgate::proto::{FetchRequest, GetInfoRequest, PublishRequest};
use jetgate::token::AckToken;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::dead_letters::{configured, until_collecting};
use crate::support::{Gateway, NatsServer, SOON, Wire, eventually};
use calls::Caller;
use generator::{Generator, MARK};
use sent::{Operation, Sent};

/// The account of the gateway and of who listens, and the one of the system; and a log of all that clients say.
const SERVER: &str = r#"
trace: true
accounts: {
  APP: { jetstream: enabled, users: [{ user: gateway, password: p }, { user: listener, password: p }] }
  SYS: { users: [{ user: operator, password: p }] }
}
system_account: SYS
"#;

/// What the gateway's inboxes begin with.
const INBOX: &str = "_INBOX_tap";

/// A stream that no call names, and how much it holds.
const BYSTANDER: &str = "BYSTANDER";
const HELD: u64 = 10;

const WORKERS: u64 = 4;

/// Calls of each worker, however slow the machine is, as far as it is not slower than that.
const LEAST: usize = 400;

/// A variable of the environment, or else this.
fn number(variable: &str, otherwise: u64) -> u64 {
    let value = std::env::var(variable).ok();
    value.map_or(otherwise, |value| value.parse().unwrap())
}

fn as_gateway(config: &mut Config) {
    config.nats.user = Some("gateway".to_owned());
    config.nats.password = Some(Secret::new("p"));
    config.nats.inbox_prefix = INBOX.to_owned();
    configured(config);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_reaches_what_is_not_for_callers() {
    let nats = NatsServer::start_with(SERVER).await;
    let mut owner = Wire::connect_as(nats.address(), "listener", "p").await;
    let before = make_bystander(&mut owner).await;
    let account = Tap::open(&nats, "listener", ">").await;
    let system = Tap::open(&nats, "operator", "$SYS.>").await;
    let gateway = Gateway::start_with(&nats.url(), as_gateway).await;
    until_collecting(&gateway).await;

    let token = make_token(&gateway, &mut owner).await;

    let seed = number("JETGATE_TEST_SEED", 1);
    let end = Instant::now() + Duration::from_secs(number("JETGATE_TEST_TAP_SECONDS", 10));
    let workers =
        (0..WORKERS).map(|worker| call_until(end, &gateway, seed * WORKERS + worker, &token));
    let done: usize = join_all(workers).await.into_iter().sum();
    gateway.gateway().get_info(GetInfoRequest {}).await.unwrap();

    let log = until_logged(&nats, &gateway).await;
    let sent = Sent::by("gateway", &log);
    let wrong: Vec<_> = sent
        .operations
        .iter()
        .filter(|it| !is_the_gateways_own(it))
        .collect();
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    assert_eq!(state(&mut owner).await, before, "seed {seed}");
    let heard = account.close();
    let wrong: Vec<_> = heard
        .iter()
        .filter(|subject| is_reserved(subject))
        .collect();
    assert!(
        wrong.is_empty(),
        "seed {seed}: {wrong:?} on its way to everybody"
    );
    let heard = system.close();
    assert!(
        heard.is_empty(),
        "seed {seed}: {heard:?} in the system's account"
    );

    // The calls were no mere nonsense.
    let kinds: BTreeSet<_> = sent.operations.iter().filter_map(Operation::api).collect();
    println!(
        "seed {seed}: {done} calls, {} operations, {kinds:?}",
        sent.operations.len()
    );
    for kind in [
        "STREAM.CREATE",
        "STREAM.UPDATE",
        "STREAM.DELETE",
        "STREAM.PURGE",
        "STREAM.MSG.GET",
        "STREAM.MSG.DELETE",
        "CONSUMER.CREATE",
        "CONSUMER.DELETE",
        "CONSUMER.INFO",
        "CONSUMER.MSG.NEXT",
    ] {
        assert!(kinds.contains(kind), "no call came as far as {kind}");
    }
    assert!(
        sent.operations.iter().any(Operation::is_callers),
        "nothing was published"
    );
}

/// Calls one method after the other, says how many calls it made, and fails where one panicked.
async fn call_until(end: Instant, gateway: &Gateway, seed: u64, token: &AckToken) -> usize {
    let mut generator = Generator::new(seed, token.clone());
    let mut caller = Caller::connect(gateway.public()).await;
    let mut done = 0;
    while Instant::now() < end || (done < LEAST && Instant::now() < end + SOON) {
        let call = generator.call();
        let wrong = caller.make(&call).await;
        assert_eq!(wrong, None, "seed {seed}, call {done}");
        done += 1;
    }
    done
}

/// Makes the stream that nobody calls for, and says how it stands.
async fn make_bystander(wire: &mut Wire) -> Value {
    wire.create_stream(json!({ "name": BYSTANDER, "subjects": ["bystander.>"] }))
        .await;
    let consumer = json!({ "stream_name": BYSTANDER, "config": { "durable_name": "c", "ack_policy": "explicit" } });
    wire.api(&format!("CONSUMER.CREATE.{BYSTANDER}.c"), consumer)
        .await;
    for number in 0..HELD {
        wire.publish(&format!("bystander.{number}"), b"kept").await;
    }
    eventually(SOON, async || {
        let state = state(wire).await;
        (state["state"]["messages"] == HELD).then_some(state)
    })
    .await
}

/// Makes a stream that calls are about, and a token of a delivery of it.
async fn make_token(gateway: &Gateway, wire: &mut Wire) -> AckToken {
    wire.create_stream(json!({ "name": "FUZZ", "subjects": ["fuzz.>"] }))
        .await;
    let consumer = json!({ "durable_name": "worker", "ack_policy": "explicit" });
    wire.create_consumer("FUZZ", consumer).await;
    wire.store("fuzz.a", b"x").await;
    let request = FetchRequest {
        stream: "FUZZ".to_owned(),
        consumer: "worker".to_owned(),
        batch: 1,
        ..FetchRequest::default()
    };
    let fetched = gateway.subscriber().fetch(request).await.unwrap();
    let fetched = &fetched.into_inner().messages[0];
    AckToken::decode(&fetched.ack_token).unwrap()
}

/// Configuration, messages and consumers of that stream.
async fn state(wire: &mut Wire) -> Value {
    let info = wire
        .api(&format!("STREAM.INFO.{BYSTANDER}"), json!({}))
        .await;
    let consumer = wire
        .api(&format!("CONSUMER.INFO.{BYSTANDER}.c"), json!({}))
        .await;
    json!({ "config": info["config"], "state": info["state"], "consumer": consumer["config"], "delivered": consumer["delivered"] })
}

/// The server's log, once everything that the gateway sent until now stands there.
async fn until_logged(nats: &NatsServer, gateway: &Gateway) -> String {
    let subject = "end.of.the.test";
    let request = PublishRequest {
        subject: subject.to_owned(),
        ..PublishRequest::default()
    };
    // No stream takes it; that it was sent is enough.
    let mut request = tonic::Request::new(request);
    request.set_timeout(Duration::from_secs(1));
    let _ = gateway.publisher().publish(request).await;
    eventually(SOON, async || {
        Some(nats.log()).filter(|log| log.contains(subject))
    })
    .await
}

/// Whether only servers, repliers and gateways use this subject.
fn is_reserved(subject: &str) -> bool {
    let first = subject.split('.').next().unwrap_or_default();
    first.starts_with('$') || ["_INBOX", "_R_", "_GR_", INBOX].contains(&first)
}

fn is_inbox(subject: &str) -> bool {
    subject.starts_with(&format!("{INBOX}."))
}

/// Whether a gateway sends this for itself, or for a caller that may publish there.
fn is_the_gateways_own(operation: &Operation) -> bool {
    match operation {
        Operation::Subscribe(subject) => is_inbox(subject) || is_advisory(subject),
        Operation::Publish { subject, reply, .. } if !reply.is_empty() && !is_inbox(reply) => {
            // Whoever answers would publish there.
            panic!("{subject} has the reply subject {reply}")
        }
        Operation::Publish {
            subject, marked, ..
        } if is_inbox(subject) => !marked,
        Operation::Publish {
            subject, marked, ..
        } if subject.starts_with("$JS.ACK.") => {
            !marked && [9, 11].contains(&subject.split('.').count()) && !subject.contains(BYSTANDER)
        }
        Operation::Publish { subject, .. } if subject == "$SYS.REQ.USER.INFO" => true,
        Operation::Publish { subject, .. } => match subject.strip_prefix("$JS.API.") {
            Some(_) => operation.api().is_some() && !changes_bystander(subject),
            None => !is_reserved(subject),
        },
    }
}

/// What tells of streams and consumers that come, change and go.
fn is_advisory(subject: &str) -> bool {
    let kind = subject.strip_prefix("$JS.EVENT.ADVISORY.");
    kind.is_some_and(|kind| kind.starts_with("STREAM.") || kind.starts_with("CONSUMER."))
}

/// Looking at streams of others is no secret here: these callers may do everything.
fn changes_bystander(subject: &str) -> bool {
    let looks = ["STREAM.INFO.", "CONSUMER.INFO.", "CONSUMER.LIST."];
    let operation = subject.trim_start_matches("$JS.API.");
    subject.contains(BYSTANDER) && !looks.iter().any(|it| operation.starts_with(it))
}

/// Listens to everything that has the mark of a generated message.
struct Tap(
    JoinHandle<()>,
    tokio::sync::watch::Receiver<BTreeSet<String>>,
);

impl Tap {
    async fn open(nats: &NatsServer, user: &str, subject: &str) -> Self {
        let mut wire = Wire::connect_as(nats.address(), user, "p").await;
        let subscription = wire.subscribe(subject).await;
        let (heard, told) = tokio::sync::watch::channel(BTreeSet::new());
        let listening = async move {
            loop {
                let Some(message) = wire.next(subscription, SOON).await else {
                    continue;
                };
                let has_mark = message.payload.windows(MARK.len()).any(|it| it == MARK);
                // What the server delivers to the gateway goes through its inboxes.
                if has_mark && !is_inbox(&message.subject) {
                    heard.send_modify(|all| {
                        all.insert(message.subject);
                    });
                }
            }
        };
        Self(tokio::spawn(listening), told)
    }

    fn close(self) -> BTreeSet<String> {
        self.0.abort();
        self.1.borrow().clone()
    }
}
