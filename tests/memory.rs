//! What the gateway holds of messages for all callers together: never more than it may, whatever they do, and nothing
//! once they have gone.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jetgate::config::{ByteSize, Config};
use jetgate::proto::publish_request::Payload;
use jetgate::proto::{
    FetchRequest, FlowLimits, PublishOpen, PublishRequest, PublishResponse, SubscribeRequest,
};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, create_consumer, fetch, fetched, nanoseconds, subscribe,
    subscribe_window,
};
use crate::support::publishing::Publishing;
use crate::support::{
    Clients, Gateway, NatsServer, SOON, Wire, eventually, http_get, metadata, refused,
    start_with_stream,
};

/// One message.
const LARGE: usize = 64 * 1024;

/// A server, a stream with a consumer, and a gateway that may hold this much.
async fn start(size: ByteSize) -> (NatsServer, Gateway, Wire) {
    start_with(size, |_| ()).await
}

/// The same with a gateway that is configured in another way, too.
async fn start_with(
    size: ByteSize,
    change: impl FnOnce(&mut Config),
) -> (NatsServer, Gateway, Wire) {
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
    let (nats, _, mut wire) = start_with_stream(stream).await;
    let settings = json!({ "ack_wait": nanoseconds(300), "max_ack_pending": 20_000 });
    create_consumer(&mut wire, settings).await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.memory.max_buffered_bytes = size;
        config.publish.max_window_bytes = config.publish.max_window_bytes.min(size);
        change(config);
    })
    .await;
    (nats, gateway, wire)
}

/// A connection of its own that takes little that nobody reads.
async fn narrow(gateway: &Gateway) -> Clients {
    let endpoint = Endpoint::from_shared(format!("http://{}", gateway.public())).unwrap();
    let small = endpoint
        .initial_stream_window_size(LARGE as u32)
        .initial_connection_window_size(LARGE as u32);
    Clients::over(small.connect().await.unwrap())
}

/// The bytes that are held, of all kinds that `which` is in.
async fn held(gateway: &Gateway, which: &str) -> u64 {
    let text = http_get(&gateway.admin_url("/metrics")).await.unwrap().1;
    let lines = text
        .lines()
        .filter(|line| line.starts_with("jetgate_buffered_bytes{") && line.contains(which));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

async fn until_nothing_is_held(gateway: &Gateway) {
    eventually(SOON, async || (held(gateway, "").await == 0).then_some(())).await;
}

async fn pending(wire: &mut Wire) -> u64 {
    let info = wire.consumer_info(STREAM, CONSUMER).await;
    info["num_ack_pending"].as_u64().unwrap()
}

/// A window that the budget is far too small for.
fn greedy() -> SubscribeRequest {
    let flow = FlowLimits {
        max_outstanding_messages: Some(10_000),
        max_outstanding_bytes: Some(256 << 20),
    };
    SubscribeRequest {
        flow: Some(flow),
        ..subscribe()
    }
}

fn message(subject: &str, size: usize) -> PublishRequest {
    PublishRequest {
        subject: subject.to_owned(),
        payload: Some(Payload::Data(vec![b'x'; size].into())),
        ..PublishRequest::default()
    }
}

async fn publish(
    clients: &Clients,
    subject: &str,
    size: usize,
    timeout: Duration,
) -> Result<PublishResponse, Status> {
    let mut request = Request::new(message(subject, size));
    request.set_timeout(timeout);
    let published = clients.publisher().publish(request).await;
    published.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn readers_that_stop_hold_no_more_than_the_budget_and_others_go_on() {
    let (_nats, gateway, mut wire) = start(ByteSize::mib(8)).await;
    let (readers, messages) = (20, 500);
    for _ in 0..messages {
        wire.publish("orders.x", &vec![b'x'; LARGE]).await;
    }
    let mut stopped = Vec::new();
    for _ in 0..readers {
        let connection = narrow(&gateway).await;
        stopped.push(Session::open(&connection, greedy()).await);
    }
    let full = |held: u64| held > 3 << 20;
    eventually(SOON, async || {
        full(held(&gateway, "deliveries").await).then_some(())
    })
    .await;

    // One that reads gets all the others.
    let mut reader = Session::open(&gateway, subscribe_window(100)).await;
    let mut read = 0;
    while read + pending(&mut wire).await < messages {
        let batch = reader.batch().await;
        read += batch.len() as u64;
        ack(&gateway, &batch).await;
        assert!(held(&gateway, "").await <= 8 << 20);
    }
    // Each stopped reader's own, and what its connection has taken, are not the gateway's to count.
    let out = (messages - read) * LARGE as u64;
    assert!(
        out <= (8 << 20) + readers * (512 << 10),
        "{out} bytes are out"
    );

    drop(stopped);
    while read < messages {
        let batch = reader.batch().await;
        read += batch.len() as u64;
        ack(&gateway, &batch).await;
    }
    drop(reader);
    until_nothing_is_held(&gateway).await;
}

#[tokio::test]
async fn a_message_that_is_larger_than_what_is_left_still_comes() {
    let (_nats, gateway, mut wire) = start(ByteSize::mib(1)).await;
    for size in [100, 900_000, 500_000, 100] {
        wire.publish("orders.x", &vec![b'x'; size]).await;
    }
    let connection = narrow(&gateway).await;
    let _stopped = Session::open(&connection, greedy()).await;
    let mut reader = Session::open(&gateway, greedy()).await;
    wire.publish("orders.x", &[b'x'; 300_000]).await;
    eventually(SOON, async || (pending(&mut wire).await == 5).then_some(())).await;
    drop((_stopped, connection));
    let read = reader.messages(5).await;
    ack(&gateway, &read).await;

    // And by a fetch.
    wire.publish("orders.x", &[b'x'; 900_000]).await;
    drop(reader);
    let request = FetchRequest {
        max_wait: crate::support::consuming::time(Duration::from_secs(20)),
        ..fetch(1)
    };
    let fetched = fetched(&gateway, request).await;
    ack(&gateway, &fetched).await;
    until_nothing_is_held(&gateway).await;
}

#[tokio::test]
async fn a_request_without_room_is_refused_and_taken_later() {
    // Calls without a deadline have no timers of their own that could run out before the gateway's answers have come.
    let patience = Duration::from_secs(5);
    let change = |config: &mut Config| config.publish.timeout = patience;
    let (_nats, gateway, mut wire) = start_with(ByteSize::mib(1), change).await;
    // Somebody listens, and nobody answers.
    wire.subscribe("mute.x").await;
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let mut publisher = Clients::at(gateway.public()).publisher();
            tokio::spawn(async move { publisher.publish(message("mute.x", 280_000)).await })
        })
        .collect();
    eventually(SOON, async || {
        (held(&gateway, "requests").await >= 3 * 280_000).then_some(())
    })
    .await;

    let refusal = publish(&gateway, "orders.x", 280_000, SOON).await;
    let status = refused(refusal, Code::ResourceExhausted, "BUFFERS_FULL");
    assert_eq!(metadata(&status, "max").as_deref(), Some("1048576"));
    let quota = status.get_details_quota_failure().unwrap();
    assert!(
        quota.violations[0]
            .description
            .contains("memory.max_buffered_bytes")
    );
    assert!(
        status
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .is_some()
    );
    // Small ones are still taken.
    publish(&gateway, "orders.x", 1_000, SOON).await.unwrap();

    // One that its caller leaves is still on its way.
    waiting[0].abort();
    for outcome in join_all(waiting).await.into_iter().flatten() {
        refused(outcome, Code::DeadlineExceeded, "PUBLISH_OUTCOME_UNKNOWN");
    }
    until_nothing_is_held(&gateway).await;
    publish(&gateway, "orders.x", 280_000, SOON).await.unwrap();
    until_nothing_is_held(&gateway).await;
}

