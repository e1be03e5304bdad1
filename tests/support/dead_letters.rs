//! Dead letters as an operator sees them: gateways that collect them, messages that die, and the
//! calls.

use jetgate::config::Config;
use jetgate::proto::replay_dead_letters_response::Event;
use jetgate::proto::{
    DeadLetter, DeadLetterFilter, DeadLetterOrder, DeadLetterState, GetDeadLetterRequest,
    GetDeadLetterResponse, GetInfoRequest, ListDeadLettersRequest, PayloadFormat,
    PurgeDeadLettersRequest, PurgeDeadLettersResponse, ReplayDeadLettersRequest, ReplaySummary,
    ReplayedLetter,
};
use serde_json::json;
use tokio::time::timeout;
use tonic::Status;

use super::consuming::{CONSUMER, STREAM};
use super::{Clients, Gateway, NatsServer, SOON, Wire, eventually};

/// The streams of the letters and of the advisories.
pub(crate) const LETTERS: &str = "LETTERS";
pub(crate) const ADVISORIES: &str = "ADVISORIES";

/// Turns dead letters on.
pub(crate) fn configured(config: &mut Config) {
    config.dead_letters.letters = Some(LETTERS.to_owned());
    config.dead_letters.advisories = Some(ADVISORIES.to_owned());
}

/// A gateway that collects dead letters.
pub(crate) async fn collecting_gateway(nats_url: &str) -> Gateway {
    let gateway = Gateway::start_with(nats_url, configured).await;
    until_collecting(&gateway).await;
    gateway
}

/// Waits until the gateway says that it collects.
pub(crate) async fn until_collecting(gateway: &Clients) {
    eventually(SOON, async || {
        (state(gateway).await == DeadLetterState::Collecting).then_some(())
    })
    .await;
}

/// How the gateway says that it does with dead letters.
pub(crate) async fn state(gateway: &Clients) -> DeadLetterState {
    let info = gateway.gateway().get_info(GetInfoRequest {}).await.unwrap();
    let dead_letters = info.into_inner().dead_letters;
    dead_letters.expect("dead letters are configured").state()
}

/// A server, a gateway that collects, and the stream of the consuming tests.
pub(crate) async fn start_collecting() -> (NatsServer, Gateway, Wire) {
    let nats = NatsServer::start().await;
    let gateway = collecting_gateway(&nats.url()).await;
    let mut wire = nats.wire().await;
    wire.create_stream(json!({ "name": STREAM, "subjects": ["orders.>"] }))
        .await;
    (nats, gateway, wire)
}

/// Pulls as a native client does, and returns the subjects to acknowledge to.
pub(crate) async fn pull(
    wire: &mut Wire,
    stream: &str,
    consumer: &str,
    batch: usize,
) -> Vec<String> {
    let inbox = format!("_INBOX.{:016x}", fastrand::u64(..));
    let subscription = wire.subscribe(&inbox).await;
    let request = json!({ "batch": batch, "expires": 10_000_000_000_u64 });
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
    wire.publish_with_reply(&subject, &inbox, request.to_string().as_bytes())
        .await;
    let mut replies = Vec::new();
    while replies.len() < batch {
        let message = wire.next(subscription, SOON).await.expect("no message");
        if message.reply.starts_with("$JS.ACK.") {
            replies.push(message.reply);
        }
    }
    replies
}

/// Pulls this many messages and terminates them with a reason.
pub(crate) async fn terminate(wire: &mut Wire, count: usize, reason: &str) {
    for ack in pull(wire, STREAM, CONSUMER, count).await {
        term(wire, &ack, reason).await;
    }
}

/// Terminates a delivery and waits until JetStream has taken note.
pub(crate) async fn term(wire: &mut Wire, ack: &str, reason: &str) {
    let payload = format!("+TERM {reason}");
    let answer = wire.request(ack, None, payload.as_bytes()).await;
    answer.expect("no answer");
}

/// Every letter, the oldest first. A page may be short where the machine is slow.
pub(crate) async fn letters(clients: &Clients) -> Vec<DeadLetter> {
    let (mut letters, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListDeadLettersRequest {
            order: DeadLetterOrder::OldestFirst as i32,
            page_size: 1_000,
            page_token,
            ..ListDeadLettersRequest::default()
        };
        let (page, next) = list(clients, request).await.unwrap();
        letters.extend(page);
        if next.is_empty() {
            return letters;
        }
        page_token = next;
    }
}

/// A page of letters, and the token of the next.
pub(crate) async fn list(
    clients: &Clients,
    request: ListDeadLettersRequest,
) -> Result<(Vec<DeadLetter>, String), Status> {
    let answer = timeout(SOON, clients.dead_letters().list_dead_letters(request)).await;
    let page = answer.expect("no answer")?.into_inner();
    Ok((page.letters, page.next_page_token))
}

/// Waits until there are so many letters and no advisory waits any more, and returns them.
pub(crate) async fn until_letters(
    clients: &Clients,
    wire: &mut Wire,
    count: usize,
) -> Vec<DeadLetter> {
    eventually(2 * SOON, async || {
        let found = letters(clients).await;
        let is_done = wire.count(ADVISORIES).await == 0;
        (found.len() == count && is_done).then_some(found)
    })
    .await
}

/// A letter with its message as text.
pub(crate) async fn get(
    clients: &Clients,
    letter_id: &str,
) -> Result<GetDeadLetterResponse, Status> {
    let request = GetDeadLetterRequest {
        letter_id: letter_id.to_owned(),
        payload_format: PayloadFormat::Text as i32,
    };
    Ok(clients
        .dead_letters()
        .get_dead_letter(request)
        .await?
        .into_inner())
}

/// A replay of every letter.
pub(crate) fn replay_all(replay_id: &str) -> ReplayDeadLettersRequest {
    ReplayDeadLettersRequest {
        all: true,
        replay_id: replay_id.to_owned(),
        ..ReplayDeadLettersRequest::default()
    }
}

/// A replay to its end.
pub(crate) async fn replay(
    clients: &Clients,
    request: impl tonic::IntoRequest<ReplayDeadLettersRequest>,
) -> Result<(Vec<ReplayedLetter>, ReplaySummary), Status> {
    let mut events = clients
        .dead_letters()
        .replay_dead_letters(request)
        .await?
        .into_inner();
    let mut replayed = Vec::new();
    loop {
        let event = timeout(2 * SOON, events.message())
            .await
            .expect("no event")?;
        match event.expect("a summary").event.expect("an event") {
            Event::Letter(letter) => replayed.push(letter),
            Event::Summary(summary) => {
                assert_eq!(events.message().await.unwrap(), None, "behind the summary");
                return Ok((replayed, summary));
            }
        }
    }
}

/// A filter with these settings.
pub(crate) fn filter(change: impl FnOnce(&mut DeadLetterFilter)) -> Option<DeadLetterFilter> {
    let mut filter = DeadLetterFilter::default();
    change(&mut filter);
    Some(filter)
}

/// Removes letters.
pub(crate) async fn purge(
    clients: &Clients,
    request: PurgeDeadLettersRequest,
) -> Result<PurgeDeadLettersResponse, Status> {
    Ok(clients
        .dead_letters()
        .purge_dead_letters(request)
        .await?
        .into_inner())
}
