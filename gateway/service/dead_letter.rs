//! `DeadLetterService`; replaying stands in `dead_letter/replay.rs`.

mod replay;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::page::Sizes;
use crate::auth::Access;
use crate::auth::policy::{Action, Ask};
use crate::convert::dead_letter as convert;
use crate::convert::stored::format;
use crate::dead_letters::{DeadLetters, Filter, Key, ReplayId, not_configured};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::names::{ConsumerName, StreamName};
use crate::proto;
use crate::proto::dead_letter_service_server::DeadLetterService as Rpc;
use crate::publishing::{Orphans, Outlet};
use replay::{Manner, Running};

/// How many letters a page may have.
const SIZES: Sizes = Sizes {
    default: 100,
    largest: 1_000,
};

/// gRPC clients refuse answers of 4 MiB and more unless told otherwise.
const LARGEST_ANSWER: usize = 3 << 20;

/// What a letter takes in an answer beyond its own size.
const FIELD_OVERHEAD: usize = 8;

/// The longest replay of a caller who sets no deadline.
const LONGEST_REPLAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Lists, reads, replays and removes dead letters.
pub struct DeadLetterService {
    dead_letters: Option<DeadLetters>,
    outlet: Arc<Outlet>,
    orphans: Orphans,
    draining: CancellationToken,
    timeout: Duration,
}

impl DeadLetterService {
    /// The service; `None` where dead letters are not configured. `timeout` bounds calls whose callers
    /// set no deadline, and each message of a replay. `draining` ends replays.
    pub fn new(
        dead_letters: Option<DeadLetters>,
        outlet: Outlet,
        orphans: Orphans,
        draining: CancellationToken,
        timeout: Duration,
    ) -> Self {
        Self {
            dead_letters,
            outlet: Arc::new(outlet),
            orphans,
            draining,
            timeout,
        }
    }

    fn dead_letters(&self) -> Result<&DeadLetters> {
        self.dead_letters.as_ref().ok_or_else(not_configured)
    }

