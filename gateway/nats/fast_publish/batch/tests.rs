//! The book of a batch against a model of JetStream: leaders that change, messages and answers that
//! are lost, repeated and overtaken. Whatever happens, what the book calls settled is stored, and
//! what it calls not stored is not.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

const STREAM: &str = "S";

fn error(err_code: u64) -> ApiError {
    ApiError {
        code: 400,
        err_code,
        description: String::new(),
    }
}

fn ended(count: u64) -> Answer {
    Answer::Ended {
        count,
        sequence: count,
        stream: STREAM.to_owned(),
    }
}

/// What a leader knows of the batch, as nats-server 2.15.1 does it.
#[derive(Clone, Debug, Default)]
struct Leader {
    knows_it: bool,
    /// The last message that was taken.
    last: u64,
    /// The last one that is stored, and the one that was last acknowledged.
    persisted: u64,
    told: u64,
    pending: u64,
    commits: bool,
}

/// A replicated stream: a log whose first entries are applied.
#[derive(Debug, Default)]
struct Model {
    leader: Leader,
    /// Places of messages, taken and not applied yet.
    log: VecDeque<u64>,
    stored: BTreeSet<u64>,
    /// The highest place that was applied.
    applied: u64,
    wire: VecDeque<(u64, Operation)>,
    answers: VecDeque<Heard>,
    refused: BTreeSet<u64>,
    flow: u64,
}

impl Model {
    fn answer(&mut self, place: u64, operation: Operation, answer: Answer) {
        self.answers.push_back(Heard {
            place,
            operation,
            answer,
        });
    }

    /// The leader gets the next message of the wire.
    fn deliver(&mut self) {
        let Some((place, operation)) = self.wire.pop_front() else {
            return;
        };
        if !self.leader.knows_it {
            if place != 1 || operation == Operation::Ping {
                let error = error(UNKNOWN_BATCH);
                return self.fail(place, operation, error);
            }
            self.leader = Leader {
                knows_it: true,
                ..Leader::default()
            };
        }
        match operation {
            Operation::Ping if place > self.leader.last => {
                self.answer(place, operation, Answer::Gap);
                self.commit(place, operation);
            }
            Operation::Ping => self.acknowledge(place, operation),
            _ if self.leader.commits => {}
            _ if place != self.leader.last + 1 => {
                self.answer(place, operation, Answer::Gap);
                self.commit(place, operation);
            }
            Operation::End => self.commit(place, operation),
            _ => self.take(place, operation),
        }
    }

    fn take(&mut self, place: u64, operation: Operation) {
        if self.refused.contains(&place) {
            if place == 1 {
                self.leader.knows_it = false;
                return self.fail(place, operation, error(10_060));
            }
            let error = error(10_060);
            self.answer(place, operation, Answer::Refused { place, error });
            return self.commit(place, operation);
        }
        self.leader.last = place;
        self.leader.pending += 1;
        self.log.push_back(place);
        if operation == Operation::Commit {
            self.commit(place, operation);
        } else if place == 1 {
            self.acknowledge(place, operation);
        }
    }

    /// The oldest entry of the log is stored.
    fn apply(&mut self) {
        let Some(place) = self.log.pop_front() else {
            return;
        };
        self.stored.insert(place);
        self.applied = place;
        let leader = &mut self.leader;
        if !leader.knows_it {
            return;
        }
        leader.pending = leader.pending.saturating_sub(1);
        leader.persisted = if leader.pending == 0 {
            leader.last
        } else {
            place
        };
        if leader.commits {
            self.commit(place, Operation::Append);
        } else if leader.persisted >= leader.told + self.flow {
            leader.told = leader.persisted;
            self.acknowledge(place, Operation::Append);
        }
    }

    fn commit(&mut self, place: u64, operation: Operation) {
        self.leader.commits = true;
        if self.leader.last == self.leader.persisted {
            let count = self.leader.persisted;
            self.leader.knows_it = false;
            self.answer(place, operation, ended(count));
        }
    }

    fn acknowledge(&mut self, place: u64, operation: Operation) {
        let flow = self.flow as u16;
        let told = self.leader.told;
        self.answer(place, operation, Answer::Acked { place: told, flow });
    }

    fn fail(&mut self, place: u64, operation: Operation, error: ApiError) {
        let stream = STREAM.to_owned();
        self.answer(place, operation, Answer::Failed { error, stream });
    }

