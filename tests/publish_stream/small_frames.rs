//! One message a frame. h2 ends a connection that holds too many small DATA frames which nobody reads;
//! callers that keep to their window never meet that, nor does one that leaves it to flow control.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Bytes, Frame as BodyFrame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jetgate::config::ByteSize;
use jetgate::proto::publish_stream_request::Frame;
use jetgate::proto::publish_stream_response::Frame as Answer;
use jetgate::proto::{PublishFrame, PublishOpen, PublishStreamRequest, PublishStreamResponse};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use super::{numbered, orders};
use crate::support::consuming::time;
use crate::support::{Gateway, NatsServer, SOON, Wire, eventually, start_with_stream};

const PATH: &str = "/jetgate.v1.PublisherService/PublishStream";

/// A window of the callers here.
const WINDOW: u32 = 1_000;

type Body = BoxBody<Bytes, std::convert::Infallible>;

/// A connection whose every gRPC message is a DATA frame of its own.
struct Connection {
    sender: SendRequest<Body>,
    address: std::net::SocketAddr,
}

/// A publish stream on it.
struct Stream {
    frames: mpsc::Sender<Result<BodyFrame<Bytes>, std::convert::Infallible>>,
    answers: Incoming,
    sent: Arc<AtomicU64>,
}

/// What a stream has answered so far.
#[derive(Debug, Default)]
struct Answered {
    /// Up to which number everything is settled.
    through: u64,
    failures: usize,
    /// How the call has ended.
    status: Option<String>,
}

impl Connection {
    async fn open(gateway: &Gateway) -> Self {
        let address = gateway.public();
        let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (sender, driver) = http2::handshake(TokioExecutor::new(), socket)
            .await
            .unwrap();
        tokio::spawn(driver);
        Self { sender, address }
    }

    async fn call(&mut self, path: &str, body: Body) -> Result<Response<Incoming>, hyper::Error> {
        let request = Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .unwrap();
        timeout(SOON, self.sender.send_request(request))
            .await
            .expect("no answer")
    }

    async fn publish_stream(&mut self, window: u32) -> Stream {
        let (frames, outgoing) = mpsc::channel(1);
        let body = StreamBody::new(ReceiverStream::new(outgoing)).boxed();
        let answers = self.call(PATH, body).await.unwrap().into_body();
        let stream = Stream {
            frames,
            answers,
            sent: Arc::default(),
        };
        let open = Frame::Open(PublishOpen {
            stream: "ORDERS".to_owned(),
            max_in_flight: window,
            publish_timeout: time(Duration::from_secs(300)),
            mint_message_ids: true,
            ..PublishOpen::default()
        });
        stream.frames.send(Ok(data(open))).await.unwrap();
        stream
    }

    /// Whether another call on the connection is answered.
    async fn lives(&mut self) -> bool {
        let body = Full::new(Bytes::from_static(&[0; 5])).boxed();
        self.call("/grpc.health.v1.Health/Check", body)
            .await
            .is_ok()
    }
}

impl Stream {
    /// Sends messages, one a frame, in a task of its own.
    fn send(&self, count: u64) {
        let (frames, sent) = (self.frames.clone(), self.sent.clone());
        tokio::spawn(async move {
            for number in 1..=count {
                let frame = Frame::Messages(PublishFrame {
                    first_number: number,
                    messages: numbered([number]),
                });
                if frames.send(Ok(data(frame))).await.is_err() {
                    break;
                }
                sent.store(number, Ordering::Relaxed);
            }
        });
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends the caller's side behind what is being sent, and reads the answers in a task of its own.
    fn read(mut self) -> Arc<Mutex<Answered>> {
        let answered = Arc::<Mutex<Answered>>::default();
        let shared = answered.clone();
        tokio::spawn(async move {
            let mut bytes = BytesMut::new();
            while let Some(frame) = self.answers.frame().await {
                let mut answered = shared.lock().unwrap();
                match frame.map(BodyFrame::into_data) {
                    Ok(Ok(data)) => answered.note(&mut bytes, &data),
                    Ok(Err(trailers)) => answered.ended(trailers.into_trailers().unwrap()),
                    Err(error) => answered.status = Some(error.to_string()),
                }
            }
        });
        answered
    }
}

impl Answered {
    fn note(&mut self, bytes: &mut BytesMut, data: &[u8]) {
        bytes.extend_from_slice(data);
        while let Some(prefix) = bytes.first_chunk::<5>() {
            let size = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
            let size = 5 + usize::try_from(size).unwrap();
            if bytes.len() < size {
                return;
            }
            let message = bytes.split_to(size).split_off(5);
            let message = PublishStreamResponse::decode(message).unwrap();
            if let Some(Answer::Acks(acks)) = message.frame {
                self.through = acks.settled_through;
                self.failures += acks.failed.len();
            }
        }
    }

