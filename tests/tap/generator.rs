//! Makes calls: every method of the contract in turn, with messages that are mostly what a caller would
//! send, and have something hostile in some of their places.

use std::collections::HashMap;

use jetgate::proto::DESCRIPTORS;
use jetgate::token::{AckToken, Moment, Origin, Reached, ResumeToken, Start};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    MethodDescriptor, Value,
};

use super::calls::Call;

/// Stands in every payload.
pub(super) const MARK: &[u8] = b"generated-payload";

/// Messages within each other.
const DEEPEST: usize = 5;

/// What goes where a name or a subject is expected.
const HOSTILE: [&str; 40] = [
    "",
    " ",
    ".",
    "..",
    "*",
    ">",
    "a.*",
    "fuzz.>",
    "a..b",
    ".a",
    "a.",
    "a b",
    "a\tb",
    "a\r\nb",
    "a\0b",
    "\u{7f}",
    "$JS.API.>",
    "$JS.API.STREAM.PURGE.BYSTANDER",
    "$JS.API.STREAM.DELETE.BYSTANDER",
    "$JS.ACK.BYSTANDER.c.1.1.1.1.1",
    "$SYS.>",
    "$SYS.REQ.SERVER.PING",
    "$KV.b.k",
    "$1",
    "{{wildcard(1)}}",
    "{{split(1,-)}}.x",
    "_INBOX.>",
    "_INBOX.x",
    "_INBOX_tap.>",
    "_INBOX_tap.x.r.1",
    "_INBOX_tap",
    "_R_.x",
    "_GR_.x.y",
    "FUZZ.BYSTANDER",
    "FUZZ BYSTANDER",
    "x\r\nPUB $JS.API.STREAM.PURGE.BYSTANDER 0\r\n\r\n",
    "größe.\u{2028}",
    "\u{202e}drawkcab",
    "/etc/passwd",
    "..\\x",
];

/// Numbers at which something ends.
const EDGES: [i64; 12] = [
    0,
    1,
    -1,
    2,
    7,
    100,
    255,
    65_536,
    i32::MAX as i64,
    i32::MIN as i64,
    i64::MAX,
    i64::MIN,
];

pub(super) struct Generator {
    random: fastrand::Rng,
    /// A good token of the consumer that the calls are about.
    token: AckToken,
    methods: Vec<MethodDescriptor>,
    next: usize,
}

impl Generator {
    pub(super) fn new(seed: u64, token: AckToken) -> Self {
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        let services = pool
            .services()
            .filter(|it| it.package_name() == "jetgate.v1");
        let methods: Vec<_> = services
            .flat_map(|it| it.methods().collect::<Vec<_>>())
            .collect();
        assert!(methods.len() > 30);
        let mut random = fastrand::Rng::with_seed(seed);
        let next = random.usize(..methods.len());
        Self {
            random,
            token,
            methods,
            next,
        }
    }

    /// The next method's.
    pub(super) fn call(&mut self) -> Call {
        self.next = (self.next + 1) % self.methods.len();
        let method = self.methods[self.next].clone();
        let count = if method.is_client_streaming() {
            self.random.usize(1..4)
        } else {
            1
        };
        let mut messages: Vec<_> = (0..count)
            .map(|_| self.message(&method.input(), 0))
            .collect();
        // A stream that is not opened comes nowhere.
        if method.is_client_streaming()
            && let Some(open) = method.input().get_field_by_name("open")
            && self.chance(90)
        {
            let value = self.value(&open, 0);
            messages[0].set_field(&open, value);
        }
        let messages = messages.iter().map(DynamicMessage::encode_to_vec).collect();
        let mut metadata = Vec::new();
        if self.chance(20) {
            let timeout = ["1S", "300m", "1n", "99999999H", "-1S", "1 S"];
            metadata.push(("grpc-timeout", self.one(&timeout).to_owned()));
        }
        for name in [
            "idempotency-key",
            "x-request-id",
            "nats-msg-id",
            "traceparent",
        ] {
            let text = self.one(&HOSTILE);
            if self.chance(5)
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() || byte == b' ')
            {
                metadata.push((name, text.to_owned()));
            }
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        Call {
            path,
            metadata,
            messages,
        }
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(..100) < percent
    }

