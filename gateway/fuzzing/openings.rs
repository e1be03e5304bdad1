//! How connections begin: what a proxy says of them, and the first bytes of the protocol.

use std::net::{IpAddr, SocketAddr};

use futures_util::FutureExt as _;
use tokio::io::AsyncReadExt as _;

use crate::listener::preface::{self, Protocol};
use crate::listener::proxied;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first bytes of a connection, with a header of the PROXY protocol before what follows, or without.
pub fn openings(input: &[u8]) {
    proxy_header(input);
    preface(input);
}

fn proxy_header(input: &[u8]) {
    let mut rest = input;
    let outcome = proxied::read(&mut rest).now_or_never();
    let outcome = outcome.expect("bytes are always there").ok();
    let expected = header_of(input).and_then(|header| Some((header, said(header)?)));
    assert_eq!(outcome, expected.map(|(_, address)| address));
    if let Some((header, _)) = expected {
        assert_eq!(rest, &input[header.len()..], "what follows is left");
    }
}

/// The bytes of the header, where they are all there.
fn header_of(input: &[u8]) -> Option<&[u8]> {
    let length = match input.strip_prefix(SIGNATURE) {
        Some([_, _, high, low, ..]) => {
            let rest = u16::from_be_bytes([*high, *low]);
            (rest <= 4096).then_some(16 + usize::from(rest))
        }
        _ => input
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| at + 1),
    };
    input.get(..length?)
}

/// What it says, by the protocol's definition: nothing, or nobody's address, or one.
fn said(header: &[u8]) -> Option<Option<SocketAddr>> {
    if !header.starts_with(SIGNATURE) {
        return said_in_words(header);
    }
    let (command, family, rest) = (header[12], header[13], &header[16..]);
    let address = |length: usize| {
        let port = rest.get(2 * length..2 * length + 2)?;
        // The other port has to be there, too.
        rest.get(2 * length + 3)?;
        let ip = match length {
            4 => IpAddr::from(<[u8; 4]>::try_from(&rest[..4]).ok()?),
            _ => IpAddr::from(<[u8; 16]>::try_from(&rest[..16]).ok()?),
        };
        let port = u16::from_be_bytes([port[0], port[1]]);
        Some(Some(SocketAddr::new(ip, port)))
    };
    match (command, family) {
        (0x20, _) | (0x21, 0x00) => Some(None),
        (0x21, 0x11) => address(4),
        (0x21, 0x21) => address(16),
        (0x21, 0x31 | 0x32) => (rest.len() >= 216).then_some(None),
        _ => None,
    }
}

fn said_in_words(header: &[u8]) -> Option<Option<SocketAddr>> {
    let line = header.strip_suffix(b"\r\n").filter(|it| it.len() <= 105)?;
    let line = line.strip_prefix(b"PROXY ")?;
    if line.contains(&b'\r') {
        return None;
    }
    if line.starts_with(b"UNKNOWN") {
        return Some(None);
    }
    let words: Vec<_> = std::str::from_utf8(line).ok()?.split(' ').collect();
    let [family, source, destination, port, other_port] = words[..] else {
        return None;
    };
    let is_of_family = |ip: &IpAddr| match family {
        "TCP4" => ip.is_ipv4(),
        "TCP6" => ip.is_ipv6(),
        _ => false,
    };
    let ip = |text: &str| text.parse().ok().filter(is_of_family);
    let port_of = |text: &str| text.parse::<u16>().ok();
    ip(destination).and_then(|_| port_of(other_port))?;
    Some(Some(SocketAddr::new(ip(source)?, port_of(port)?)))
}

/// Where HTTP/1.1 is taken, and where it is not.
fn preface(input: &[u8]) {
    for refusal in [None, Some("only HTTP/2")] {
        let mut answered = Vec::new();
        let stream = tokio::io::join(input, &mut answered);
        let outcome = preface::read(stream, refusal).now_or_never();
        let outcome = outcome
            .expect("bytes are always there")
            .map(|(protocol, mut replayed)| {
                let mut replay = Vec::new();
                let all = replayed.read_to_end(&mut replay).now_or_never();
                all.expect("bytes are always there").expect("nothing fails");
                (protocol, replay)
            });
        let begins_otherwise = !PREFACE.starts_with(&input[..input.len().min(PREFACE.len())]);
        let is_http1 = begins_otherwise && input[0].is_ascii_uppercase();
        let expected = match refusal {
            _ if input.starts_with(PREFACE) => Some(Protocol::Http2),
            None if is_http1 => Some(Protocol::Http1),
            _ => None,
        };
        assert_eq!(outcome.as_ref().ok().map(|(it, _)| *it), expected);
        if let Ok((_, replay)) = outcome {
            assert_eq!(replay, input, "nothing is lost");
        }
        let is_told = is_http1 && refusal.is_some();
        assert_eq!(answered.starts_with(b"HTTP/1.1 505 "), is_told);
        assert!(is_told || answered.is_empty());
    }
}