    /// Another server leads. It has `kept` of the entries that were not applied, and knows what it
    /// has applied; the rest of the log is lost.
    fn change_leader(&mut self, kept: usize) {
        self.log.truncate(kept);
        let persisted = self.applied;
        self.leader = Leader {
            knows_it: persisted > 0,
            last: persisted,
            persisted,
            told: persisted,
            ..Leader::default()
        };
        if persisted > 0 {
            self.acknowledge(persisted, Operation::Append);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Sends a message, the last one for now or not.
    Send(bool),
    /// Asks for an answer, or ends the batch where it shall end.
    Ask,
    Deliver,
    /// The next message on the wire is lost.
    Lose,
    /// It meets no leader.
    NobodyListens,
    Apply,
    ChangeLeader(usize),
    /// The answer in this place comes in.
    Answer(usize),
    Repeat(usize),
    LoseAnswer(usize),
}

fn step(trouble: bool) -> BoxedStrategy<Step> {
    let calm = prop_oneof![
        6 => any::<bool>().prop_map(Step::Send),
        2 => Just(Step::Ask),
        8 => Just(Step::Deliver),
        6 => Just(Step::Apply),
        6 => Just(Step::Answer(0)),
    ];
    if !trouble {
        return calm.boxed();
    }
    let trouble = prop_oneof![
        Just(Step::Lose),
        Just(Step::NobodyListens),
        (0..4_usize).prop_map(Step::ChangeLeader),
        (0..8_usize).prop_map(Step::Answer),
        (0..8_usize).prop_map(Step::Repeat),
        (0..8_usize).prop_map(Step::LoseAnswer),
    ];
    prop_oneof![8 => calm, 1 => trouble].boxed()
}

/// Runs the steps and lets everything that is under way arrive. Also returns from which place on
/// nothing was stored when the batch first seemed clear.
fn run(steps: Vec<Step>, refused: BTreeSet<u64>, flow: u64) -> (Batch, Model, Option<u64>) {
    let mut clear = None;
    let mut batch = Batch::new(STREAM, FIRST_FLOW);
    let mut model = Model {
        refused,
        flow,
        ..Model::default()
    };
    for step in steps {
        take_step(&mut batch, &mut model, step);
        if batch.is_clear() {
            clear.get_or_insert_with(|| batch.settled() + 1);
        }
    }
    if batch.wants_end() {
        take_step(&mut batch, &mut model, Step::Ask);
    }
    while !model.wire.is_empty() {
        model.deliver();
    }
    while !model.log.is_empty() {
        model.apply();
    }
    while let Some(heard) = model.answers.pop_front() {
        batch.hear(heard);
    }
    batch.give_up();
    (batch, model, clear)
}

fn take_step(batch: &mut Batch, model: &mut Model, step: Step) {
    let among = |place: usize, model: &Model| (place < model.answers.len()).then_some(place);
    match step {
        Step::Send(last) if batch.room() > 0 => {
            let (place, operation) = (batch.next_place(), batch.operation(last));
            batch.sent(operation);
            model.wire.push_back((place, operation));
        }
        Step::Ask if batch.next_place() > 1 && !batch.has_ended() => {
            let operation = if batch.wants_end() {
                Operation::End
            } else {
                batch.question()
            };
            let place = match operation {
                Operation::End => batch.next_place(),
                _ => batch.next_place() - 1,
            };
            batch.sent(operation);
            model.wire.push_back((place, operation));
        }
        Step::Send(_) | Step::Ask => {}
        Step::Deliver => model.deliver(),
        Step::Lose => drop(model.wire.pop_front()),
        Step::NobodyListens => {
            if let Some((place, operation)) = model.wire.pop_front() {
                model.answer(place, operation, Answer::Nobody);
            }
        }
        Step::Apply => model.apply(),
        Step::ChangeLeader(kept) => model.change_leader(kept),
        Step::Answer(place) => {
            if let Some(place) = among(place, model) {
                batch.hear(model.answers.remove(place).unwrap());
            }
        }
        Step::Repeat(place) => {
            if let Some(place) = among(place, model) {
                batch.hear(model.answers[place].clone());
            }
        }
        Step::LoseAnswer(place) => {
            if let Some(place) = among(place, model) {
                model.answers.remove(place);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_settled_is_stored_and_what_is_not_taken_is_not(
        steps in prop::collection::vec(step(true), 0..120),
        refused in prop::collection::btree_set(1..30_u64, 0..2),
        flow in 1..6_u64,
    ) {
        let (mut batch, model, clear) = run(steps, refused, flow);

        for place in 1..=batch.settled() {
            let failed = batch.take_fault(place).is_some();
            prop_assert_eq!(model.stored.contains(&place), !failed, "place {}", place);
        }
        let verdict = batch.verdict();
        let surely_not = batch.settled() + verdict.open + 1;
        let surely_not = clear.map_or(surely_not, |clear| clear.min(surely_not));
        prop_assert!(model.stored.range(surely_not..).next().is_none(), "{verdict:?} {batch:?} {model:?}");
    }

    #[test]
    fn without_trouble_nothing_is_open(
        steps in prop::collection::vec(step(false), 0..120),
        refused in prop::collection::btree_set(1..30_u64, 0..2),
        flow in 1..6_u64,
    ) {
        let (mut batch, mut model, _) = run(steps, refused, flow);
        // The batch is not over: its end settles what is behind the last acknowledgement.
        if batch.unacknowledged() > 0 && batch.verdict().cause.is_none() {
            model.wire.push_back((batch.next_place(), Operation::End));
            model.deliver();
            model.answers.drain(..).for_each(|heard| batch.hear(heard));
        }

        prop_assert_eq!(batch.verdict().open, 0, "{:?} {:?}", batch, model);
    }
}

fn heard(place: u64, operation: Operation, answer: Answer) -> Heard {
    Heard {
        place,
        operation,
        answer,
    }
}

fn batch_of(messages: u64) -> Batch {
    let mut batch = Batch::new(STREAM, FIRST_FLOW);
    batch.sent(Operation::Open);
    (1..messages).for_each(|_| batch.sent(Operation::Append));
    batch
}

#[test]
fn keeps_at_most_two_acknowledgements_outstanding() {
    let mut batch = Batch::new(STREAM, FIRST_FLOW);
    while batch.room() > 0 {
        batch.sent(batch.operation(false));
    }
    assert_eq!(batch.unacknowledged(), OUTSTANDING * FIRST_FLOW);

    batch.hear(heard(
        1,
        Operation::Open,
        Answer::Acked { place: 0, flow: 1 },
    ));
    assert_eq!(batch.room(), 0);
    let answer = Answer::Acked { place: 64, flow: 9 };
    batch.hear(heard(64, Operation::Append, answer));
    assert_eq!(batch.room(), 18);
}

#[test]
fn the_last_message_for_now_commits_where_nothing_would_acknowledge_it() {
    let mut batch = Batch::new(STREAM, FIRST_FLOW);
    assert_eq!(batch.operation(true), Operation::Commit);
    assert_eq!(batch.operation(false), Operation::Open);
    batch.sent(Operation::Open);
    batch.hear(heard(
        1,
        Operation::Open,
        Answer::Acked { place: 0, flow: 2 },
    ));
    assert_eq!(batch.operation(true), Operation::Append);
}

#[test]
fn a_message_of_another_stream_ends_the_batch_before_it() {
    let mut batch = batch_of(5);
    let (error, stream) = (error(UNKNOWN_BATCH), "T".to_owned());
    let answer = Answer::Failed { error, stream };
    batch.hear(heard(3, Operation::Append, answer));

    assert_eq!(batch.room(), 0);
    assert!(batch.wants_end() && !batch.has_ended());
    batch.sent(Operation::End);
    batch.hear(heard(6, Operation::End, ended(2)));

    let cause = Some(Cause::WrongStream("T".to_owned()));
    assert_eq!(batch.verdict(), Verdict { open: 0, cause });
}

#[test]
fn a_message_that_fails_only_when_it_is_stored_fails_by_itself() {
    let mut batch = batch_of(3);
    let full = error(10_077);
    let answer = Answer::Failed {
        error: full.clone(),
        stream: STREAM.to_owned(),
    };
    batch.hear(heard(2, Operation::Append, answer));
    batch.sent(Operation::End);
    batch.hear(heard(4, Operation::End, ended(3)));

    assert_eq!(batch.settled(), 3);
    assert_eq!(batch.take_fault(1), None);
    assert_eq!(batch.take_fault(2), Some(Cause::Refused(full)));
    assert_eq!(batch.verdict().open, 0);
}

#[test]
fn a_commit_that_reached_nobody_is_made_up_for() {
    let mut batch = batch_of(2);
    batch.sent(Operation::Commit);
    assert!(!batch.wants_end());
    batch.hear(heard(3, Operation::Commit, Answer::Nobody));
    assert!(batch.wants_end());
}

#[test]
fn what_a_new_leader_does_not_have_stays_open() {
    let mut batch = batch_of(10);
    // It counts 4, but 5 to 7 may lie in its log.
    batch.hear(heard(8, Operation::Append, Answer::Gap));
    batch.hear(heard(8, Operation::Append, ended(4)));

    assert_eq!(batch.settled(), 4);
    let cause = Some(Cause::Broken);
    assert_eq!(batch.verdict(), Verdict { open: 3, cause });
}