#[tokio::test]
async fn frames_that_never_end_take_what_there_is_and_no_more() {
    let (_nats, gateway, _wire) = start(ByteSize::mib(1)).await;
    let mut halves = Vec::new();
    for _ in 0..4 {
        halves.push(HalfAFrame::send(&gateway, 500_000).await);
    }
    eventually(SOON, async || {
        (held(&gateway, "requests").await >= 850 << 10).then_some(())
    })
    .await;
    assert!(held(&gateway, "").await <= 896 << 10);
    // Calls have their own part, and streams with small frames go on.
    publish(&gateway, "orders.x", 50_000, SOON).await.unwrap();
    let mut stream = Publishing::open(&gateway, PublishOpen::default()).await;
    for number in 1..=5 {
        stream
            .publish(number, vec![message("orders.x", 50_000)])
            .await;
    }
    stream.answered(5).await;
    drop((halves, stream));
    until_nothing_is_held(&gateway).await;
}

/// A publish stream whose caller sends the beginning of a frame and nothing more.
struct HalfAFrame {
    sending: JoinHandle<()>,
}

impl HalfAFrame {
    async fn send(gateway: &Gateway, bytes: usize) -> Self {
        let head = [&[0], &(8_000_000_u32).to_be_bytes()[..]].concat();
        let pieces = [Bytes::from(head), Bytes::from(vec![0x0a; bytes])];
        let pieces = pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        let body = StreamBody::new(tokio_stream::iter(pieces).chain(tokio_stream::pending()));
        let path = "jetgate.v1.PublisherService/PublishStream";
        let request = hyper::Request::post(format!("http://{}/{path}", gateway.public()))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .unwrap();
        let stream = TcpStream::connect(gateway.public()).await.unwrap();
        let (mut sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        Self {
            sending: tokio::spawn(async move {
                let response = sender.send_request(request);
                let (_response, _) = tokio::join!(response, driver);
            }),
        }
    }
}

impl Drop for HalfAFrame {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

#[tokio::test]
async fn publishers_and_readers_share_a_small_budget_and_all_get_through() {
    let (_nats, gateway, mut wire) = start(ByteSize::mib(2)).await;
    let connection = narrow(&gateway).await;
    let stopped = Session::open(&connection, greedy()).await;
    let (streams, frames, size) = (4, 5, 20);
    let publishing = (0..streams).map(async |_| {
        let clients = narrow(&gateway).await;
        let mut stream = Publishing::open(&clients, PublishOpen::default()).await;
        for frame in 0..frames {
            let messages = vec![message("orders.x", 20_000); size];
            stream.publish(1 + frame * size as u64, messages).await;
        }
        let all = frames * size as u64;
        let outcomes = stream.answered(usize::try_from(all).unwrap()).await;
        assert!(outcomes.values().all(|it| it.reason().is_empty()));
    });
    let reading = async {
        let mut reader = Session::open(&gateway, greedy()).await;
        let mut read = 0;
        let all = streams * frames * size as u64;
        loop {
            // The last may have gone to the session that is not read.
            let all_went = eventually(3 * SOON, async || {
                let went = read + pending(&mut wire).await;
                (went >= all && wire.count(STREAM).await >= all).then_some(())
            });
            let batch = tokio::select! {
                batch = reader.batch() => batch,
                () = all_went => break,
            };
            read += batch.len() as u64;
            ack(&gateway, &batch).await;
            assert!(held(&gateway, "").await <= 2 << 20);
        }
    };
    tokio::join!(join_all(publishing), reading);
    drop(stopped);
    until_nothing_is_held(&gateway).await;
}
