//! What consumers delivered against what is stored and what was acknowledged.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::publishing::Published;
use super::{Rule, Verdict, Violation};
use crate::history::{Content, Entry, Event, Victim};

/// One delivery.
#[derive(Clone, Copy)]
struct Delivery<'a> {
    at: u64,
    session: u64,
    sequence: u64,
    consumer_sequence: u64,
    attempt: u32,
    subject: &'a str,
    content: Content,
}

/// What one consumer did.
#[derive(Default)]
struct Consumer<'a> {
    deliveries: Vec<Delivery<'a>>,
    /// When the acknowledgement of each message was confirmed.
    acked: HashMap<u64, u64>,
    is_gone: bool,
    max_deliver: Option<u32>,
    given_up: HashSet<u64>,
}

/// Checks every consumer.
pub(super) fn check(history: &[Entry], published: &Published, verdict: &mut Verdict) {
    let is_disturbed = disturbed(history, Victim::JetStream);
    let is_peaceful = is_peaceful(history);
    for (name, consumer) in &gather(history) {
        let violations = &mut verdict.violations;
        check_deliveries(name, consumer, published, &is_disturbed, violations);
        check_completeness(name, consumer, published, violations);
        check_acked(name, consumer, published, &is_disturbed, violations);
        check_limit(name, consumer, violations);
        check_attempts(
            name,
            consumer,
            published,
            &is_disturbed,
            is_peaceful,
            violations,
        );
        let deliveries = consumer.deliveries.len() as u64;
        let different: HashSet<u64> = sequences(consumer).collect();
        verdict.figures.delivered += deliveries;
        verdict.figures.again += deliveries - different.len() as u64;
    }
}

fn gather(history: &[Entry]) -> BTreeMap<&str, Consumer<'_>> {
    let mut consumers: BTreeMap<&str, Consumer<'_>> = BTreeMap::new();
    for Entry { at, event } in history {
        match event {
            Event::Consumer { consumer } => {
                consumers.entry(consumer).or_default();
            }
            Event::ConsumerGone { consumer } => {
                consumers.entry(consumer).or_default().is_gone = true;
            }
            Event::Limited {
                consumer,
                max_deliver,
            } => {
                let entry = consumers.entry(consumer).or_default();
                entry.max_deliver = Some(*max_deliver);
            }
            Event::GivenUp { consumer, sequence } => {
                let entry = consumers.entry(consumer).or_default();
                entry.given_up.insert(*sequence);
            }
            Event::Delivered {
                consumer,
                session,
                sequence,
                consumer_sequence,
                attempt,
                subject,
                content,
            } => consumers
                .entry(consumer)
                .or_default()
                .deliveries
                .push(Delivery {
                    at: *at,
                    session: *session,
                    sequence: *sequence,
                    consumer_sequence: *consumer_sequence,
                    attempt: *attempt,
                    subject,
                    content: *content,
                }),
            Event::Acked { consumer, sequence } => {
                let acked = &mut consumers.entry(consumer).or_default().acked;
                acked.entry(*sequence).or_insert(*at);
            }
            _ => {}
        }
    }
    consumers
}

fn sequences(consumer: &Consumer<'_>) -> impl Iterator<Item = u64> {
    consumer.deliveries.iter().map(|delivery| delivery.sequence)
}

/// Each delivery is of a message that was published, and those that come for the first time come in order.
fn check_deliveries(
    name: &str,
    consumer: &Consumer<'_>,
    published: &Published,
    is_disturbed: &impl Fn(u64, u64) -> bool,
    violations: &mut Vec<Violation>,
) {
    let mut seen: HashSet<u64> = HashSet::new();
    let mut last: HashMap<(u64, &str), (u64, u64)> = HashMap::new();
    for delivery in &consumer.deliveries {
        let Delivery {
            at,
            sequence,
            session,
            subject,
            ..
        } = *delivery;
        let place = format!("{name} delivered {sequence}");
        violations.extend(published.check_content(delivery.content, &place));
        if !seen.insert(sequence) || delivery.attempt > 1 {
            continue;
        }
        let (last, last_at) = last.entry((session, subject)).or_insert((0, at));
        // A new leader may repeat what the old one delivered to nobody who is left.
        if sequence < *last && !is_disturbed(*last_at, at) {
            let detail = format!("{place} behind {last} to session {session}");
            violations.push(Violation::new(Rule::DeliveryOrder, detail));
        }
        (*last, *last_at) = (sequence.max(*last), at);
    }
}

/// No delivery is more than there may be.
fn check_limit(name: &str, consumer: &Consumer<'_>, violations: &mut Vec<Violation>) {
    let most = consumer.max_deliver.unwrap_or(u32::MAX);
    let too_often = consumer.deliveries.iter().find(|it| it.attempt > most);
    if let Some(Delivery {
        sequence, attempt, ..
    }) = too_often
    {
        let detail = format!("{name}: {sequence} came as attempt {attempt} of {most}");
        violations.push(Violation::new(Rule::DeliveredTooOften, detail));
    }
}

