//! A TCP proxy that does what networks do: delays, holds back without a word, breaks and refuses.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::Result;

/// The most bytes that are taken at a time.
const PIECE: usize = 64 << 10;

/// What a connection suffers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Weather {
    /// What is sent to the target is held back.
    pub(crate) holds_requests: bool,
    /// What the target sends is held back.
    pub(crate) holds_answers: bool,
    /// New connections are closed at once.
    pub(crate) refuses: bool,
    /// Every piece of data waits between half of this and one and a half.
    pub(crate) delay: Duration,
    /// How many bytes pass in a second, each way; 0 is no limit.
    pub(crate) bytes_per_second: u64,
}

impl Weather {
    /// No byte passes, and nobody is told.
    pub(crate) fn half_open() -> Self {
        Self {
            holds_requests: true,
            holds_answers: true,
            ..Self::default()
        }
    }

    /// So many bytes pass in a second, each way.
    pub(crate) fn squeezed(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            ..Self::default()
        }
    }

    /// How long so many bytes take.
    fn takes(&self, size: usize) -> Duration {
        let delay = self.delay.mul_f64(0.5 + fastrand::f64());
        match self.bytes_per_second {
            0 => delay,
            rate => delay + Duration::from_secs_f64(size as f64 / rate as f64),
        }
    }

    /// How many bytes are taken at a time: of a squeezed connection those of a tenth of a second.
    fn piece(&self) -> usize {
        match usize::try_from(self.bytes_per_second / 10) {
            Ok(piece @ 1..PIECE) => piece,
            _ => PIECE,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    weather: Weather,
    /// How often all connections were broken.
    cuts: u64,
}

/// A proxy before one target. It ends with this value, and its connections with it.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    acceptor: JoinHandle<()>,
}

impl Proxy {
    /// A proxy that passes everything on until told otherwise.
    pub(crate) async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (state, watched) = watch::channel(State::default());
        let acceptor = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connect(near, target, watched.clone()));
            }
        });
        Ok(Self {
            address,
            state,
            acceptor,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather of all connections, those that are open included.
    pub(crate) fn set(&self, weather: Weather) {
        self.state.send_modify(|state| state.weather = weather);
    }

    /// Breaks every connection.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.acceptor.abort();
    }
}

async fn connect(near: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    let State { weather, cuts } = *state.borrow();
    if weather.refuses {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let there = pass_on(near_read, far_write, state.clone(), |weather| {
        weather.holds_requests
    });
    let back = pass_on(far_read, near_write, state.clone(), |weather| {
        weather.holds_answers
    });
    tokio::select! {
        // First, so that nothing that is held back slips out of a broken connection.
        biased;
        _ = state.wait_for(|state| state.cuts != cuts) => {}
        () = there => {}
        () = back => {}
    }
}

/// Copies bytes until either side ends the connection.
async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    holds_back: fn(&Weather) -> bool,
) {
    let mut buffer = vec![0; PIECE];
    loop {
        let piece = state.borrow().weather.piece();
        let Ok(size @ 1..) = from.read(&mut buffer[..piece]).await else {
            return;
        };
        let passes = state.wait_for(|state| !holds_back(&state.weather)).await;
        let Ok(takes) = passes.map(|state| state.weather.takes(size)) else {
            return;
        };
        if !takes.is_zero() {
            sleep(takes).await;
        }
        if to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}
