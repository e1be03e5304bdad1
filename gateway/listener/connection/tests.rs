//! One connection without a network: what is buffered for it, and how old it becomes. The clock goes on when nobody has
//! anything to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream;
use http_body::Frame;
use http_body_util::{Empty, StreamBody};
use hyper::client::conn::http2::handshake;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tower::service_fn;

use super::*;

/// What the network holds, so to speak.
const PIPE: usize = 1024;

/// The end of a connection's client, and its task.
fn serve<S, B>(config: &Config, service: S) -> (DuplexStream, JoinHandle<()>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (refusals, stop) = (Refusals::new("test"), CancellationToken::new());
    let connection = Connection::new(config, None, None, Metrics::new(), refusals, stop);
    let (client, stream) = tokio::io::duplex(PIPE);
    let info = TcpConnectInfo {
        local_addr: None,
        remote_addr: Some(([192, 0, 2, 7], 4660).into()),
    };
    let serving = tokio::spawn(async move {
        let served = connection.serve_stream(stream, preface::PLAIN, info, None, service);
        served.await;
    });
    (client, serving)
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let head = [0, 0, length, kind, flags, 0, 0, 0, stream];
    [&head, payload].concat()
}

/// What is asked of an endless answer's body by the time that its client, which has windows without end and reads
/// nothing, is left alone.
async fn buffered(size: ByteSize) -> usize {
    let config = Config {
        max_send_buffer_bytes: size,
        ..Config::default()
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let service = service_fn(move |_| {
        let counted = counted.clone();
        let piece = move || {
            counted.fetch_add(1024, Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 1024])))
        };
        let body = StreamBody::new(stream::iter(std::iter::repeat_with(piece)));
        async { Ok::<_, Infallible>(Response::new(body)) }
    });
    let (mut client, _serving) = serve(&config, service);
    let largest = (u32::MAX >> 1).to_be_bytes();
    let more = (u32::MAX >> 1) - 65_535;
    let greeting = [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        &frame(4, 0, 0, &[&[0, 4][..], &largest].concat()),
        &frame(8, 0, 0, &more.to_be_bytes()),
        // GET, http, / and an authority; the headers and the call end here.
        &frame(1, 5, 1, &[0x82, 0x86, 0x84, 0x41, 1, b'x']),
    ];
    client.write_all(&greeting.concat()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    asked.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn no_more_than_its_buffer_is_made_for_a_caller_that_does_not_read() {
    for size in [ByteSize::kib(64), ByteSize::mib(1)] {
        let buffered = buffered(size).await;
        let size = size.as_usize();
        // What h2 has taken out of the buffer to write it comes on top.
        let most = size + PIPE + 32 * 1024;
        assert!((size..most).contains(&buffered), "{buffered} of {size}");
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_begin_together_do_not_end_together() {
    let config = Config {
        max_connection_age: Duration::from_secs(1000),
        http2_keepalive_interval: Duration::from_secs(3600),
        ..Config::default()
    };
    let began = Instant::now();
    let mut ends = JoinSet::new();
    for _ in 0..40 {
        let service =
            service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
        let (client, serving) = serve(&config, service);
        let client = handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(client));
        let (sender, connection) = client.await.unwrap();
        tokio::spawn(connection);
        ends.spawn(async move {
            serving.await.unwrap();
            drop(sender);
            began.elapsed().as_secs()
        });
    }

    let ages = ends.join_all().await;

    let (least, most) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
    assert!((900..980).contains(least), "{ages:?}");
    assert!((1021..=1100).contains(most), "{ages:?}");
}
