//! A TCP proxy that can be cut or stalled: what networks do to connections.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A TCP proxy before one target. It ends with this value, and its connections with it.
pub(crate) struct Toxic {
    address: SocketAddr,
    state: watch::Sender<State>,
    acceptor: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// What is sent to the target is held back.
    holds_requests: bool,
    /// What the target sends is held back.
    holds_answers: bool,
    /// New connections are closed at once.
    refuses: bool,
    /// How often all connections were broken.
    cuts: u64,
}

impl Toxic {
    /// A proxy that passes everything on until told otherwise.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, watched) = watch::channel(State::default());
        let acceptor = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connect(near, target, watched.clone()));
            }
        });
        Self {
            address,
            state,
            acceptor,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection, and refuses new ones until [`Toxic::restore`]. What was held back
    /// is lost.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| {
            state.refuses = true;
            state.cuts += 1;
        });
    }

    /// Holds back every byte, in both directions, without an error for anyone.
    pub(crate) fn stall(&self) {
        self.state.send_modify(|state| {
            state.holds_requests = true;
            state.holds_answers = true;
        });
    }

    /// Holds back what the target answers: it gets every request, and nobody learns what it said.
    pub(crate) fn stall_answers(&self) {
        self.state.send_modify(|state| state.holds_answers = true);
    }

    /// Lets everything flow again, what was held back on living connections included.
    pub(crate) fn restore(&self) {
        self.state.send_modify(|state| {
            *state = State {
                cuts: state.cuts,
                ..State::default()
            }
        });
    }
}

impl Drop for Toxic {
    fn drop(&mut self) {
        self.cut();
        self.acceptor.abort();
    }
}

async fn connect(near: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    let State { refuses, cuts, .. } = *state.borrow();
    if refuses {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    for stream in [&near, &far] {
        stream.set_nodelay(true).unwrap();
    }
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let there = pass_on(near_read, far_write, state.clone(), |state| {
        state.holds_requests
    });
    let back = pass_on(far_read, near_write, state.clone(), |state| {
        state.holds_answers
    });
    tokio::select! {
        // First, so that nothing held back slips out of a broken connection.
        biased;
        _ = state.wait_for(|state| state.cuts != cuts) => {}
        () = there => {}
        () = back => {}
    }
}

/// Copies bytes until either side ends the connection, and holds them back while told to.
async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    holds_back: fn(&State) -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|state| !holds_back(state)).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}
