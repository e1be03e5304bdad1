//! Many sessions of `Consume` at one gateway: what they cost, and that each gets its turn.

use std::fs;
use std::time::{Duration, Instant};

use jetgate::proto::ConsumeOpen;
use jetgate::proto::consume_open::Source;
use serde_json::json;

use crate::support::consume::{Consume, open, open_window};
use crate::support::consuming::{
    CONSUMER, STREAM, create_consumer, start_with_consumer, store_many,
};
use crate::support::{Clients, Gateway, NatsServer, Process, SOON, eventually, http_get};

/// Idle sessions whose memory is measured, the consumers that they are spread over, and the connections.
const SESSIONS: usize = 1_000;
const CONSUMERS: usize = 50;
const CONNECTIONS: usize = 10;

/// The most memory that an idle session may take, its share of a connection included.
const MOST_MEMORY: u64 = 32 * 1024;

/// How long to look at the processor's time, and the largest share of one core that is not busy.
const LOOK: Duration = Duration::from_secs(5);
const MOST_BUSY: f64 = 0.5;

/// The resident memory of a process, in bytes.
fn memory(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

/// The processor time of a process, in the hundredths of a second that Linux counts.
fn processor_time(process: &Process) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_sessions_cost_little() {
    let nats = NatsServer::start().await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    for number in 0..CONSUMERS {
        let config = json!({ "durable_name": format!("c{number}"), "ack_policy": "explicit" });
        wire.create_consumer(STREAM, config).await;
    }
    let process = Process::start([
        "serve",
        "--listen=127.0.0.1:0",
        "--admin-listen=127.0.0.1:0",
        "--nats-url",
        &nats.url(),
    ]);
    let public = process.address_after("public=").await;
    let ready = format!("http://{}/readyz", process.address_after("admin=").await);
    eventually(SOON, async || {
        (http_get(&ready).await?.0 == 200).then_some(())
    })
    .await;
    let clients: Vec<Clients> = (0..CONNECTIONS).map(|_| Clients::at(public)).collect();
    let open = |number: usize| ConsumeOpen {
        source: Some(Source::Consumer(format!("c{}", number % CONSUMERS))),
        heartbeat_interval: None,
        ..open()
    };
    // The first sessions pay for connections and threads.
    let mut sessions = Vec::new();
    for (number, clients) in clients.iter().enumerate() {
        sessions.push(Consume::open(clients, open(number)).await);
    }

    let before = memory(&process);
    for number in 0..SESSIONS {
        sessions.push(Consume::open(&clients[number % CONNECTIONS], open(number)).await);
    }
    let each = memory(&process).saturating_sub(before) / SESSIONS as u64;
    let (busy, started) = (processor_time(&process), Instant::now());
    tokio::time::sleep(LOOK).await;
    let busy = (processor_time(&process) - busy) as f64 / 100.0 / started.elapsed().as_secs_f64();

    println!("{each} bytes for each of {SESSIONS} idle sessions, {busy:.2} of a core busy");
    assert!(each < MOST_MEMORY, "{each} bytes");
    assert!(busy < MOST_BUSY, "{busy}");
}

#[tokio::test]
async fn many_sessions_of_one_consumer_all_get_their_turn() {
    const EACH: usize = 300;
    let (nats, first, mut wire) = start_with_consumer(json!({})).await;
    let second = Gateway::start(&nats.url()).await;
    let mut sessions = Vec::new();
    for _ in 0..EACH {
        for gateway in [&first, &second] {
            let request = ConsumeOpen {
                heartbeat_interval: None,
                ..open_window(1)
            };
            sessions.push(Consume::open(gateway, request).await);
        }
    }

    // Several times as many as there are pull slots: those that are full make way for the others.
    store_many(&mut wire, 2 * EACH as u64).await;
    let receiving = sessions.into_iter().map(|mut session| async move {
        let message = session.messages(1).await.remove(0);
        (session, message.stream_sequence)
    });
    let received = futures_util::future::join_all(receiving).await;

    let mut sequences: Vec<u64> = received.iter().map(|(_, sequence)| *sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=2 * EACH as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_caller_that_does_not_read_holds_its_own_window_only() {
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
    let (nats, gateway, mut wire) = crate::support::start_with_stream(stream).await;
    create_consumer(&mut wire, json!({ "max_ack_pending": -1 })).await;
    for _ in 0..300 {
        wire.store("orders.x", &[b'x'; 50_000]).await;
    }
    // On a connection of its own, of which nothing is read.
    let slow = Consume::open(&Clients::at(gateway.public()), open_window(20)).await;
    eventually(SOON, async || {
        let info = wire.consumer_info(STREAM, CONSUMER).await;
        (info["num_ack_pending"] == 20).then_some(())
    })
    .await;

    // R3: the other one is not held up, and gets all the rest.
    let mut fast = Consume::open(&gateway, open_window(10)).await;
    let messages = fast.consume(280).await;
    assert_eq!(messages.len(), 280);
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    assert_eq!(info["num_pending"], 0);
    drop((slow, nats));
}