/// Everything that is stored came at least once, unless it was given up.
fn check_completeness(
    name: &str,
    consumer: &Consumer<'_>,
    published: &Published,
    violations: &mut Vec<Violation>,
) {
    if consumer.is_gone {
        return;
    }
    let came: HashSet<u64> = sequences(consumer).collect();
    for (sequence, _) in &published.stored {
        if !came.contains(sequence) && !consumer.given_up.contains(sequence) {
            let detail = format!("{name}: {sequence}");
            violations.push(Violation::new(Rule::NeverDelivered, detail));
        }
    }
}

/// Nothing was delivered that had been acknowledged before.
///
/// A delivery may be long on its way, so the time at which it came proves nothing. But a consumer counts its
/// deliveries: one behind a message that was published after the acknowledgement was made after it.
fn check_acked(
    name: &str,
    consumer: &Consumer<'_>,
    published: &Published,
    is_disturbed: &impl Fn(u64, u64) -> bool,
    violations: &mut Vec<Violation>,
) {
    let mut deliveries: Vec<&Delivery<'_>> = consumer.deliveries.iter().collect();
    deliveries.sort_by_key(|delivery| delivery.consumer_sequence);
    let mut made_after = 0;
    for delivery in deliveries {
        let invoked_at = published.invoked_at(delivery.content);
        made_after = made_after.max(invoked_at.unwrap_or_default());
        let Some(acked_at) = consumer.acked.get(&delivery.sequence) else {
            continue;
        };
        let is_behind = made_after > *acked_at && delivery.at > *acked_at;
        // A new leader counts on from what it knows: its numbers say nothing of the old one's deliveries.
        if is_behind && !is_disturbed(*acked_at, delivery.at) {
            let sequence = delivery.sequence;
            let detail = format!("{name}: {sequence}, attempt {}", delivery.attempt);
            violations.push(Violation::new(Rule::CameBack, detail));
        }
    }
}

/// Each delivery of a message has a higher attempt than those before it.
///
/// In peace nothing is delivered in vain, so each is one higher. A leader that crashes may take its count along. A delivery of before the crash may come long after it, so any
/// crash since the message was published excuses a count that begins anew.
fn check_attempts(
    name: &str,
    consumer: &Consumer<'_>,
    published: &Published,
    is_disturbed: &impl Fn(u64, u64) -> bool,
    is_peaceful: bool,
    violations: &mut Vec<Violation>,
) {
    let mut deliveries: Vec<&Delivery<'_>> = consumer.deliveries.iter().collect();
    deliveries.sort_by_key(|delivery| delivery.consumer_sequence);
    // The last attempt of each message, how many came, and when the latest did: a new leader's numbers may be
    // lower than those of the old one.
    let mut last: HashMap<u64, (u32, u32, u64)> = HashMap::new();
    for delivery in deliveries {
        let (attempt, came, until) = last.entry(delivery.sequence).or_default();
        let is_in_vain = is_peaceful && delivery.attempt > *came + 1;
        let is_wrong = delivery.attempt <= *attempt || delivery.attempt <= *came || is_in_vain;
        *until = delivery.at.max(*until);
        let published_at = published.invoked_at(delivery.content);
        if is_wrong && !is_disturbed(published_at.unwrap_or(delivery.at), *until) {
            let detail = format!(
                "{name}: {} came as attempt {} behind attempt {attempt}, as delivery {}",
                delivery.sequence,
                delivery.attempt,
                *came + 1
            );
            violations.push(Violation::new(Rule::WrongAttempt, detail));
        }
        (*attempt, *came) = (delivery.attempt, *came + 1);
    }
}

/// Whether nothing was done to anybody.
fn is_peaceful(history: &[Entry]) -> bool {
    let victim = Victim::Peace;
    history
        .iter()
        .any(|entry| entry.event == Event::Storm { victim })
}

/// Whether a fault of this kind lasted at some time between two times.
pub(super) fn disturbed(history: &[Entry], victim: Victim) -> impl Fn(u64, u64) -> bool {
    let mut storms: Vec<(u64, u64)> = Vec::new();
    for Entry { at, event } in history {
        match event {
            Event::Storm { victim: whose } if *whose == victim => storms.push((*at, u64::MAX)),
            Event::Calm { victim: whose } if *whose == victim => {
                if let Some(storm) = storms.last_mut() {
                    storm.1 = *at;
                }
            }
            _ => {}
        }
    }
    move |from, to| {
        storms
            .iter()
            .any(|(begin, end)| *begin <= to && from <= *end)
    }
}
