//! YAML as a tree that knows where each of its nodes stands.
//!
//! What a text means is left to whoever knows what is expected there: `1.10` is a label's text, and `no`
//! is a name if a name is due.

use std::fmt;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

/// How deep lists and mappings may be nested; far more than a configuration needs.
const DEEPEST: usize = 32;

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

/// A value and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What stands there.
#[derive(Debug)]
pub(super) enum Value {
    /// `text` is what was written; nothing, `~` and `null` without quotes are [`Value::Nothing`].
    Text(String),
    Nothing,
    List(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key of a mapping and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) node: Node,
}

/// What is wrong with a file, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Mistake {
    pub(super) place: Place,
    pub(super) what: String,
}

impl Mistake {
    pub(super) fn new(place: Place, what: impl Into<String>) -> Self {
        Self {
            place,
            what: what.into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl From<&Marker> for Place {
    fn from(marker: &Marker) -> Self {
        Self {
            line: marker.line(),
            column: marker.col() + 1,
        }
    }
}

impl From<ScanError> for Mistake {
    fn from(error: ScanError) -> Self {
        Self::new(error.marker().into(), error.info())
    }
}

/// The documents of a file that say something.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, Mistake> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
    };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            Event::StreamEnd | Event::Nothing => break,
            event => {
                let node = reader.node(event, span, 0)?;
                if !matches!(node.value, Value::Nothing) {
                    documents.push(node);
                }
            }
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Mistake> {
        Ok(self.parser.next().transpose()?)
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Mistake> {
        let place = Place::from(&span.start);
        let refused = |what: &str| Err(Mistake::new(place, what));
        if depth > DEEPEST {
            return refused("is nested too deep");
        }
        let value = match event {
            Event::Scalar(text, style, _, None) => scalar(text.into_owned(), style),
            Event::SequenceStart(_, None) => Value::List(self.list(depth)?),
            Event::MappingStart(_, None) => Value::Mapping(self.mapping(depth)?),
            Event::Alias(_) => return refused("aliases are not read: write the value out"),
            _ => return refused("tags are not read: leave them out"),
        };
        Ok(Node { place, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Mistake> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.node(event, span, depth + 1)?);
        }
        Ok(items)
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<Entry>, Mistake> {
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let Node { place, value } = self.node(event, span, depth + 1)?;
            let Value::Text(key) = value else {
                return Err(Mistake::new(place, "expected a key"));
            };
            if entries.iter().any(|entry| entry.key == key) {
                return Err(Mistake::new(place, format!("{key} is there twice")));
            }
            let Some((event, span)) = self.next()? else {
                return Err(Mistake::new(place, format!("{key} has no value")));
            };
            let node = self.node(event, span, depth + 1)?;
            entries.push(Entry { place, key, node });
        }
        Ok(entries)
    }
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    let is_plain = style == ScalarStyle::Plain;
    if is_plain && ["", "~", "null", "Null", "NULL"].contains(&text.as_str()) {
        return Value::Nothing;
    }
    Value::Text(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mistake(text: &str) -> String {
        let mistake = documents(text).unwrap_err();
        format!("{} {}", mistake.place, mistake.what)
    }

    #[test]
    fn every_node_knows_its_place_and_keeps_its_text() {
        let documents = documents("---\na: 1.10\nb:\n  - no\n---\n---\nc: \"\"\n").unwrap();

        let [first, second] = &documents[..] else {
            panic!("{documents:?}");
        };
        let Value::Mapping(entries) = &first.value else {
            panic!("{first:?}");
        };
        assert!(matches!(&entries[0].node.value, Value::Text(text) if text == "1.10"));
        let Value::List(items) = &entries[1].node.value else {
            panic!("{entries:?}");
        };
        assert!(matches!(&items[0].value, Value::Text(text) if text == "no"));
        assert_eq!(items[0].place.to_string(), "4:5");
        let Value::Mapping(entries) = &second.value else {
            panic!("{second:?}");
        };
        assert!(matches!(&entries[0].node.value, Value::Text(text) if text.is_empty()));
    }

    #[test]
    fn mistakes_have_a_place() {
        assert_eq!(mistake("a: 1\nb: 2\na: 3\n"), "3:1 a is there twice");
        assert_eq!(
            mistake("a: &x 1\nb: *x\n"),
            "2:4 aliases are not read: write the value out"
        );
        assert_eq!(
            mistake("a: !!int 1\n"),
            "1:4 tags are not read: leave them out"
        );
        assert!(mistake("a:\n  - b\n c: [\n").starts_with("3:"));
        assert!(mistake(&"[".repeat(DEEPEST + 2)).ends_with("is nested too deep"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-a:\\[\\]{}&*!|>'\"#?, \n\t]{0,80}") {
            let _ = documents(&text);
        }
    }
}
