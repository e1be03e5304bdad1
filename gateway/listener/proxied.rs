//! The PROXY protocol, versions 1 and 2: what a proxy says of a connection before it passes it on.
//!
//! Exactly the header is read, so that what follows, TLS or a preface, is left for whoever reads that.

use std::{io, net::SocketAddr};

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How headers of version 2 begin; those of version 1 have no fewer bytes.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// How headers of version 1 begin.
const WORD: &[u8; 6] = b"PROXY ";

/// The longest header of version 1, by its definition.
const LONGEST_LINE: usize = 107;

/// What version 2 has behind its signature: version, family, and the length of the rest.
const FIXED: usize = 4;

/// Version 2, and that the proxy speaks for itself: whatever it says of addresses means nothing then.
const LOCAL: u8 = 0x20;

/// The longest rest of version 2 that is taken. It has no bound of its own but 64 KiB; proxies add a few hundred
/// bytes about TLS to the addresses.
const LONGEST_REST: usize = 4096;

/// Reads the header, which must be there: the caller's address, or `None` where the proxy speaks for itself or
/// does not know.
///
/// # Errors
///
/// When the connection ends, or begins with anything else.
pub(crate) async fn read<I: AsyncRead + Unpin>(stream: &mut I) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; SIGNATURE.len()];
    let mut filled = 0;
    while filled < header.len() {
        match stream.read(&mut header[filled..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
        // Compared as it arrives: whoever speaks something else may wait for an answer.
        let begins = |with: &[u8]| {
            let common = filled.min(with.len());
            header[..common] == with[..common]
        };
        if !begins(SIGNATURE) && !begins(WORD) {
            return Err(invalid("no PROXY header"));
        }
    }
    if header == SIGNATURE {
        read_rest(stream, &mut header).await?;
    } else {
        read_line(stream, &mut header).await?;
    }
    source(&header)
}

async fn read_rest<I: AsyncRead + Unpin>(stream: &mut I, header: &mut Vec<u8>) -> io::Result<()> {
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await?;
    header.extend(fixed);
    let length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if length > LONGEST_REST {
        return Err(invalid("the PROXY header is too long"));
    }
    let begin = header.len();
    header.resize(begin + length, 0);
    stream.read_exact(&mut header[begin..]).await?;
    Ok(())
}

/// Byte by byte, as nothing tells how long the line is; it is short, and there is one for each connection.
async fn read_line<I: AsyncRead + Unpin>(stream: &mut I, header: &mut Vec<u8>) -> io::Result<()> {
    while header.last() != Some(&b'\n') {
        if header.len() == LONGEST_LINE {
            return Err(invalid("the PROXY header is too long"));
        }
        header.push(stream.read_u8().await?);
    }
    Ok(())
}

fn source(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    if header.starts_with(SIGNATURE) && header.get(SIGNATURE.len()) == Some(&LOCAL) {
        return Ok(None);
    }
    let config = ParseConfig {
        include_tlvs: false,
        ..ParseConfig::default()
    };
    let (parsed, length) =
        ProxyHeader::parse(header, config).map_err(|_| invalid("malformed PROXY header"))?;
    if length != header.len() {
        return Err(invalid("malformed PROXY header"));
    }
    match parsed.proxied_address() {
        Some(address) if address.protocol == Protocol::Stream => Ok(Some(address.source)),
        Some(_) => Err(invalid("the PROXY header is about datagrams")),
        None => Ok(None),
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read of these bytes, and what is left.
    fn read_all(mut bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, &[u8]) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let outcome = { runtime }.build().unwrap().block_on(read(&mut bytes));
        (outcome, bytes)
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    const ADDRESSES: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0xc3, 0x83];

    #[test]
    fn the_header_is_taken_and_nothing_else() {
        let source = Some("192.0.2.7:4660".parse().unwrap());
        let with_tlvs = [&ADDRESSES[..], &[0x02, 0, 3, b'a', b'.', b'b']].concat();
        for (header, expected) in [
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 50051\r\n".to_vec(),
                source,
            ),
            (
                b"PROXY TCP6 2001:db8::7 ::1 4660 50051\r\n".to_vec(),
                Some("[2001:db8::7]:4660".parse().unwrap()),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ::1 1 2\r\n".to_vec(), None),
            (version_2(0x21, 0x11, &ADDRESSES), source),
            (version_2(0x21, 0x11, &with_tlvs), source),
            // LOCAL, whatever comes with it; and a family that is not specified.
            (version_2(0x20, 0x11, &ADDRESSES), None),
            (version_2(0x20, 0x41, &ADDRESSES[..5]), None),
            (version_2(0x20, 0x00, &[]), None),
            (version_2(0x21, 0x00, &[]), None),
            (version_2(0x21, 0x31, &[0; 216]), None),
        ] {
            let bytes = [&header[..], b"PRI * HTTP/2.0"].concat();
            let (outcome, left) = read_all(&bytes);
            assert_eq!(outcome.unwrap(), expected, "{header:?}");
            assert_eq!(left, b"PRI * HTTP/2.0");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let endless = format!("PROXY TCP4 {}", "1".repeat(200));
        for bytes in [
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 99999\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 50051\n\n\n",
            b"PROXY UDP4 192.0.2.7 10.0.0.1 4660 50051\r\n",
            b"PROXY TCP4 2001:db8::7 ::1 4660 50051\r\n",
            endless.as_bytes(),
            &version_2(0x11, 0x11, &ADDRESSES),
            &version_2(0x22, 0x11, &ADDRESSES),
            &version_2(0x21, 0x12, &ADDRESSES),
            &version_2(0x21, 0x11, &ADDRESSES[..5]),
            &version_2(0x21, 0x41, &ADDRESSES),
            &version_2(0x21, 0x11, &[0; LONGEST_REST + 1]),
            b"PROXY",
            b"",
        ] {
            assert!(read_all(bytes).0.is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(command: u8, family: u8, rest in prop::collection::vec(any::<u8>(), 0..300), line in "PROXY [ -~\r]{0,120}") {
            let _ = read_all(&version_2(command, family, &rest));
            let _ = read_all(format!("{line}\n").as_bytes());
            let _ = read_all(&rest);
        }
    }
}
