//! Callers that wait for the response's headers before they say anything.

use jetgate::proto::ConsumeRequest;
use jetgate::proto::consume_request::Frame as Request;
use jetgate::proto::consume_response::Frame;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use super::*;

/// How long headers that are not held back may take, on a busy machine.
const SOON_ENOUGH: Duration = Duration::from_secs(3);

#[tokio::test]
async fn envoy_hands_them_on_at_once() {
    assert!(come_before_the_caller_speaks(Proxy::Envoy).await != Some(false));
}

#[tokio::test]
async fn haproxy_hands_them_on_at_once() {
    assert!(come_before_the_caller_speaks(Proxy::Haproxy).await != Some(false));
}

/// Until 1.22 nginx leaves headers in its TLS buffer, where it forgets them until the connection has
/// something else to do (its ticket 1743).
#[tokio::test]
async fn nginx_hands_them_on_at_once_from_1_23_on() {
    let Some(come) = come_before_the_caller_speaks(Proxy::Nginx).await else {
        return;
    };
    assert_eq!(come, nginx_version().await >= (1, 23));
}

/// Whether headers come that nothing follows; `None` without the proxy. They must come once the caller
/// speaks.
async fn come_before_the_caller_speaks(proxy: Proxy) -> Option<bool> {
    let (nats, _wire) = start_nats().await;
    let gateway = start_gateway(&nats).await;
    let edge = Edge::start(proxy, &[&gateway], LONG).await?;
    let clients = edge.clients();
    // The connection's own frames have passed, which would push out what is held back.
    clients.publisher().publish(order("1")).await.unwrap();

    let (requests, outgoing) = mpsc::channel(1);
    let mut subscriber = clients.subscriber();
    let mut calling = Box::pin(subscriber.consume(ReceiverStream::new(outgoing)));
    let early = timeout(SOON_ENOUGH, &mut calling).await.ok();
    let come = early.is_some();
    let frame = Some(Request::Open(open()));
    requests.send(ConsumeRequest { frame }).await.unwrap();
    let answer = match early {
        Some(answer) => answer,
        None => timeout(SOON, calling).await.expect("no headers"),
    };

    let mut frames = answer.unwrap().into_inner();
    let first = timeout(SOON, frames.message()).await.expect("no frame");
    let first = first.unwrap().and_then(|first| first.frame);
    assert!(matches!(first, Some(Frame::Opened(_))), "{first:?}");
    Some(come)
}

async fn nginx_version() -> (u32, u32) {
    let nginx = std::env::var_os("JETGATE_TEST_NGINX").unwrap();
    let output = Command::new(nginx).arg("-v").output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let (_, version) = text.split_once("nginx/").unwrap();
    let mut parts = version
        .split('.')
        .map(|part| part.parse().unwrap_or_default());
    (parts.next().unwrap(), parts.next().unwrap())
}
