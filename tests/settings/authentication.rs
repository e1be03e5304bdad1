//! Each way to authenticate against a server that asks for it.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jetgate::config::Secret;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{does_not_reach, reaches};
use crate::support::NatsServer;

#[tokio::test]
async fn a_user_and_its_password() {
    let config = "authorization { users [{ user: gateway, password: secret }] }";
    let nats = NatsServer::start_with(config).await;
    let with = |password: &'static str| {
        move |config: &mut jetgate::config::Config| {
            config.nats.user = Some("gateway".to_owned());
            config.nats.password = Some(Secret::new(password));
        }
    };
    reaches(&nats, with("secret")).await;
    does_not_reach(&nats, with("wrong")).await;
}

#[tokio::test]
async fn a_token() {
    let nats = NatsServer::start_with("authorization { token: sesame }").await;
    reaches(&nats, |config| {
        config.nats.token = Some(Secret::new("sesame"))
    })
    .await;
}

#[tokio::test]
async fn an_nkey() {
    let user = KeyPair::new_user();
    let config = format!(
        "authorization {{ users [{{ nkey: {} }}] }}",
        user.public_key()
    );
    let nats = NatsServer::start_with(&config).await;
    let seed = user.seed().unwrap();
    reaches(&nats, |config| {
        config.nats.nkey_seed = Some(Secret::new(seed))
    })
    .await;
}

#[tokio::test]
async fn a_credentials_file() {
    let (operator, account, user) = (
        KeyPair::new_operator(),
        KeyPair::new_account(),
        KeyPair::new_user(),
    );
    let everything = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let operator_jwt = jwt(&operator, &operator, "operator", json!({}));
    let system = KeyPair::new_account();
    let system_jwt = jwt(
        &operator,
        &system,
        "account",
        json!({ "limits": { "conn": -1, "subs": -1 } }),
    );
    let account_jwt = jwt(
        &operator,
        &account,
        "account",
        json!({ "limits": everything }),
    );
    let user_jwt = jwt(
        &account,
        &user,
        "user",
        json!({ "subs": -1, "data": -1, "payload": -1 }),
    );
    let config = format!(
        "operator: {operator_jwt}\nsystem_account: {system}\nresolver: MEMORY\n\
         resolver_preload: {{ {system}: {system_jwt}, {account}: {account_jwt} }}",
        system = system.public_key(),
        account = account.public_key(),
    );
    let nats = NatsServer::start_with(&config).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.creds");
    let seed = user.seed().unwrap();
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    fs::write(&file, text).unwrap();

    reaches(&nats, |config| config.nats.credentials_file = Some(file)).await;
}

/// A NATS JWT: `issuer` says this of `subject`.
fn jwt(issuer: &KeyPair, subject: &KeyPair, kind: &str, mut claims: Value) -> String {
    claims["type"] = kind.into();
    claims["version"] = 2.into();
    let claims = json!({
        "jti": fastrand::u64(..).to_string(), "iat": 1_700_000_000, "name": kind,
        "iss": issuer.public_key(), "sub": subject.public_key(), "nats": claims,
    });
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