    async fn list(
        &self,
        request: proto::ListDeadLettersRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::ListDeadLettersResponse> {
        let dead_letters = self.dead_letters()?;
        let filter = convert::filter(request.filter.as_ref())?;
        let order = convert::order(request.order)?;
        let position = convert::position(&request.page_token, order)?;
        let size = SIZES.of(request.page_size);
        let mut page = dead_letters
            .page(&filter, order, position, size, deadline)
            .await?;
        page.letters
            .retain(|letter| access.sees(&ask(Action::ViewDeadLetters, &letter.key)));

        let mut room = LARGEST_ANSWER;
        let fits = |letter: &proto::DeadLetter| {
            let left = room.checked_sub(letter.encoded_len() + FIELD_OVERHEAD);
            left.inspect(|left| room = *left).is_some()
        };
        let letters = page.letters.iter().map(convert::letter);
        let letters: Vec<_> = letters.take_while(fits).collect();
        let next = match letters.last() {
            Some(last) if letters.len() < page.letters.len() => Some(last.letter_sequence),
            _ => page.next,
        };
        Ok(proto::ListDeadLettersResponse {
            letters,
            next_page_token: convert::page_token(next, order),
        })
    }

    async fn get(
        &self,
        request: proto::GetDeadLetterRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::GetDeadLetterResponse> {
        let dead_letters = self.dead_letters()?;
        let key = Key::parse("letter_id", &request.letter_id)?;
        access.may(&ask(Action::ViewDeadLetters, &key))?;
        let format = format(request.payload_format)?;
        let letter = dead_letters.get(&key, deadline).await?;
        let replays = dead_letters.replays(&key, deadline).await?;
        Ok(convert::whole(letter, replays, format))
    }

    async fn replay(
        &self,
        request: proto::ReplayDeadLettersRequest,
        access: Access,
        deadline: Deadline,
    ) -> Result<Running> {
        let dead_letters = self.dead_letters()?;
        let filter = convert::filter_or_all(request.filter.as_ref(), request.all)?;
        may(&access, Action::ReplayDeadLetters, &filter)?;
        let rate = convert::rate(request.rate)?;
        let id = match request.replay_id.as_str() {
            "" if request.dry_run => uuid::Uuid::now_v7().to_string(),
            "" => {
                return Err(Error::invalid(
                    "replay_id",
                    "is required unless dry_run is set",
                ));
            }
            id => id.to_owned(),
        };
        let manner = Manner {
            id: ReplayId::parse("replay_id", &id)?,
            dry: request.dry_run,
            rate,
        };
        let replay = dead_letters
            .begin_replay(filter, deadline.at_most(self.timeout))
            .await?;
        Ok(Running::new(
            self,
            dead_letters.clone(),
            replay,
            manner,
            access,
            deadline,
        ))
    }

    async fn purge(
        &self,
        request: proto::PurgeDeadLettersRequest,
        access: &Access,
        deadline: Deadline,
    ) -> Result<proto::PurgeDeadLettersResponse> {
        let dead_letters = self.dead_letters()?;
        let filter = convert::filter_or_all(request.filter.as_ref(), request.all)?;
        may(access, Action::PurgeDeadLetters, &filter)?;
        let purged = dead_letters
            .purge(filter, request.dry_run, deadline)
            .await?;
        Ok(proto::PurgeDeadLettersResponse {
            purged: purged.count,
            complete: purged.complete,
        })
    }
}

fn ask(action: Action, key: &Key) -> Ask<'_> {
    let ask = Ask::to(action).stream(key.stream.as_str());
    ask.consumer(key.consumer.as_str())
}

/// Refuses letters that the caller may not do this with. A filter that names none is about all.
fn may(access: &Access, action: Action, filter: &Filter) -> Result<()> {
    for key in &filter.keys {
        access.may(&ask(action, key))?;
    }
    if !filter.keys.is_empty() {
        return Ok(());
    }
    access.may(&Ask {
        stream: filter.stream.as_ref().map(StreamName::as_str),
        consumer: filter.consumer.as_ref().map(ConsumerName::as_str),
        ..Ask::to(action)
    })
}

#[tonic::async_trait]
impl Rpc for DeadLetterService {
    async fn list_dead_letters(
        &self,
        request: Request<proto::ListDeadLettersRequest>,
    ) -> Result<Response<proto::ListDeadLettersResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        Ok(Response::new(
            self.list(request.into_inner(), &access, deadline).await?,
        ))
    }

    async fn get_dead_letter(
        &self,
        request: Request<proto::GetDeadLetterRequest>,
    ) -> Result<Response<proto::GetDeadLetterResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        Ok(Response::new(
            self.get(request.into_inner(), &access, deadline).await?,
        ))
    }

    type ReplayDeadLettersStream =
        Pin<Box<dyn Stream<Item = Result<proto::ReplayDeadLettersResponse, Status>> + Send>>;

    async fn replay_dead_letters(
        &self,
        request: Request<proto::ReplayDeadLettersRequest>,
    ) -> Result<Response<Self::ReplayDeadLettersStream>, Status> {
        let deadline = Deadline::of_call(request.metadata(), LONGEST_REPLAY)?;
        let access = Access::of(&request);
        let running = self.replay(request.into_inner(), access, deadline).await?;
        Ok(Response::new(Box::pin(running.events())))
    }

    async fn purge_dead_letters(
        &self,
        request: Request<proto::PurgeDeadLettersRequest>,
    ) -> Result<Response<proto::PurgeDeadLettersResponse>, Status> {
        let deadline = Deadline::of_call(request.metadata(), self.timeout)?;
        let access = Access::of(&request);
        Ok(Response::new(
            self.purge(request.into_inner(), &access, deadline).await?,
        ))
    }
}
