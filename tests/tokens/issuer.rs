//! An issuer of tokens: a real HTTP server that tells the public halves of its keys.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
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

/// How the server answers.
#[derive(Clone, Copy, Default)]
pub(super) enum Manner {
    #[default]
    Well,
    /// That it cannot.
    Down,
    /// Not at all.
    Hangs,
    /// That it is to be asked elsewhere, where the answer is.
    Redirects,
    /// More than anybody wants to know.
    Floods,
}

#[derive(Default)]
struct Shared {
    keys: Mutex<BTreeMap<String, Value>>,
    manner: Mutex<Manner>,
    asked: AtomicUsize,
    /// What was shown to it last.
    shown: Mutex<Option<String>>,
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
            .route("/elsewhere", get(elsewhere))
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

    /// The server answers like this from now on.
    pub(super) fn answer(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// What was shown to it when it was last asked for its keys.
    pub(super) fn shown(&self) -> Option<String> {
        self.shared.shown.lock().unwrap().clone()
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

    async fn answer(&self, headers: &HeaderMap, answer: impl FnOnce() -> String) -> Response {
        let manner = *self.manner.lock().unwrap();
        match manner {
            Manner::Well => self.if_shown(headers, answer).into_response(),
            Manner::Down => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Manner::Hangs => std::future::pending().await,
            Manner::Redirects => Redirect::to("/elsewhere").into_response(),
            Manner::Floods => format!("{}{}", answer(), " ".repeat(1 << 20)).into_response(),
        }
    }

    fn if_shown(
        &self,
        headers: &HeaderMap,
        answer: impl FnOnce() -> String,
    ) -> (StatusCode, String) {
        let demanded = self.bearer.lock().unwrap().clone();
        let shown = headers.get("authorization");
        let accepted = headers["accept"].to_str().unwrap();
        if demanded.is_some_and(|it| shown.is_none_or(|shown| *shown != *it)) {
            (StatusCode::UNAUTHORIZED, String::new())
        } else if !accepted.contains("*/*") {
            // As the API server of Kubernetes, whose key sets have a type of their own.
            (StatusCode::NOT_ACCEPTABLE, String::new())
        } else {
            (StatusCode::OK, answer())
        }
    }
}

async fn discovery(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let page = || {
        let (issuer, keys) = shared.page.lock().unwrap().clone();
        json!({ "issuer": issuer, "jwks_uri": keys }).to_string()
    };
    shared.answer(&headers, page).await
}

async fn elsewhere(State(shared): State<Arc<Shared>>) -> String {
    shared.key_set()
}

async fn keys(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let shown = headers.get("authorization");
    *shared.shown.lock().unwrap() = shown.map(|it| it.to_str().unwrap().to_owned());
    shared.answer(&headers, || shared.key_set()).await
}
