//! An issuer of tokens: a real HTTP server that tells the public halves of its keys.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::key::Key;

/// The issuer; its server ends with it.
pub(super) struct Issuer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    keys: Mutex<BTreeMap<String, Value>>,
    is_down: AtomicBool,
    hangs: AtomicBool,
    asked: AtomicUsize,
    /// What has to be shown to it.
    bearer: Mutex<Option<String>>,
    /// Who its discovery page says that it is, and where its keys are.
    page: Mutex<(String, String)>,
}

impl Issuer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let url = format!("http://{address}");
        *shared.page.lock().unwrap() = (url.clone(), format!("{url}/keys"));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            shared,
            task,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A key that the server tells from now on.
    pub(super) fn new_key(&self, id: &str) -> Key {
        let key = Key::new(id);
        self.tell(id, key.public());
        key
    }

    /// The server tells this of a key from now on.
    pub(super) fn tell(&self, id: &str, public: Value) {
        let mut keys = self.shared.keys.lock().unwrap();
        keys.insert(id.to_owned(), public);
    }

    pub(super) fn withdraw(&self, id: &str) {
        self.shared.keys.lock().unwrap().remove(id);
    }

    pub(super) fn key_set(&self) -> String {
        self.shared.key_set()
    }

    /// The server answers that it cannot.
    pub(super) fn go_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::SeqCst);
    }

    /// The server takes questions and answers none.
    pub(super) fn hang(&self) {
        self.shared.hangs.store(true, Ordering::SeqCst);
    }

    /// How often the keys were asked for.
    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// The server answers only who shows this.
    pub(super) fn demand(&self, bearer: &str) {
        *self.shared.bearer.lock().unwrap() = Some(format!("Bearer {bearer}"));
    }

    /// Its page says this of who it is and where its keys are.
    pub(super) fn claim(&self, issuer: &str, keys: &str) {
        *self.shared.page.lock().unwrap() = (issuer.to_owned(), keys.to_owned());
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn key_set(&self) -> String {
        let keys = self.keys.lock().unwrap();
        let keys: Vec<_> = keys.values().cloned().collect();
        json!({ "keys": keys }).to_string()
    }

    async fn answer(&self, headers: &HeaderMap, answer: impl FnOnce() -> String) -> Answer {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending().await
        }
        let demanded = self.bearer.lock().unwrap().clone();
        let shown = headers.get("authorization");
        let accepted = headers["accept"].to_str().unwrap();
        if demanded.is_some_and(|it| shown.is_none_or(|shown| *shown != *it)) {
            (StatusCode::UNAUTHORIZED, String::new())
        } else if !accepted.contains("*/*") {
            // As the API server of Kubernetes, whose key sets have a type of their own.
            (StatusCode::NOT_ACCEPTABLE, String::new())
        } else if self.is_down.load(Ordering::SeqCst) {
            (StatusCode::SERVICE_UNAVAILABLE, String::new())
        } else {
            (StatusCode::OK, answer())
        }
    }
}

type Answer = (StatusCode, String);

async fn discovery(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    let page = || {
        let (issuer, keys) = shared.page.lock().unwrap().clone();
        json!({ "issuer": issuer, "jwks_uri": keys }).to_string()
    };
    shared.answer(&headers, page).await
}

async fn keys(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    shared.answer(&headers, || shared.key_set()).await
}
