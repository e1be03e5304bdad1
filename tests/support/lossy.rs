//! A TCP proxy before a nats-server that loses messages on their way to the client, as core NATS may, or changes
//! what the server says.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Whether what the server says is passed on, a line with its payload, and what becomes of it.
type Passes = Arc<dyn Fn(&mut Vec<u8>) -> bool + Send + Sync>;

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
        let passes = move |said: &mut Vec<u8>| {
            let is_message = said.starts_with(b"MSG ") || said.starts_with(b"HMSG ");
            let end = said.iter().position(|&byte| byte == b'\n');
            !(is_message && end.is_some_and(|end| loses(&said[end + 1..])))
        };
        Self::passing(target, Arc::new(passes)).await
    }

    /// A proxy that puts texts in the place of others. In messages both have the same length.
    pub(crate) async fn replacing(target: SocketAddr, texts: &[(&str, &str)]) -> Self {
        let texts = texts.iter();
        let texts: Vec<(String, String)> = texts
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect();
        let passes = move |said: &mut Vec<u8>| {
            for (from, to) in &texts {
                if let Ok(text) = std::str::from_utf8(said) {
                    *said = text.replace(from, to).into_bytes();
                }
            }
            true
        };
        Self::passing(target, Arc::new(passes)).await
    }

    async fn passing(target: SocketAddr, passes: Passes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connect(near, target, passes.clone()));
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

async fn connect(near: TcpStream, target: SocketAddr, passes: Passes) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (mut near_read, near_write) = near.into_split();
    let (far_read, mut far_write) = far.into_split();
    tokio::select! {
        _ = tokio::io::copy(&mut near_read, &mut far_write) => {}
        _ = pass_on(far_read, near_write, passes) => {}
    }
}

/// Passes on what the server says, as it is told to.
async fn pass_on(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    passes: Passes,
) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    loop {
        let mut bytes = Vec::new();
        if from.read_until(b'\n', &mut bytes).await? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&bytes).into_owned();
        if line.starts_with("MSG ") || line.starts_with("HMSG ") {
            let size = line.split_ascii_whitespace().last().unwrap_or("0");
            let mut payload = vec![0; size.parse::<usize>().unwrap() + 2];
            from.read_exact(&mut payload).await?;
            bytes.extend(payload);
        }
        if passes(&mut bytes) {
            to.write_all(&bytes).await?;
        }
    }
}
