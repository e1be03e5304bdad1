//! Waiting for a condition with a deadline, instead of sleeping and hoping.

use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `probe` until it returns a value, and returns that. Panics when `deadline` has passed.
///
/// `eventually(SOON, || async { client.clone().get(..).await.ok() }).await`
#[track_caller]
pub(crate) fn eventually<T>(
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let started = Instant::now();
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            let waited = started.elapsed();
            assert!(
                waited < deadline,
                "did not happen within {deadline:?}: see {caller}"
            );
            sleep(PAUSE).await;
        }
    }
}
