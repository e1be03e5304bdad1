//! What becomes of the messages that callers publish, and how long it takes.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::catalogue::{Catalogue, label};
use super::labels::PublishOutcome;
use super::share::Share;

/// Upper bounds in seconds: from memory streams to those that are without a leader.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Outcome {
    outcome: &'static str,
}

/// Metrics of publishing.
#[derive(Clone, Debug)]
pub struct Publishing {
    messages: Family<Outcome, Counter>,
    in_flight: Gauge,
    answers: Histogram,
    streams: Gauge,
    dead_letters: Counter,
}

impl Publishing {
    pub(super) fn register(catalogue: &mut Catalogue) -> Self {
        let metrics = Self {
            messages: Family::default(),
            in_flight: Gauge::default(),
            answers: Histogram::new(BUCKETS),
            streams: Gauge::default(),
            dead_letters: Counter::default(),
        };
        catalogue.section("Publishing");
        let help = "Messages that callers published, by outcome; unknown may be stored. \
                    Fast ingest counts duplicates as stored";
        let labels = [label("outcome", "stored, duplicate, failed, unknown")];
        let name = "jetgate_published_messages";
        catalogue.add(name, help, &labels, metrics.messages.clone());
        let help = "Messages on their way to JetStream whose outcome is not known yet";
        let name = "jetgate_publish_in_flight_messages";
        catalogue.add(name, help, &[], metrics.in_flight.clone());
        let help = "From taking messages up to the answer that settles them, retries included; \
                    one that settles many counts once, by the oldest";
        let name = "jetgate_publish_ack_seconds";
        catalogue.add(name, help, &[], metrics.answers.clone());
        let help = "Publish streams that are open";
        catalogue.add(
            "jetgate_publish_streams",
            help,
            &[],
            metrics.streams.clone(),
        );
        let help = "Dead letters that this gateway wrote";
        let letters = metrics.dead_letters.clone();
        catalogue.add("jetgate_dead_letters", help, &[], letters);
        metrics
    }

    /// The counter of messages with this outcome.
    pub fn messages(&self, outcome: PublishOutcome) -> Counter {
        let outcome = outcome.label();
        self.messages.get_or_create_owned(&Outcome { outcome })
    }

    /// Counts what one caller has on its way, until the guard is dropped.
    pub fn in_flight(&self, count: usize) -> Share {
        Share::of(&self.in_flight, count)
    }

    /// Takes note of an answer.
    pub fn answered(&self, after: Duration) {
        self.answers.observe(after.as_secs_f64());
    }

    /// Counts a publish stream until the guard is dropped.
    pub fn stream_opened(&self) -> Share {
        Share::of(&self.streams, 1)
    }

    /// Counts one dead letter.
    pub fn dead_letter_written(&self) {
        self.dead_letters.inc();
    }
}
