//! Much of what is cheap to send and dear to answer.

use super::frames::{
    CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, HEADERS, LAST_KEPT, PING, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, call, frame, header, kept_header, message,
};
use super::{METHOD, Target};

/// Frames that are sent together.
const BURST: usize = 500;

/// The largest increment of a window, which is too large for every window that is open.
const LARGEST: [u8; 4] = [0x7f, 255, 255, 255];

/// RST_STREAM's code for a call that is not wanted any more.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// Many calls with this behind the headers of each.
fn calls(connection: &mut Connection, flags: u8, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut burst = Vec::new();
    for _ in 0..BURST {
        let stream = connection.stream();
        burst.extend(frame(HEADERS, END_HEADERS | flags, stream, &call(METHOD)));
        burst.extend(frame(kind, 0, stream, payload));
    }
    burst
}

/// Calls that are reset at once.
pub(super) async fn resets(target: &Target) {
    let connection = Connection::open(target.address).await;
    let resets = |connection: &mut _| calls(connection, 0, RST_STREAM, &CANCEL);
    connection.send_until_cut_off(resets).await;
}

/// Calls that the gateway is made to reset: a window that becomes too large is an error of its stream.
pub(super) async fn provoked_resets(target: &Target) {
    let connection = Connection::open(target.address).await;
    let provoked = |connection: &mut _| calls(connection, 0, WINDOW_UPDATE, &LARGEST);
    connection.send_until_cut_off(provoked).await;
}

/// The same by data behind the end of its stream.
pub(super) async fn late_data(target: &Target) {
    let connection = Connection::open(target.address).await;
    let late = |connection: &mut _| calls(connection, END_STREAM, DATA, &[0; 5]);
    connection.send_until_cut_off(late).await;
}

/// Headers that go on and on, in pieces as large as possible.
pub(super) async fn endless_headers(target: &Target) {
    continued(target, &header("x-more", &"x".repeat(16_000))).await;
}

/// The same in pieces of nothing.
pub(super) async fn empty_continuations(target: &Target) {
    continued(target, &[]).await;
}

async fn continued(target: &Target, more: &[u8]) {
    let mut connection = Connection::open(target.address).await;
    let stream = connection.stream();
    connection
        .send(&frame(HEADERS, 0, stream, &call(METHOD)))
        .await;
    let more = frame(CONTINUATION, 0, stream, more);
    let count = if more.len() < 100 { BURST } else { 1 };
    connection.send_until_cut_off(|_| more.repeat(count)).await;
}

/// Headers of few bytes that mean many: four thousand that one byte stands for from then on.
pub(super) async fn header_bombs(target: &Target) {
    let mut connection = Connection::open(target.address).await;
    let kept = kept_header("x-bomb", &"x".repeat(3_900));
    for _ in 0..BURST {
        let stream = connection.stream();
        let bomb = [call(METHOD), kept.clone(), vec![LAST_KEPT; 12_000]].concat();
        let flags = END_HEADERS | END_STREAM;
        if !connection.send(&frame(HEADERS, flags, stream, &bomb)).await {
            break;
        }
    }
}

/// Lists of headers that are four times as long as may be, whole ones.
pub(super) async fn long_header_lists(target: &Target) {
    let mut connection = Connection::open(target.address).await;
    let part = header("x-long", &"x".repeat(16_000));
    for _ in 0..BURST {
        let stream = connection.stream();
        let list = [
            frame(HEADERS, END_STREAM, stream, &call(METHOD)),
            frame(CONTINUATION, 0, stream, &part).repeat(3),
            frame(CONTINUATION, END_HEADERS, stream, &part),
        ];
        if !connection.send(&list.concat()).await {
            break;
        }
    }
}

/// Pings, and settings, without end.
pub(super) async fn pings_and_settings(target: &Target) {
    for flood in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut connection = Connection::open(target.address).await;
        connection.repeat(&flood.repeat(BURST), 100).await;
    }
}

/// Data in as many frames as possible, of a call that is let in.
pub(super) async fn tiny_data(target: &Target) {
    for piece in [&[][..], &[0]] {
        let mut connection = Connection::open(target.address).await;
        let method = "/jetgate.v1.PublisherService/PublishStream";
        let stream = connection.begin(&target.call(method)).await;
        let flood = frame(DATA, 0, stream, piece);
        connection.repeat(&flood.repeat(BURST), 100).await;
    }
}

/// Messages that say they are larger than anything, and one that is a little too large.
pub(super) async fn oversized(target: &Target) {
    let mut connection = Connection::open(target.address).await;
    for length in [u32::MAX, (8 << 20) + 1, 1 << 30] {
        let stream = connection
            .begin(&target.call("/jetgate.v1.PublisherService/Publish"))
            .await;
        let data = message(length, &[7; 8_000]);
        for _ in 0..4 {
            connection.send(&frame(DATA, 0, stream, &data)).await;
        }
    }
}

/// Messages that are compressed, which nobody here unpacks.
pub(super) async fn compressed(target: &Target) {
    let mut connection = Connection::open(target.address).await;
    for _ in 0..BURST {
        let mut headers = target.call("/jetgate.v1.PublisherService/Publish");
        headers.extend(header("grpc-encoding", "gzip"));
        let stream = connection.begin(&headers).await;
        let mut packed = message(8_000, &[0; 8_000]);
        packed[0] = 1;
        if !connection
            .send(&frame(DATA, END_STREAM, stream, &packed))
            .await
        {
            break;
        }
    }
}

/// Calls of nobody that is known, with deadlines that are none.
pub(super) async fn unknown_callers(target: &Target) {
    let mut connection = Connection::open(target.address).await;
    let key = header("x-api-key", "jg_made-up");
    answered(&mut connection, |timeout| {
        [call(METHOD), key.clone(), timeout].concat()
    })
    .await;
}

/// Calls of somebody who is known, with deadlines that are none.
pub(super) async fn deadlines(target: &Target) {
    let mut connection = Connection::open(target.address).await;
    answered(&mut connection, |timeout| {
        [target.call(METHOD), timeout].concat()
    })
    .await;
}

/// Questions about health and services, which need no key, or get no answer.
pub(super) async fn health_and_reflection(target: &Target) {
    let mut connection = Connection::open(target.address).await;
    let methods = [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ];
    for method in methods {
        answered(&mut connection, |timeout| [call(method), timeout].concat()).await;
    }
}

/// Many small calls whose answers are read.
async fn answered(connection: &mut Connection, headers: impl Fn(Vec<u8>) -> Vec<u8>) {
    for _ in 0..100 {
        let mut burst = Vec::new();
        for timeout in ["1n", "99999999H", "1S", "-1S", "nonsense"] {
            let stream = connection.stream();
            let headers = headers(header("grpc-timeout", timeout));
            burst.extend(frame(HEADERS, END_HEADERS, stream, &headers));
            burst.extend(frame(DATA, END_STREAM, stream, &message(0, &[])));
        }
        if !connection.send(&burst).await {
            break;
        }
    }
}
