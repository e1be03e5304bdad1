//! Which permissions each method is about: a caller that has none of them is refused before its
//! request is read, and a method that does not stand here is for nobody.

use super::Action::{self, *};

/// What a caller needs at least one of, in whatever extent; empty where everybody may call. `None` for
/// a method that there is not.
pub(in crate::auth) fn needed_for(path: &str) -> Option<&'static [Action]> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let package = service.strip_prefix("jetgate.v1.");
    Some(match (package.unwrap_or(service), method) {
        ("PublisherService", "Publish" | "PublishBatch" | "PublishStream") => &[Publish],
        ("SubscriberService", "Subscribe" | "Consume" | "Fetch" | "Acknowledge") => &[Consume],
        ("StreamService", "CreateStream" | "ApplyStream" | "UpdateStream") => &[WriteStreams],
        ("StreamService", "GetStream" | "ListStreams") => &[ViewStreams],
        ("StreamService", "DeleteStream") => &[DeleteStreams],
        ("StreamService", "PurgeStream" | "DeleteMessage") => &[PurgeStreams],
        ("StreamService", "GetMessage" | "ListSubjects") => &[ReadStreams],
        ("ConsumerService", "CreateConsumer" | "ApplyConsumer" | "UpdateConsumer") => {
            &[WriteConsumers]
        }
        ("ConsumerService", "GetConsumer" | "ListConsumers") => &[ViewConsumers],
        ("ConsumerService", "DeleteConsumer") => &[DeleteConsumers],
        (
            "ConsumerService",
            "PauseConsumer" | "ResumeConsumer" | "ResetConsumer" | "UnpinConsumer",
        ) => &[ControlConsumers],
        ("DeadLetterService", "ListDeadLetters" | "GetDeadLetter") => &[ViewDeadLetters],
        ("DeadLetterService", "ReplayDeadLetters") => &[ReplayDeadLetters],
        ("DeadLetterService", "PurgeDeadLetters") => &[PurgeDeadLetters],
        ("GatewayService", "GetInfo") => &[Info],
        ("GatewayService", "TerminateSession") => &[TerminateSessions],
        // The reasons are the contract's; of sessions everybody sees its own.
        ("GatewayService", "ListErrorReasons" | "ListSessions") => &[],
        ("grpc.health.v1.Health", _) => &[Health],
        ("grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection", _) => {
            &[Reflection]
        }
        _ => return None,
    })
}

/// Whether calls of this method change what others use.
pub(crate) fn changes_by(path: &str) -> bool {
    let needed = needed_for(path).unwrap_or_default();
    needed.iter().any(|action| action.administers())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::proto::DESCRIPTORS;

    #[test]
    fn every_method_of_the_contract_is_judged() {
        let files = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
        let mut count = 0;
        for file in &files.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    assert!(needed_for(&path).is_some(), "{path}");
                    count += 1;
                }
            }
        }
        assert!(count > 30, "{count}");
        assert_eq!(needed_for("/jetgate.v1.StreamService/Nothing"), None);
        assert_eq!(needed_for("/StreamService"), None);
    }
}
