//! A TCP proxy before a nats-server that loses messages on their way to the client, as core NATS may.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Whether a message with this payload is lost.
type Loses = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// A proxy before one server. It ends with this value.
pub(crate) struct Lossy {
    address: SocketAddr,
    acceptor: JoinHandle<()>,
}

impl Lossy {
    /// A proxy that loses what it is told to.
    pub(crate) async fn start(
        target: SocketAddr,
        loses: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let loses: Loses = Arc::new(loses);
        let acceptor = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connect(near, target, loses.clone()));
            }
        });
        Self { address, acceptor }
    }

    /// Where it listens, as a URL.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn connect(near: TcpStream, target: SocketAddr, loses: Loses) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (mut near_read, near_write) = near.into_split();
    let (far_read, mut far_write) = far.into_split();
    tokio::select! {
        _ = tokio::io::copy(&mut near_read, &mut far_write) => {}
        _ = pass_on(far_read, near_write, loses) => {}
    }
}

/// Passes on what the server says, but for the messages that are lost.
async fn pass_on(from: OwnedReadHalf, mut to: OwnedWriteHalf, loses: Loses) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    loop {
        let mut bytes = Vec::new();
        if from.read_until(b'\n', &mut bytes).await? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&bytes).into_owned();
        let mut lost = false;
        if line.starts_with("MSG ") || line.starts_with("HMSG ") {
            let size = line.split_ascii_whitespace().last().unwrap_or("0");
            let mut payload = vec![0; size.parse::<usize>().unwrap() + 2];
            from.read_exact(&mut payload).await?;
            lost = loses(&payload);
            bytes.extend(payload);
        }
        if !lost {
            to.write_all(&bytes).await?;
        }
    }
}
