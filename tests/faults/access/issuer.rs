//! An issuer of tokens (JWT), whose keys gateways get from its server: one that can hang and be away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::Bearer;
use crate::Result;
use crate::proxy::Proxy;

/// What its tokens call it.
pub(super) const NAME: &str = "https://issuer.test";

/// How long a token is good.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// How far a fast clock is ahead: less than the 30 s that gateways grant.
const AHEAD: Duration = Duration::from_secs(20);

/// The issuer; its server ends with it.
pub(crate) struct Issuer {
    /// The way to its server.
    pub(crate) way: Proxy,
    /// The newest is the last; tokens are signed with the one that is named.
    keys: Arc<Mutex<Vec<SigningKey>>>,
    signs_with: Mutex<Arc<str>>,
    server: JoinHandle<()>,
}

struct SigningKey {
    id: Arc<str>,
    pair: Ed25519KeyPair,
}

impl Issuer {
    pub(super) async fn start() -> Result<Self> {
        let first = SigningKey::new("1")?;
        let signs_with = Mutex::new(first.id.clone());
        let keys = Arc::new(Mutex::new(vec![first]));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let way = Proxy::start(listener.local_addr()?).await?;
        let told = keys.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, key_set(&told)));
            }
        });
        Ok(Self {
            way,
            keys,
            signs_with,
            server,
        })
    }

    pub(super) fn key_set(&self) -> String {
        key_set(&self.keys)
    }

    /// Where its keys are.
    pub(super) fn url(&self) -> String {
        format!("http://{}/keys", self.way.address())
    }

    /// A new token, of an issuer whose clock may be ahead.
    pub(super) fn token(&self, is_ahead: bool) -> Bearer {
        let id = self.current();
        self.sign(&id, if is_ahead { AHEAD } else { Duration::ZERO })
    }

    /// A token that is signed with this key.
    pub(crate) fn token_by(&self, id: &Arc<str>) -> Bearer {
        self.sign(id, Duration::ZERO)
    }

    fn sign(&self, id: &Arc<str>, ahead: Duration) -> Bearer {
        let now = SystemTime::now() + ahead;
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": **id });
        let claims = json!({
            "iss": NAME, "aud": "jetgate", "sub": "caller", "iat": now, "nbf": now,
            "exp": now + LIFETIME.as_secs(),
        });
        let [header, claims] = [header, claims].map(|it| encode(it.to_string().as_bytes()));
        let signed = format!("{header}.{claims}");
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let key = keys.iter().find(|key| key.id == *id);
        let signature = key.map(|key| encode(key.pair.sign(signed.as_bytes()).as_ref()));
        Bearer {
            text: format!("{signed}.{}", signature.unwrap_or_default()).into(),
            origin: id.clone(),
        }
    }

    /// What tokens are signed with.
    pub(crate) fn current(&self) -> Arc<str> {
        let id = self.signs_with.lock();
        id.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A key that the server tells from now on, and that signs nothing yet.
    pub(crate) fn add_key(&self) -> Result<Arc<str>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let key = SigningKey::new(&format!("{}", fastrand::u64(..)))?;
        let id = key.id.clone();
        keys.push(key);
        Ok(id)
    }

    /// From now on tokens are signed with this key.
    pub(crate) fn sign_with(&self, id: Arc<str>) {
        let mut current = self
            .signs_with
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = id;
    }

    /// The server tells no other keys any more.
    pub(crate) fn withdraw_others(&self) {
        let current = self.current();
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|key| key.id == current);
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl SigningKey {
    fn new(id: &str) -> Result<Self> {
        Ok(Self {
            id: id.into(),
            pair: Ed25519KeyPair::generate()?,
        })
    }

    fn public(&self) -> Value {
        let x = encode(self.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": *self.id, "use": "sig" })
    }
}

fn key_set(keys: &Mutex<Vec<SigningKey>>) -> String {
    let keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
    let keys: Vec<Value> = keys.iter().map(SigningKey::public).collect();
    json!({ "keys": keys }).to_string()
}

/// Answers one request, whatever it is.
async fn answer(mut stream: TcpStream, body: String) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut request).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    // A gateway that is gone asks again.
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
