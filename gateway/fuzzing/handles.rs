//! What callers bring back: names of sessions, pages and dead letters. Each has one way to be written, and
//! leads nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::publishing::reserved;
use super::subjects::{is_reserved, is_subject};
use crate::dead_letters::{Key, ReplayId, Subjects};
use crate::service::page::Page;
use crate::sessions::id;

/// A text that may be any of them.
pub fn handles(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    if let Ok(route) = id::parse("session_id", text) {
        assert_eq!(id::text(route), text);
    }
    if let Ok(gateway) = id::parse_gateway("gateway_id", text) {
        assert_eq!(id::gateway_text(gateway), text);
    }
    for token in [text, &URL_SAFE_NO_PAD.encode(input)] {
        page(token);
    }
    let subjects = Subjects::new("dead").unwrap();
    if let Ok(replay) = ReplayId::parse("replay_id", text) {
        assert_eq!(replay.as_str(), text);
        let key = Key::parse("letter_id", "S.C.1.1").unwrap();
        letter(&subjects, &key, &replay);
    }
    if let Ok(key) = Key::parse("letter_id", text) {
        assert_eq!(key.to_string(), text);
        letter(&subjects, &key, &ReplayId::parse("replay_id", "1").unwrap());
    }
    subject(&subjects, text);
}

fn page(token: &str) {
    let Ok(page) = Page::parse(0, token) else {
        return;
    };
    if !token.is_empty() {
        let written = format!("1:{}", page.offset());
        assert_eq!(token, URL_SAFE_NO_PAD.encode(written));
    }
    let next = page.next(1, u64::MAX);
    let next = Page::parse(0, &next).expect("the next page can be asked for");
    assert!(next.offset() > page.offset() || page.offset() == u64::from(u32::MAX));
}

/// Where a letter and a replay of it are.
fn letter(subjects: &Subjects, key: &Key, replay: &ReplayId) {
    is_subject(&subjects.letter_of(key));
    is_subject(&subjects.replays_of(key));
    let Ok(noted) = subjects.replay(key, replay, &reserved()) else {
        return;
    };
    assert!(!is_reserved(noted.as_str()) && noted.as_str().starts_with("dead."));
    assert_eq!(subjects.read_replay(noted.as_str()).as_ref(), Some(replay));
    assert_eq!(subjects.read_letter(noted.as_str()), None);
}

/// Whoever may publish there can choose the subject of what is read as a letter.
fn subject(subjects: &Subjects, text: &str) {
    let text = format!("dead.{text}");
    if let Some((key, cause)) = subjects.read_letter(&text) {
        let begin = format!("dead.{key}.letter.{}.", cause.as_str());
        assert!(text.starts_with(&begin), "{text} is {begin}");
    }
}
