//! The way between a client and a gateway, which a test makes lose answers or cuts.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of what goes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    #[default]
    Open,
    /// What the gateway says is lost.
    Mute,
    /// Every connection ends, new ones at once.
    Cut,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    way: Way,
    /// How many times it was cut: a connection does not outlive one.
    cuts: usize,
}

type Shared = Arc<watch::Sender<State>>;

pub(crate) struct Proxy {
    address: String,
    state: Shared,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A way to this gateway, which is open.
    pub(crate) async fn start(gateway: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Shared::default();
        let accepting = tokio::spawn(accept(listener, gateway.to_owned(), Arc::clone(&state)));
        Self {
            address,
            state,
            accepting,
        }
    }

    pub(crate) fn addresses(&self) -> [String; 1] {
        [self.address.clone()]
    }

    pub(crate) fn set(&self, way: Way) {
        self.state.send_modify(|state| {
            state.way = way;
            state.cuts += usize::from(way == Way::Cut);
        });
    }
}

impl Drop for Proxy {
    /// Nobody listens any more.
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Way::Cut);
    }
}

async fn accept(listener: TcpListener, gateway: String, state: Shared) {
    loop {
        let (caller, _) = listener.accept().await.unwrap();
        let now = *state.borrow();
        if now.way == Way::Cut {
            continue;
        }
        let Ok(gateway) = TcpStream::connect(&gateway).await else {
            continue;
        };
        let (from_caller, to_caller) = caller.into_split();
        let (from_gateway, to_gateway) = gateway.into_split();
        for (from, to, is_answer) in [
            (from_caller, to_gateway, false),
            (from_gateway, to_caller, true),
        ] {
            tokio::spawn(pass(from, to, state.subscribe(), now.cuts, is_answer));
        }
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    cuts: usize,
    is_answer: bool,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = tokio::select! {
            _ = state.wait_for(|state| state.cuts != cuts) => return,
            read = from.read(&mut buffer) => read,
        };
        let read = match read {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        let is_lost = is_answer && state.borrow().way == Way::Mute;
        if !is_lost && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
