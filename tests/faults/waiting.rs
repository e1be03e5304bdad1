//! Waiting for what should become true, with a bound; and the plain HTTP of health checks and metrics.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::Result;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// For one answer.
const ANSWER: Duration = Duration::from_secs(3);

/// Looks until there is a value; fails when the time is over.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(value) = look().await {
            return Ok(value);
        }
        if began.elapsed() > limit {
            return Err(format!("{what}: not within {limit:?}").into());
        }
        sleep(PAUSE).await;
    }
}

/// The body of a successful answer.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Option<String> {
    let getting = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let is_good = head.split(' ').nth(1) == Some("200");
        is_good.then(|| body.to_owned())
    };
    timeout(ANSWER, getting).await.ok()?
}
