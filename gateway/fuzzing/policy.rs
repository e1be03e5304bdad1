//! Rules: files of them, and what they decide, compared with a judge that tries every subject.

use std::path::Path;

use super::filters::{filter, glob, matches_by_hand, subjects};
use crate::auth::policy::{Action, Ask, Decision, Policy};
use crate::auth::{Caller, Kind};

/// Which names there are of callers, streams and consumers, and which patterns of them.
const NAMES: [&str; 3] = ["a", "ab", "b"];
const PATTERNS: [&str; 5] = ["a", "a*", "*b", "ab", "*"];

/// Files of rules.
pub fn policy_files(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    let file = Path::new("policy.toml");
    let policy = match Policy::parse(file, text) {
        Ok(policy) => policy,
        Err(error) => return says_where(&error.to_string(), text),
    };
    let nobody = policy.decide(&Caller::default(), &Ask::to(Action::DeleteStreams));
    assert!(!policy.is_empty() || nobody == Decision::NotAllowed);

    // One rule that denies outweighs whatever stands before it.
    let denial = "\n[[rule]]\nname = \"none at all\"\neffect = \"deny\"\ncallers = [\"*\"]\npublish = [\">\"]\n";
    if let Ok(policy) = Policy::parse(file, &format!("{text}{denial}")) {
        for name in NAMES {
            let caller = Caller::new(Kind::Token, name);
            let decision = policy.decide(&caller, &Ask::publish("a.b"));
            assert!(matches!(decision, Decision::Denied(_)), "{decision:?}");
        }
    }
}

/// Every mistake has a line that there is, or is about the whole file.
fn says_where(error: &str, text: &str) {
    let lines = text.split('\n').count();
    let numbers = error.lines().filter_map(|line| {
        let (number, _) = line.strip_prefix("  line ")?.split_once(':')?;
        number.parse::<usize>().ok()
    });
    for number in numbers {
        assert!((1..=lines).contains(&number), "{error}");
    }
    assert!(error.lines().count() > 1, "{error:?} says nothing");
}

/// A rule of random patterns.
struct Rule {
    denies: bool,
    callers: &'static str,
    streams: &'static str,
    consumers: &'static str,
    filters: Vec<String>,
    /// Whether it is about publishing; otherwise it is about consuming.
    publishes: bool,
}

/// Rules and a question, as the bytes choose them.
pub fn policy_decisions(input: &[u8]) {
    let bytes = &mut input.iter().copied();
    let count = usize::from(bytes.next().unwrap_or_default()) % 4;
    let rules: Vec<_> = (0..count).map(|_| Rule::read(bytes)).collect();
    let text: String = rules.iter().enumerate().map(Rule::written).collect();
    let policy = Policy::parse(Path::new("policy.toml"), &text).unwrap();

    let mut name = || NAMES[usize::from(bytes.next().unwrap_or_default()) % NAMES.len()];
    let (caller, stream, consumer) = (name(), name(), name());
    let asked = [filter(bytes), filter(bytes)];
    let known = Caller::new(Kind::ApiKey, caller);
    for publishes in [true, false] {
        let ask = || match publishes {
            true => Ask::publish(">"),
            false => Ask::consume(stream, consumer),
        };
        let about = |rule: &&Rule| rule.is_about(publishes, caller, stream, consumer);
        let allowed = |subject: &str| {
            let says = |denies| {
                let mut rules = rules.iter().filter(about);
                rules.any(|rule| rule.denies == denies && rule.matches(subject))
            };
            says(false) && !says(true)
        };
        let decide = |ask: Ask<'_>| matches!(policy.decide(&known, &ask), Decision::Allowed(_));
        // One subject is judged exactly.
        for subject in subjects(3) {
            let decision = decide(ask().subject(&subject));
            assert_eq!(decision, allowed(&subject), "{subject} by\n{text}");
        }
        // What is allowed as a whole reaches nothing that is not.
        if decide(ask().filters(&asked)) {
            let reached = |it: &String| asked.iter().any(|filter| matches_by_hand(filter, it));
            assert!(
                subjects(3).filter(reached).all(|it| allowed(&it)),
                "{asked:?} by\n{text}"
            );
        }
    }
}

impl Rule {
    fn read(bytes: &mut impl Iterator<Item = u8>) -> Self {
        let mut next = || usize::from(bytes.next().unwrap_or_default());
        let mut pattern = || PATTERNS[next() % PATTERNS.len()];
        let (callers, streams, consumers) = (pattern(), pattern(), pattern());
        let kind = next();
        let filters = (0..=kind / 4 % 2).map(|_| filter(bytes)).collect();
        Self {
            denies: kind & 1 == 1,
            publishes: kind & 2 == 2,
            callers,
            streams,
            consumers,
            filters,
        }
    }

    fn written((number, rule): (usize, &Self)) -> String {
        let Self {
            callers,
            streams,
            consumers,
            filters,
            ..
        } = rule;
        let effect = if rule.denies { "deny" } else { "allow" };
        let what = match rule.publishes {
            true => format!("publish = {filters:?}"),
            false => format!(
                "consume = [{{ streams = [{streams:?}], consumers = [{consumers:?}], filters = {filters:?} }}]"
            ),
        };
        format!(
            "[[rule]]\nname = \"{number}\"\neffect = \"{effect}\"\ncallers = [{callers:?}]\n{what}\n"
        )
    }

    fn is_about(&self, publishes: bool, caller: &str, stream: &str, consumer: &str) -> bool {
        let matches = |pattern: &str, name: &str| glob(pattern.as_bytes(), name.as_bytes());
        let names =
            publishes || (matches(self.streams, stream) && matches(self.consumers, consumer));
        self.publishes == publishes && matches(self.callers, caller) && names
    }

    fn matches(&self, subject: &str) -> bool {
        self.filters
            .iter()
            .any(|filter| matches_by_hand(filter, subject))
    }
}
