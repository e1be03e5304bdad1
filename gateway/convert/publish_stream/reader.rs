//! The messages of a publish stream, read one after the other.

use crate::convert::message::{DefaultId, outgoing_to};
use crate::error::{Error, Result};
use crate::names::{Reserved, Subject};
use crate::nats::Outgoing;
use crate::proto::PublishRequest;

/// Reads the messages of a publish stream.
pub struct Reader {
    producer: Option<String>,
    reserved: Reserved,
    /// Most messages have the subject of the one before.
    last: Option<Subject>,
}

impl Reader {
    /// For messages whose default ids are numbers of this producer, if any.
    pub fn new(producer: Option<String>, reserved: Reserved) -> Self {
        Self {
            producer,
            reserved,
            last: None,
        }
    }

    /// Reads the message of this number.
    pub fn read(&mut self, request: PublishRequest, number: u64) -> Result<Outgoing> {
        if request.validate_only {
            return Err(Error::invalid("validate_only", "is for Publish alone"));
        }
        let subject = self.subject(&request.subject)?;
        let id = match &self.producer {
            Some(producer) => DefaultId::Numbered(producer, number),
            None => DefaultId::Absent,
        };
        outgoing_to(subject, request, None, id, &self.reserved)
    }

    fn subject(&mut self, text: &str) -> Result<Subject> {
        if let Some(last) = self.last.as_ref().filter(|last| last.as_str() == text) {
            return Ok(last.clone());
        }
        let subject = Subject::parse("subject", text, &self.reserved)?;
        self.last = Some(subject.clone());
        Ok(subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &mut Reader, subject: &str) -> Result<String> {
        let request = PublishRequest {
            subject: subject.to_owned(),
            ..PublishRequest::default()
        };
        let message = reader.read(request, 1)?;
        Ok(message.subject.to_string())
    }

    #[test]
    fn each_message_keeps_its_own_subject() {
        let mut reader = Reader::new(None, Reserved::new("_INBOX"));
        for subject in ["a.b", "a.b", "a.c", "a.b", "a"] {
            assert_eq!(read(&mut reader, subject).unwrap(), subject);
            for bad in ["a.*", "$JS.API.INFO", "a.", ""] {
                assert!(read(&mut reader, bad).is_err(), "{bad}");
            }
        }
    }
}
