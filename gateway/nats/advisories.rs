//! What JetStream tells by itself (ADR-2 advisories): a stream or consumer was made, changed or
//! deleted, so what is remembered of it is forgotten.
//!
//! Best effort: without the permission to listen, what is remembered is outdated for as long as it
//! is kept.

use futures_util::{StreamExt as _, stream::select_all};

use super::Nats;

/// Followed by the kind of the event and the names.
const STREAM: &str = "$JS.EVENT.ADVISORY.STREAM.";
const CONSUMER: &str = "$JS.EVENT.ADVISORY.CONSUMER.";

/// The kinds of events that matter.
const KINDS: [&str; 3] = ["CREATED", "UPDATED", "DELETED"];

impl Nats {
    /// Listens for as long as the gateway runs.
    pub async fn follow_advisories(self) {
        let connection = self.notices();
        loop {
            let link = connection.wait_forever().await;
            let mut subscriptions = Vec::new();
            for (prefix, kind) in [STREAM, CONSUMER]
                .into_iter()
                .flat_map(|it| KINDS.map(|kind| (it, kind)))
            {
                subscriptions.extend(link.subscribe(format!("{prefix}{kind}.>")).await);
            }
            let mut advisories = select_all(subscriptions);
            while let Some(Some(advisory)) =
                link.lost().run_until_cancelled(advisories.next()).await
            {
                self.forget(&advisory.subject);
            }
            link.lost().cancelled().await;
            // What happened meanwhile was not heard.
            self.lookups().forget_all();
        }
    }

    fn forget(&self, subject: &str) {
        let names = |prefix| {
            subject
                .strip_prefix(prefix)?
                .split_once('.')
                .map(|(_, names)| names)
        };
        if let Some(stream) = names(STREAM) {
            self.lookups().forget_stream(stream);
        } else if let Some((stream, consumer)) = names(CONSUMER).and_then(|it| it.split_once('.')) {
            self.lookups().forget_consumer(stream, consumer);
        }
    }
}
