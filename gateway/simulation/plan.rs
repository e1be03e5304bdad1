//! What a seed decides before it begins: who takes part, and what befalls them.

use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;
use jetgate_faults::callers::{Consumer, Manner, Publisher};

use super::jetstream::Features;
use super::script::{self, Blow};

/// How many publishers and consumers there are.
const PUBLISHERS: RangeInclusive<usize> = 1..=3;
const CONSUMERS: RangeInclusive<usize> = 0..=3;

/// One in so many runs has a consumer that does all that it may.
const RESTLESS: u32 = 3;

/// One in so many runs has consumers that give a message up, and after how many deliveries.
const LIMITED: u32 = 3;
const MAX_DELIVER: RangeInclusive<u32> = 2..=5;

/// Who takes part, and what befalls them: when, what and for how long.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) gateways: usize,
    pub(super) features: Features,
    pub(super) publishers: Vec<Publisher>,
    pub(super) consumers: Vec<Consumer>,
    pub(super) is_restless: bool,
    /// How often consumers deliver a message, at most.
    pub(super) max_deliver: Option<u32>,
    pub(super) script: Vec<(Duration, Blow, Duration)>,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let features = Features {
            fast_ingest: rng.bool(),
            atomic_batches: rng.bool(),
            most_batches: if rng.bool() { 50 } else { 1 },
        };
        Self {
            gateways: rng.usize(1..=2),
            features,
            publishers: publishers(&mut rng, features),
            consumers: consumers(&mut rng),
            is_restless: rng.u32(..RESTLESS) == 0,
            max_deliver: (rng.u32(..LIMITED) == 0).then(|| rng.u32(MAX_DELIVER)),
            script: script::write(&mut rng),
        }
    }
}

/// Those that the stream has all for.
fn publishers(rng: &mut Rng, features: Features) -> Vec<Publisher> {
    let mut kinds = vec![
        Publisher::Unary { ids: true },
        Publisher::Unary { ids: false },
        Publisher::Stream(Manner::PerMessage),
        Publisher::Stream(Manner::Strict),
        Publisher::Stream(Manner::CumulativeWithIds),
        Publisher::Batches { atomic: false },
        Publisher::Expecting,
    ];
    if features.fast_ingest {
        kinds.extend([Manner::Cumulative, Manner::StrictCumulative].map(Publisher::Stream));
    }
    if features.atomic_batches {
        kinds.push(Publisher::Batches { atomic: true });
    }
    some(rng, &kinds, PUBLISHERS)
}

/// What an ordered read has read is taken down by its role, so that there is one at most.
fn consumers(rng: &mut Rng) -> Vec<Consumer> {
    let mut consumers = some(rng, &Consumer::ALL, CONSUMERS);
    let mut is_read = false;
    consumers.retain(|it| *it != Consumer::Ordered || !std::mem::replace(&mut is_read, true));
    consumers
}

fn some<T: Copy>(rng: &mut Rng, kinds: &[T], count: RangeInclusive<usize>) -> Vec<T> {
    let count = rng.usize(count);
    std::iter::repeat_with(|| kinds[rng.usize(..kinds.len())])
        .take(count)
        .collect()
}
