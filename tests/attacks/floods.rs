//! Much of what is cheap to send and dear to answer.

use super::frames::{
    CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, HEADERS, LAST_KEPT, PING, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, call, frame, header, kept_header, message,
};
use super::{House, METHOD};

/// Frames that are sent together.
const BURST: usize = 500;

/// RST_STREAM's code for a call that is not wanted any more.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// Many calls with this behind the headers of each.
fn calls(connection: &mut Connection, kind: u8, payload: [u8; 4]) -> Vec<u8> {
    let mut burst = Vec::new();
    for _ in 0..BURST {
        let stream = connection.stream();
        burst.extend(frame(HEADERS, END_HEADERS, stream, &call(METHOD)));
        burst.extend(frame(kind, 0, stream, &payload));
    }
    burst
}

#[tokio::test]
async fn calls_that_are_reset_at_once() {
    let mut house = House::start().await;
    house
        .withstands(async |address| {
            let connection = Connection::open(address).await;
            let resets = |connection: &mut _| calls(connection, RST_STREAM, CANCEL);
            connection.send_until_cut_off(resets).await;
        })
        .await;
}

#[tokio::test]
async fn calls_that_the_gateway_is_made_to_reset() {
    let mut house = House::start().await;
    house
        .withstands(async |address| {
            let connection = Connection::open(address).await;
            // An increment of nothing is an error of its stream.
            let provoked = |connection: &mut _| calls(connection, WINDOW_UPDATE, [0; 4]);
            connection.send_until_cut_off(provoked).await;
        })
        .await;
}

#[tokio::test]
async fn headers_that_never_end() {
    let mut house = House::start().await;
    house
        .withstands(async |address| {
            let mut connection = Connection::open(address).await;
            let stream = connection.stream();
            let begun = frame(HEADERS, 0, stream, &call(METHOD));
            connection.send(&begun).await;
            let more = header("x-more", &"x".repeat(16_000));
            let more = frame(CONTINUATION, 0, stream, &more);
            connection.send_until_cut_off(|_| more.clone()).await;
        })
        .await;
}

#[tokio::test]
async fn headers_of_few_bytes_that_mean_many() {
    let mut house = House::start().await;
    house
        .withstands(async |address| {
            let mut connection = Connection::open(address).await;
            // Four thousand bytes that one byte stands for from then on.
            let kept = kept_header("x-bomb", &"x".repeat(3_900));
            for _ in 0..BURST {
                let stream = connection.stream();
                let bomb = [call(METHOD), kept.clone(), vec![LAST_KEPT; 12_000]].concat();
                let flags = END_HEADERS | END_STREAM;
                if !connection.send(&frame(HEADERS, flags, stream, &bomb)).await {
                    break;
                }
            }
        })
        .await;
}

#[tokio::test]
async fn pings_and_settings_without_end() {
    let mut house = House::start().await;
    house
        .withstands(async |address| {
            for flood in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
                let mut connection = Connection::open(address).await;
                connection.repeat(&flood.repeat(BURST), 100).await;
            }
        })
        .await;
}

#[tokio::test]
async fn data_in_as_many_frames_as_possible() {
    let mut house = House::start().await;
    house
        .withstands(async |address| {
            for piece in [&[][..], &[0]] {
                let mut connection = Connection::open(address).await;
                let stream = connection
                    .begin("/jetgate.v1.PublisherService/PublishStream")
                    .await;
                let flood = frame(DATA, 0, stream, piece);
                connection.repeat(&flood.repeat(BURST), 100).await;
            }
        })
        .await;
}

#[tokio::test]
async fn messages_that_say_they_are_larger_than_anything() {
    let mut house = House::start().await;
    house
        .withstands(async |address| {
            let mut connection = Connection::open(address).await;
            for length in [u32::MAX, (8 << 20) + 1, 1 << 30] {
                let stream = connection.begin(METHOD).await;
                let data = message(length, &[7; 8_000]);
                for _ in 0..4 {
                    connection.send(&frame(DATA, 0, stream, &data)).await;
                }
            }
        })
        .await;
}

#[tokio::test]
async fn calls_of_nobody_that_is_known() {
    let mut house = House::start().await;
    house
        .withstands(async |address| {
            let mut connection = Connection::open(address).await;
            let key = header("x-api-key", "jg_made-up");
            for _ in 0..100 {
                let mut burst = Vec::new();
                for timeout in ["1n", "99999999H", "1S", "-1S", "nonsense"] {
                    let stream = connection.stream();
                    let headers = [call(METHOD), key.clone(), header("grpc-timeout", timeout)];
                    burst.extend(frame(HEADERS, END_HEADERS, stream, &headers.concat()));
                    burst.extend(frame(DATA, END_STREAM, stream, &message(0, &[])));
                }
                if !connection.send(&burst).await {
                    break;
                }
            }
        })
        .await;
}
