//! What a consumer still has to say when it has no session any more: by plain calls.

use tokio::time::Instant;

use super::Shared;
use super::book::NO_SESSION;
use crate::error::Error;
use crate::sync::lock;
use crate::v1::{AckKind, Acknowledgement, ItemStatus, SettleResult};

/// Says what is left, until the time is up. The error is that a message which is done, or hopeless, may come again.
pub(super) async fn say_last(shared: &Shared, until: Instant) -> Result<(), Error> {
    let mut outcome = Ok(());
    {
        let book = &mut lock(&shared.state).book;
        book.moved();
        book.let_go();
    }
    loop {
        let frame = lock(&shared.state).book.frame(NO_SESSION);
        let Some(frame) = frame else {
            return outcome;
        };
        let client = shared.client.until(until);
        let said = client.settle(frame.acknowledgements.clone(), frame.confirm);
        let answered = said.await;
        let book = &mut lock(&shared.state).book;
        match answered {
            Ok(results) => {
                let mut items = frame.acknowledgements.iter().zip(&results);
                outcome = outcome.and_then(|()| items.try_for_each(taken));
                let settle_id = frame.settle_id;
                book.answered(SettleResult { settle_id, results });
            }
            Err(error) if book.owes() => return Err(error),
            Err(_) => return outcome,
        }
    }
}

/// A message that was given back comes again either way.
fn taken((item, status): (&Acknowledgement, &ItemStatus)) -> Result<(), Error> {
    match item.kind() {
        AckKind::Ack | AckKind::Term => Error::of_item(status.clone()).map_or(Ok(()), Err),
        _ => Ok(()),
    }
}