    fn one<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        self.random.choice(texts).copied().unwrap_or_default()
    }

    fn message(&mut self, kind: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(kind.clone());
        for field in kind.fields() {
            let is_usual = usual(field.name()).is_some() || field.name() == "config";
            if field.is_map() && !is_of_texts(&field) {
                continue;
            }
            // Of those that exclude each other the last one stays.
            let percent = match (is_usual, field.containing_oneof().is_some()) {
                (_, true) => 40,
                (true, _) => 90,
                (false, _) => 6,
            };
            if self.chance(percent) && depth < DEEPEST {
                let value = self.value(&field, depth);
                message.set_field(&field, value);
            }
        }
        message
    }

    fn value(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        if field.is_map() {
            let text = |it: &mut Self| it.text("metadata");
            let entry = (MapKey::String(text(self)), Value::String(text(self)));
            return Value::Map(HashMap::from([entry]));
        }
        if field.is_list() {
            let count = self.random.usize(1..3);
            return Value::List((0..count).map(|_| self.single(field, depth)).collect());
        }
        self.single(field, depth)
    }

    fn single(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        let edge = self.random.choice(EDGES).unwrap_or_default();
        // Most numbers are such as mean something.
        let number = if self.chance(70) {
            self.random.i64(0..20)
        } else {
            edge
        };
        match field.kind() {
            Kind::String => Value::String(self.text(field.name())),
            Kind::Bytes => Value::Bytes(MARK.into()),
            Kind::Bool => Value::Bool(self.random.bool()),
            Kind::Enum(kind) => {
                let count = i32::try_from(kind.values().count()).unwrap();
                Value::EnumNumber(self.random.i32(-1..=count))
            }
            Kind::Message(kind) => Value::Message(self.message(&kind, depth + 1)),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(number as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(number as u64),
            Kind::Double => Value::F64(number as f64),
            Kind::Float => Value::F32(number as f32),
        }
    }

    fn text(&mut self, name: &str) -> String {
        if ["text", "data"].contains(&name) {
            return String::from_utf8(MARK.to_vec()).unwrap();
        }
        let usual = usual(name).unwrap_or(&["text"]);
        let (plain, hostile) = (self.one(usual), self.one(&HOSTILE));
        match (name, self.random.u8(..100)) {
            ("ack_token" | "held" | "resume_token", 0..90) => self.token(name == "resume_token"),
            (_, 0..75) => plain.to_owned(),
            (_, 75..95) => hostile.to_owned(),
            (_, 95..98) => format!("{plain}{hostile}"),
            _ => plain.repeat(300),
        }
    }

    /// A token that is encoded as it should be, and may name what it should not.
    fn token(&mut self, resume: bool) -> String {
        let mut token = self.token.clone();
        let number = self.random.u64(0..20);
        token.subject.stream_sequence = number;
        let (mut stream, mut consumer) = ("FUZZ", "worker");
        if self.chance(30) {
            (stream, consumer) = (self.one(&HOSTILE), self.one(&HOSTILE));
            token.subject.origin = Origin::new(stream, consumer).into();
        }
        if !resume {
            return token.encode();
        }
        let reached = match self.random.bool() {
            true => Reached::Ordered {
                position: number,
                snapshot_end: 0,
            },
            false => Reached::Ephemeral {
                consumer: consumer.to_owned(),
                incarnation: token.incarnation,
                ack_floor: number,
            },
        };
        let created = Moment {
            seconds: 1_700_000_000,
            nanos: 0,
        };
        let token = ResumeToken {
            account: token.account,
            stream: stream.to_owned(),
            created,
            filters: 0,
            start: Start::All,
            reached,
        };
        token.encode()
    }
}

fn is_of_texts(map: &FieldDescriptor) -> bool {
    let Kind::Message(entry) = map.kind() else {
        return false;
    };
    entry.map_entry_value_field().kind() == Kind::String
}

/// What callers would say there; `None` for fields that matter to few.
fn usual(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "stream" | "name" => &["FUZZ", "FUZZ_2"],
        "consumer" | "durable_name" => &["worker", "other"],
        "subjects" => &["fuzz.>", "fuzz.2.>"],
        "subject" | "last_by_subject" => &["fuzz.a", "fuzz.2.b", "fuzz.a.b"],
        "filter_subjects" | "src" => &["fuzz.>", "fuzz.a", "fuzz.*"],
        "dest" | "target" | "deliver" | "deliver_subject" => &["copy.a", "copy.>", "copy.$1"],
        "update_mask" | "paths" => &[
            "description",
            "subjects",
            "republish",
            "max_msgs",
            "metadata",
        ],
        "seconds" => &["1"],
        "data" | "text" | "ack_token" | "messages" | "acknowledgements" | "kind" | "max_wait" => {
            &["text"]
        }
        _ => return None,
    })
}
