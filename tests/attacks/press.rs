//! Attackers, in a thread of low priority: what is measured is the gateway's work, not theirs.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::setpriority_process;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};

use super::{CONNECTIONS, Target};
use crate::support::SOON;

/// How long an attack goes on.
const TIME: Duration = Duration::from_secs(1);

/// How long a listener that throws away listens to one connection.
const LONGEST: Duration = Duration::from_millis(300);

/// The lowest priority that there is.
const LOWEST: i32 = 19;

/// Attacks on several connections at once for a while.
pub(super) async fn attack(attack: impl AsyncFn(&Target) + Send + 'static, target: Target) {
    by_a_thread(async move || press(attack, target).await).await;
}

/// The same, but whatever is sent is thrown away.
pub(super) async fn attack_nobody(attack: impl AsyncFn(&Target) + Send + 'static, target: Target) {
    by_a_thread(async move || {
        let discard = Discard::open().await;
        let address = discard.address;
        press(attack, Target { address, ..target }).await;
    })
    .await;
}

async fn by_a_thread(work: impl AsyncFnOnce() + Send + 'static) {
    let (done, ended) = oneshot::channel();
    std::thread::spawn(move || {
        setpriority_process(None, LOWEST).unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(work());
        let _ = done.send(());
    });
    ended.await.expect("an attacker failed");
}

async fn press(attack: impl AsyncFn(&Target), target: Target) {
    let end = Instant::now() + TIME;
    let attackers = (0..CONNECTIONS).map(async |_| {
        while Instant::now() < end {
            attack(&target).await;
        }
    });
    // Those that go on until they are cut off would never end otherwise. On a busy machine they hardly get their turn.
    let attackers = timeout(TIME + 9 * SOON, join_all(attackers)).await;
    attackers.expect("an attacker is never cut off");
}

/// A listener that reads and forgets, and cuts off after a while as the gateway does.
struct Discard {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Discard {
    async fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(timeout(LONGEST, discard(stream)));
            }
        });
        let accepting = accepting.abort_handle();
        Self { address, accepting }
    }
}

impl Drop for Discard {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn discard(mut stream: TcpStream) {
    let mut discarded = vec![0; 64 * 1024];
    while matches!(stream.read(&mut discarded).await, Ok(1..)) {}
}
