//! An operator of NATS whose accounts and users are signed by keys that the test makes, as `nsc` does.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with one account for tenants, and its system account.
pub(super) struct Operator {
    operator: KeyPair,
    system: KeyPair,
    account: KeyPair,
}

impl Operator {
    pub(super) fn new() -> Self {
        Self {
            operator: KeyPair::new_operator(),
            system: KeyPair::new_account(),
            account: KeyPair::new_account(),
        }
    }

    /// The lines of a server that knows it.
    pub(super) fn config(&self) -> String {
        let operator = signed(
            &self.operator,
            &self.operator,
            json!({ "type": "operator", "version": 2 }),
        );
        let [system, account] = [&self.system, &self.account].map(|it| it.public_key());
        let [of_system, of_account] = [(&self.system, 0), (&self.account, -1)]
            .map(|(it, storage)| signed(&self.operator, it, account_claims(storage)));
        format!(
            "operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\n\
             resolver_preload: {{ {system}: {of_system}, {account}: {of_account} }}\n"
        )
    }

    /// A credentials file of a new user of the account.
    pub(super) fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let claims = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        let token = signed(&self.account, &user, claims);
        let seed = user.seed().unwrap();
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

fn account_claims(storage: i64) -> Value {
    json!({
        "type": "account", "version": 2,
        "limits": {
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1,
            "mem_storage": storage, "disk_storage": storage, "streams": storage, "consumer": storage,
        },
    })
}

/// What `signer` says of `about`.
fn signed(signer: &KeyPair, about: &KeyPair, claims: Value) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims = json!({
        "jti": about.public_key(), "iat": now, "iss": signer.public_key(), "name": "test",
        "sub": about.public_key(), "nats": claims,
    });
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let text = parts.join(".");
    let signature = URL_SAFE_NO_PAD.encode(signer.sign(text.as_bytes()).unwrap());
    format!("{text}.{signature}")
}
