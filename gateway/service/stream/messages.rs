//! What a stream holds: reading, counting and removing its messages.

use super::StreamService;
use crate::auth::Access;
use crate::auth::policy::{Action, Ask};
use crate::convert::stored as convert;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::names::StreamName;
use crate::nats::api;
use crate::proto;
use crate::service::page::{Page, Sizes};
use crate::service::resource::check_deleted;

/// A subject takes no more room than its text and this in an answer.
const SUBJECT_OVERHEAD: usize = 32;

/// Subjects are shorter than messages, so there may be more of them on a page.
const SUBJECTS: Sizes = Sizes {
    default: 1_000,
    largest: 10_000,
};

/// gRPC clients refuse answers of 4 MiB and more unless told otherwise.
const LARGEST_ANSWER: usize = 3 << 20;

impl StreamService {
    pub(super) async fn purge(
        &self,
        request: proto::PurgeStreamRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<u64> {
        let stream = StreamName::parse("stream", &request.stream)?;
        let purge = Ask::to(Action::PurgeStreams).stream(stream.as_str());
        access.may(&purge.subject(or_all(&request.filter)))?;
        let body = convert::purge(&request)?;
        let operation = format!("STREAM.PURGE.{stream}");
        let answer: api::Purged = self.nats.api(&operation, &body, deadline).await?;
        Ok(answer.purged)
    }

    pub(super) async fn message(
        &self,
        request: proto::GetMessageRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::StoredMessage> {
        let stream = StreamName::parse("stream", &request.stream)?;
        let read = Ask::to(Action::ReadStreams).stream(stream.as_str());
        access.may(&read)?;
        let body = convert::get(&request)?;
        let format = convert::format(request.payload_format)?;
        let message = self.nats.stored_message(&stream, &body, deadline).await?;
        // Only now is it known which one it is.
        access.may(&read.subject(&message.subject))?;
        Ok(convert::stored(&stream, message, format))
    }

    pub(super) async fn remove_message(
        &self,
        request: proto::DeleteMessageRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<()> {
        let stream = StreamName::parse("stream", &request.stream)?;
        // Which subject it has is not known.
        let purge = Ask::to(Action::PurgeStreams).stream(stream.as_str());
        access.may(&purge.subject(">"))?;
        let body = convert::delete(&request)?;
        let operation = format!("STREAM.MSG.DELETE.{stream}");
        check_deleted(&self.nats.api(&operation, &body, deadline).await?)
    }

    pub(super) async fn subjects(
        &self,
        request: proto::ListSubjectsRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::ListSubjectsResponse> {
        let stream = StreamName::parse("stream", &request.stream)?;
        let read = Ask::to(Action::ReadStreams).stream(stream.as_str());
        access.may(&read.subject(or_all(&request.filter)))?;
        let page = Page::within(SUBJECTS, request.page_size, &request.page_token)?;
        let body = api::GetSubjects {
            subjects_filter: convert::subjects_filter(&request.filter)?,
            offset: page.offset(),
        };
        let operation = format!("STREAM.INFO.{stream}");
        let answer: api::SubjectPage = self.nats.api(&operation, &body, deadline).await?;

        let mut room = LARGEST_ANSWER;
        let counts = answer.state.subjects.into_iter();
        let fitting = counts.map_while(|(subject, messages)| {
            room = room.checked_sub(subject.len() + SUBJECT_OVERHEAD)?;
            Some(proto::SubjectCount { subject, messages })
        });
        let subjects = fitting.take(page.size()).collect::<Vec<_>>();
        Ok(proto::ListSubjectsResponse {
            next_page_token: page.next(subjects.len(), answer.total),
            subjects,
            total: answer.total,
        })
    }
}

/// Without a filter everything is meant.
fn or_all(filter: &str) -> &str {
    match filter {
        "" => ">",
        filter => filter,
    }
}
