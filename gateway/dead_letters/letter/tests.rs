use super::*;
use proptest::prelude::*;

fn advisory(kind: GivenUpKind, reason: &str) -> GivenUp {
    GivenUp {
        kind,
        id: "AbC1".into(),
        timestamp: "2026-11-23T07:42:29.5Z".parse().unwrap(),
        stream: "ORDERS".into(),
        consumer: "c".into(),
        stream_seq: 17,
        deliveries: 5,
        reason: reason.into(),
        domain: String::new(),
    }
}

fn stored(headers: &[(&str, &[u8])]) -> Stored {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Bytes::copy_from_slice(value)));
    Stored {
        subject: "orders.new".into(),
        sequence: 17,
        time: Some("2026-11-23T07:00:00Z".parse().unwrap()),
        headers: headers.collect(),
        payload: Bytes::from_static(b"payload"),
    }
}

fn letter(message: Result<Stored, &str>) -> Letter {
    let advisory = advisory(GivenUpKind::Terminated, "bro\r\nken");
    let key = Key::parse("letter_id", "ORDERS.c.17.18ab").unwrap();
    let created = "2026-11-23T06:00:00Z".parse().ok();
    Letter::new(&advisory, key, created, message)
}

/// The letter as it is read after it was stored.
fn stored_and_read(letter: &Letter) -> Letter {
    let subjects = Subjects::new("dead_letters").unwrap();
    let stream = StreamName::parse("stream", "LETTERS").unwrap();
    let advisory = advisory(GivenUpKind::Terminated, "");
    let outgoing = letter
        .outgoing(&advisory, &stream, &subjects, &Reserved::new("_INBOX"))
        .unwrap();
    let headers = outgoing.headers.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| {
            let (name, value): (&str, &str) = (name.as_ref(), value.as_ref());
            (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()))
        })
    });
    let message = Stored {
        subject: outgoing.subject.to_string(),
        sequence: 3,
        time: None,
        headers: headers.collect(),
        payload: outgoing.payload,
    };
    Letter::read(message, &subjects).unwrap()
}

#[test]
fn a_stored_letter_is_read_as_it_was() {
    let mut headers = vec![
        ("A", &b"1"[..]),
        ("A", b"2"),
        ("Nats-Msg-Id", b"id-1"),
        ("Dead-Letter-Id", b"x"),
    ];
    let letter = letter(Ok(stored(&headers)));

    let mut read = stored_and_read(&letter);

    assert_eq!((read.sequence, read.reason.as_str()), (3, "bro  ken"));
    let by_name = |(name, value): &(String, Bytes)| (name.clone(), value.clone());
    read.headers.sort_by_key(by_name);
    headers.sort_unstable();
    let names: Vec<_> = read
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_ref()))
        .collect();
    assert_eq!(names, headers);
    let expected = Letter {
        sequence: 3,
        reason: read.reason.clone(),
        headers: read.headers.clone(),
        ..letter
    };
    assert_eq!(read, expected);
}

#[test]
fn says_what_nats_cannot_carry_and_keeps_the_rest() {
    let headers = [
        ("A", &b"x\ry"[..]),
        ("B", b"\xff"),
        ("na me", b"1"),
        ("C", b"fine"),
    ];

    let read = stored_and_read(&letter(Ok(stored(&headers))));

    assert_eq!(read.payload.as_deref(), Some(&b"payload"[..]));
    assert_eq!(
        read.headers,
        [("C".to_owned(), Bytes::from_static(b"fine"))]
    );
    let named: Vec<_> = read
        .not_carried
        .iter()
        .filter_map(|it| it.split(':').next())
        .collect();
    assert_eq!(named, ["header A", "header B", "header na me"]);
}

#[test]
fn of_many_broken_headers_a_few_are_named() {
    let headers = vec![("A", &b"x\ry"[..]); 5_000];

    let read = stored_and_read(&letter(Ok(stored(&headers))));

    assert_eq!(read.not_carried.len(), NAMED + 1);
    assert_eq!(
        read.not_carried[NAMED],
        "headers: 4984 more that NATS cannot carry"
    );
}

#[test]
fn headers_that_are_too_large_stay_behind() {
    let large = vec![b'x'; HEADERS];

    let read = stored_and_read(&letter(Ok(stored(&[("A", &large)]))));

    assert!(read.headers.is_empty() && read.payload.is_some());
    assert_eq!(read.not_carried, ["headers: more than 48 KiB"]);
}

#[test]
fn a_letter_without_its_message_is_provenance() {
    let read = stored_and_read(&letter(Err("gone")));
    assert_eq!((read.payload, read.subject), (None, None));
    assert_eq!(read.not_carried, ["message: gone"]);

    let read = stored_and_read(&letter(Ok(stored(&[("A", b"1")]))).without_message("too large"));
    assert_eq!(read.payload, None);
    assert_eq!(read.subject.as_deref(), Some("orders.new"));
}

#[test]
fn an_empty_payload_is_a_message() {
    let message = Stored {
        payload: Bytes::new(),
        ..stored(&[])
    };
    assert_eq!(
        stored_and_read(&letter(Ok(message))).payload,
        Some(Bytes::new())
    );
}

#[test]
fn what_jetstream_removed_was_not_terminated() {
    let cause = |kind, reason| Cause::of(&advisory(kind, reason));
    assert_eq!(cause(GivenUpKind::MaxDeliver, ""), Cause::MaxDeliveries);
    assert_eq!(cause(GivenUpKind::Terminated, "broken"), Cause::Terminated);
    assert_eq!(cause(GivenUpKind::Terminated, REMOVED[1]), Cause::Removed);
}

#[test]
fn long_reasons_are_cut_between_characters() {
    assert_eq!(tidy("aéé", 4), "aé");
    assert_eq!(tidy(" a\tb ", 10), "a b");
}

proptest! {
    #[test]
    fn whatever_headers_a_message_has_its_letter_can_be_sent(
        headers in prop::collection::vec((".{0,12}", prop::collection::vec(any::<u8>(), 0..12)), 0..6),
        reason in ".{0,40}",
    ) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let mut letter = letter(Ok(stored(&headers)));
        letter.reason = reason;
        let read = stored_and_read(&letter);
        prop_assert_eq!(read.headers.len() + read.not_carried.len(), headers.len());
    }
}
