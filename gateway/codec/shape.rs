//! The shapes of requests, read from the contract's descriptors: which of their fields have many entries, and
//! what each entry takes in memory.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use crate::proto::DESCRIPTORS;

/// What a message may have that is of weight.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// By their numbers, in no order: there are few.
    fields: Vec<(u64, Field)>,
}

/// A field that has many entries, or messages in it that may have them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// What each entry takes, in bytes; nothing where the field is there once.
    pub(super) entry: usize,
    /// Whether entries have no heads of their own on the wire.
    pub(super) is_packed: bool,
    /// Whether it is a map.
    pub(super) is_map: bool,
    /// The place of the shape of what is in it.
    shape: Option<usize>,
}

/// Every shape, and where those of requests are.
#[derive(Default)]
struct Shapes {
    all: Vec<Shape>,
    places: HashMap<String, usize>,
    requests: HashMap<String, usize>,
}

/// Empty where the descriptors were not sound, which the tests would show.
static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    let mut shapes = Shapes::default();
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap_or_default();
    for service in pool.services() {
        for method in service.methods() {
            let request = method.input();
            let place = shapes.place(&request);
            shapes.requests.insert(request.name().to_owned(), place);
        }
    }
    shapes
});

/// The shape of the request of this name; `None` where that is none.
pub(super) fn of(name: &str) -> Option<&'static Shape> {
    let shapes = &*SHAPES;
    shapes.all.get(*shapes.requests.get(name)?)
}

impl Shape {
    /// The field of this number, if it is of weight.
    pub(super) fn field(&self, number: u64) -> Option<Field> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(own, _)| *own == number);
        found.map(|(_, field)| *field)
    }
}

impl Field {
    /// The shape of what is in it.
    pub(super) fn shape(self) -> Option<&'static Shape> {
        SHAPES.all.get(self.shape?)
    }
}

impl Shapes {
    /// Where the shape of a message is. It has its place before its fields are looked at, as values of JSON are
    /// made of values.
    fn place(&mut self, message: &MessageDescriptor) -> usize {
        if let Some(place) = self.places.get(message.full_name()) {
            return *place;
        }
        let place = self.all.len();
        self.all.push(Shape::default());
        self.places.insert(message.full_name().to_owned(), place);
        let fields: Vec<_> = message
            .fields()
            .filter_map(|field| Some((field.number().into(), self.field(&field)?)))
            .collect();
        self.all[place] = Shape { fields };
        place
    }

    fn field(&mut self, field: &FieldDescriptor) -> Option<Field> {
        let kind = field.kind();
        let shape = kind.as_message().map(|message| self.place(message));
        let has_many = field.is_list() || field.is_map();
        (has_many || shape.is_some()).then(|| Field {
            entry: if has_many { size(&kind, DEPTH) } else { 0 },
            is_packed: field.is_packed(),
            is_map: field.is_map(),
            shape,
        })
    }
}

/// How deep messages lie in each other at most, where none is boxed.
const DEPTH: usize = 8;

/// What a value takes in memory, without what it points to; boxes count as what is in them.
fn size(kind: &Kind, depth: usize) -> usize {
    match kind {
        Kind::String => size_of::<String>(),
        Kind::Bytes => size_of::<Bytes>(),
        Kind::Message(message) => depth
            .checked_sub(1)
            .map_or(0, |depth| inside(message, depth)),
        // A number, and whether it is there.
        _ => size_of::<Option<u64>>(),
    }
}

fn inside(message: &MessageDescriptor, depth: usize) -> usize {
    let own = |field: &FieldDescriptor| match field.is_list() || field.is_map() {
        true => size_of::<Vec<()>>(),
        false => size(&field.kind(), depth),
    };
    let alone = message
        .fields()
        .filter(|it| it.containing_oneof().is_none());
    let alone: usize = alone.map(|field| own(&field)).sum();
    // One of each, and which.
    let one_of = message
        .oneofs()
        .map(|it| it.fields().map(|field| own(&field)).max());
    let one_of = one_of.map(|largest| largest.unwrap_or_default() + size_of::<usize>());
    alone + one_of.sum::<usize>()
}
