//! Which consumers a list is narrowed to.

use crate::error::Result;
use crate::names::{NamePattern, SubjectFilter, filters_overlap};
use crate::nats::api::ConsumerInfo;

/// What a `ListConsumersRequest` asks for.
pub struct Wanted {
    name: NamePattern,
    subject: Option<SubjectFilter>,
}

impl Wanted {
    /// Checks the request's `name` and `subject`; empty ones narrow nothing.
    pub fn parse(name: &str, subject: &str) -> Result<Self> {
        let subject = (!subject.is_empty()).then(|| SubjectFilter::parse("subject", subject));
        Ok(Self {
            name: NamePattern::parse("name", name)?,
            subject: subject.transpose()?,
        })
    }

    /// Whether that is every consumer.
    pub fn is_any(&self) -> bool {
        self.name.is_any() && self.subject.is_none()
    }

    /// Whether a consumer that nothing is known of but its name may be meant.
    pub fn may_be(&self, name: &str) -> bool {
        self.name.matches(name)
    }

    /// Whether this consumer is meant: one without filters takes every subject.
    pub fn includes(&self, info: &ConsumerInfo) -> bool {
        let takes = |subject: &SubjectFilter| {
            let mut filters = info.config.filters().peekable();
            filters.peek().is_none()
                || filters.any(|filter| filters_overlap(filter, subject.as_str()))
        };
        self.name.matches(&info.name) && self.subject.as_ref().is_none_or(takes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn info(name: &str, filters: &[&str]) -> ConsumerInfo {
        let info = json!({
            "stream_name": "ORDERS",
            "name": name,
            "created": "2026-01-01T00:00:00Z",
            "config": { "filter_subjects": filters },
        });
        serde_json::from_value(info).unwrap()
    }

    #[test]
    fn both_the_name_and_the_subject_count() {
        let wanted = Wanted::parse("billing*", "orders.new").unwrap();
        assert!(wanted.includes(&info("billing", &[])));
        assert!(wanted.includes(&info("billing-2", &["users.>", "orders.*"])));
        assert!(!wanted.includes(&info("billing", &["users.>"])));
        assert!(!wanted.includes(&info("audit", &[])));
        assert!(Wanted::parse("", "").unwrap().is_any());
        assert!(Wanted::parse("", "a..b").is_err());
    }
}