    fn ended(&mut self, trailers: HeaderMap) {
        let status = trailers.get("grpc-status").unwrap();
        self.status = Some(status.to_str().unwrap().to_owned());
    }
}

/// A gRPC message as the content of one DATA frame.
fn data(frame: Frame) -> BodyFrame<Bytes> {
    let message = PublishStreamRequest { frame: Some(frame) }.encode_to_vec();
    let size = u32::try_from(message.len()).unwrap();
    let bytes = [&[0], &size.to_be_bytes()[..], &message].concat();
    BodyFrame::data(Bytes::from(bytes))
}

/// A gateway whose connections hold as few small frames as any may.
async fn start() -> (NatsServer, Gateway, Wire) {
    let (nats, _, wire) = start_with_stream(orders()).await;
    let gateway = Gateway::start_with(&nats.url(), |config| {
        config.server.http2_stream_window = ByteSize::kib(64);
        config.server.http2_connection_window = ByteSize::mib(4);
    })
    .await;
    (nats, gateway, wire)
}

/// Streams on one connection, each of which has heard that it is open.
async fn open_streams(connection: &mut Connection, count: usize, window: u32) -> Vec<Stream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = connection.publish_stream(window).await;
        let opened = timeout(SOON, stream.answers.frame()).await.unwrap();
        opened.unwrap().unwrap();
        streams.push(stream);
    }
    streams
}

/// Waits until a caller is held: nothing goes out for a while.
async fn until_held(streams: &[Stream]) {
    let mut last = (0, Instant::now());
    eventually(SOON * 3, async || {
        let sent = streams.iter().map(Stream::sent).sum();
        if sent != last.0 {
            last = (sent, Instant::now());
        }
        (last.1.elapsed() > Duration::from_secs(2)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn callers_that_keep_to_their_window_are_always_read() {
    let (nats, gateway, _wire) = start().await;
    let mut connection = Connection::open(&gateway).await;
    // Together more small frames than a connection may hold unread.
    let streams = open_streams(&mut connection, 10, WINDOW).await;

    nats.pause();
    for stream in &streams {
        stream.send(WINDOW.into());
    }
    eventually(SOON * 3, async || {
        let all = streams
            .iter()
            .all(|stream| stream.sent() == u64::from(WINDOW));
        all.then_some(())
    })
    .await;

    assert!(connection.lives().await);
    nats.resume();
}

#[tokio::test]
async fn a_caller_held_by_flow_control_keeps_its_connection() {
    const MESSAGES: u64 = 5_000;
    let (nats, gateway, mut wire) = start().await;
    let mut connection = Connection::open(&gateway).await;
    let mut streams = open_streams(&mut connection, 1, WINDOW).await;

    nats.pause();
    streams[0].send(MESSAGES);
    until_held(&streams).await;
    assert!(streams[0].sent() < MESSAGES, "nothing held the caller");
    assert!(connection.lives().await);

    nats.resume();
    // The answers are read, so that they hold up nobody.
    let answered = streams.remove(0).read();
    eventually(SOON * 3, async || {
        let (stored, answered) = (wire.count("ORDERS").await, answered.lock().unwrap());
        println!("{stored} are stored, {answered:?}");
        answered.status.as_ref()?;
        assert_eq!((stored, answered.through), (MESSAGES, MESSAGES));
        assert_eq!(answered.failures, 0);
        assert_eq!(answered.status.as_deref(), Some("0"));
        Some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_outlives_a_call_whose_window_is_full_of_small_frames() {
    let (nats, gateway, _wire) = start().await;
    let mut connection = Connection::open(&gateway).await;
    let streams = open_streams(&mut connection, 1, 1).await;

    // The gateway reads a message or two, and nothing of what flow control lets through behind them.
    nats.pause();
    streams[0].send(10_000);
    until_held(&streams).await;

    assert!(streams[0].sent() > 2_000, "held too soon");
    assert!(connection.lives().await);
    nats.resume();
}

#[tokio::test]
async fn many_that_leave_it_to_flow_control_lose_their_connection() {
    let (nats, gateway, _wire) = start().await;
    let mut connection = Connection::open(&gateway).await;
    let streams = open_streams(&mut connection, 16, WINDOW).await;

    nats.pause();
    for stream in &streams {
        stream.send(10_000);
    }

    // A limit of h2 that the gateway cannot lift; the documents tell callers how to keep away from it.
    eventually(SOON * 3, async || {
        connection.sender.is_closed().then_some(())
    })
    .await;
    nats.resume();
}
