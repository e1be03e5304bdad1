//! Callers that show tokens (JWT): by the keys of an issuer that runs in the test.

mod issuer;
mod key;
mod keys;
mod outages;
mod sources;
mod streams;

use std::time::{Duration, SystemTime};

use jetgate::config::{ByteSize, Config};
use jetgate::proto::GetInfoRequest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::{Code, Status};

use self::issuer::Issuer;
use self::key::{Key, encode, signed_part};
use crate::support::{Gateway, NatsServer, SOON, eventually, http_get, refused};

/// A gateway that trusts one issuer, which has one key.
struct House {
    nats: NatsServer,
    gateway: Gateway,
    issuer: Issuer,
    key: Key,
    folder: TempDir,
}

impl House {
    async fn start() -> Self {
        Self::configured("", |_| ()).await
    }

    /// With this in the issuer's entry.
    async fn configured(entry: &str, change: impl FnOnce(&mut Config)) -> Self {
        let issuer = Issuer::start().await;
        let key = issuer.new_key("1");
        Self::trusting(issuer, key, entry, change).await
    }

    async fn trusting(
        issuer: Issuer,
        key: Key,
        entry: &str,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let nats = NatsServer::start().await;
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("issuers.toml");
        std::fs::write(&file, entry_of(&issuer, entry)).unwrap();
        let gateway = Gateway::start_with(&nats.url(), |config| {
            config.auth.token_issuers_file = Some(file);
            config.auth.reload_interval = Duration::from_secs(1);
            change(config);
        })
        .await;
        Self {
            nats,
            gateway,
            issuer,
            key,
            folder,
        }
    }

    /// Who the gateway takes the bearer of this token for.
    async fn ask(&self, token: &str) -> Result<String, Status> {
        ask(&self.gateway, token).await
    }

    /// A token that is good for an hour, with these changes of its claims.
    fn token(&self, changes: Value) -> String {
        self.key.sign(&claims(&self.issuer, changes))
    }

    /// Waits until the keys were asked for in vain this often.
    async fn until_failed(&self, times: u64) {
        let name = "jetgate_token_key_lookups_total{outcome=\"failed\"} ";
        let failed = async || {
            let (_, metrics) = http_get(&self.gateway.admin_url("/metrics")).await?;
            let mut lines = metrics.lines();
            let count = lines.find_map(|line| line.strip_prefix(name))?;
            (count.parse::<u64>().unwrap() >= times).then_some(())
        };
        eventually(SOON, failed).await;
    }
}

/// An entry of the file of issuers.
fn entry_of(issuer: &Issuer, text: &str) -> String {
    format!(
        "[[issuer]]\nissuer = {:?}\naudiences = [\"jetgate\"]\nleeway = \"0s\"\n{text}\n",
        issuer.url()
    )
}

async fn ask(gateway: &Gateway, token: &str) -> Result<String, Status> {
    let mut client = gateway.showing(token).gateway();
    let info = client.get_info(GetInfoRequest {}).await?;
    Ok(info.into_inner().identity)
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, Status>) -> Status {
    refused(outcome, Code::Unauthenticated, "UNAUTHENTICATED")
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// Claims that are good for an hour, with these changes; what is null is left out.
fn claims(issuer: &Issuer, changes: Value) -> Value {
    let mut claims = json!({
        "iss": issuer.url(), "aud": "jetgate", "sub": "ada", "exp": now() + 3_600, "iat": now(),
    });
    for (key, value) in changes.as_object().unwrap() {
        claims[key] = value.clone();
    }
    let claims = claims.as_object().unwrap().clone().into_iter();
    claims.filter(|(_, value)| !value.is_null()).collect()
}

#[tokio::test]
async fn a_token_is_its_subjects() {
    let house = House::start().await;
    for changes in [
        json!({}),
        json!({ "aud": ["other", "jetgate"] }),
        json!({ "nbf": now() - 10 }),
        json!({ "exp": now() as f64 + 100.5 }),
    ] {
        assert_eq!(house.ask(&house.token(changes)).await.unwrap(), "ada");
    }
    let info = house.gateway.gateway().get_info(GetInfoRequest {}).await;
    assert_refused(info);
}

#[tokio::test]
async fn what_is_not_right_with_a_token_makes_it_none() {
    let house = House::start().await;
    house.ask(&house.token(json!({}))).await.unwrap();

    for wrong in [
        json!({ "iss": "https://other.example.org" }),
        json!({ "iss": null }),
        json!({ "iss": [house.issuer.url()] }),
        json!({ "iss": format!("{}/", house.issuer.url()) }),
        json!({ "aud": "other" }),
        json!({ "aud": "jetgate2" }),
        json!({ "aud": [] }),
        json!({ "aud": null }),
        json!({ "exp": now() - 1 }),
        json!({ "exp": "tomorrow" }),
        json!({ "exp": 1e300 }),
        json!({ "exp": null }),
        json!({ "nbf": now() + 60 }),
        json!({ "nbf": "yesterday" }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        json!({ "sub": null }),
        json!({ "sub": "a\nb" }),
    ] {
        let token = house.token(wrong.clone());
        let status = house.ask(&token).await;
        let status = refused(status, Code::Unauthenticated, "UNAUTHENTICATED");
        let (_, signature) = token.rsplit_once('.').unwrap();
        assert!(!status.message().contains(signature), "{wrong}");
    }
}

#[tokio::test]
async fn a_signature_counts_only_with_the_issuers_key() {
    let house = House::start().await;
    let good = claims(&house.issuer, json!({}));
    let token = house.key.sign(&good);
    house.ask(&token).await.unwrap();

    // A key of somebody else by the same name, and one that comes along with the token.
    let other = Key::new("1");
    assert_refused(house.ask(&other.sign(&good)).await);
    let own = json!({ "kid": "own", "jwk": other.public(), "jku": "http://127.0.0.1:1/" });
    assert_refused(house.ask(&other.sign_with(&own, &good)).await);
    // No signature, a wrong one, and one of other claims.
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert_refused(house.ask(&format!("{signed}.")).await);
    assert_refused(house.ask(&format!("{signed}.AAAA")).await);
    let (header, _) = signed.split_once('.').unwrap();
    let forged = encode(
        claims(&house.issuer, json!({ "sub": "bob" }))
            .to_string()
            .as_bytes(),
    );
    assert_refused(house.ask(&format!("{header}.{forged}.{signature}")).await);
    // What nobody may pass over, and what is no token.
    let crit = json!({ "crit": ["exp2"], "exp2": 1 });
    assert_refused(house.ask(&house.key.sign_with(&crit, &good)).await);
    for nonsense in ["a.b.c", "..", "jg_nothing", "x", &"a.".repeat(5_000)] {
        assert_refused(house.ask(nonsense).await);
    }
}

#[tokio::test]
async fn a_token_that_is_too_long_is_none() {
    let house = House::configured("", |config| {
        config.server.max_header_list_bytes = ByteSize::kib(64);
    })
    .await;
    let padded = |length| house.token(json!({ "padding": "x".repeat(length) }));
    house.ask(&padded(11_000)).await.unwrap();
    // Signed by the issuer all the same.
    assert_refused(house.ask(&padded(13_000)).await);
}

#[tokio::test]
async fn only_algorithms_that_are_allowed_count() {
    let issuer = Issuer::start().await;
    let key = Key::of("rsa", "RS256");
    issuer.tell("rsa", key.public());
    let (elliptic, edwards) = (issuer.new_key("ec"), Key::of("ed", "EdDSA"));
    issuer.tell("ed", edwards.public());
    let entry = "algorithms = [\"RS256\", \"EdDSA\"]";
    let house = House::trusting(issuer, key, entry, |_| ()).await;
    let good = claims(&house.issuer, json!({}));
    house.ask(&house.key.sign(&good)).await.unwrap();
    house.ask(&edwards.sign(&good)).await.unwrap();

    // Good signatures of good keys, with what the entry does not name.
    assert_refused(house.ask(&elliptic.sign(&good)).await);
    let pss = json!({ "alg": "PS256" });
    assert_refused(house.ask(&house.key.sign_with(&pss, &good)).await);
    // The public key, in any form, taken for a shared secret.
    let secrets = [
        house.key.public_bytes(),
        house.key.public()["n"].as_str().unwrap().into(),
        house.issuer.key_set().into_bytes(),
    ];
    for secret in secrets {
        let signed = signed_part(&json!({ "alg": "HS256", "kid": "rsa" }), &good);
        let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
        let signature = aws_lc_rs::hmac::sign(&secret, signed.as_bytes());
        let forged = format!("{signed}.{}", encode(signature.as_ref()));
        assert_refused(house.ask(&forged).await);
    }
    for none in ["none", "None", "NONE", ""] {
        let signed = signed_part(&json!({ "alg": none, "kid": "rsa" }), &good);
        assert_refused(house.ask(&format!("{signed}.")).await);
    }
}

#[tokio::test]
async fn claims_name_the_caller_and_its_groups() {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("policy.toml");
    let text = "[[rule]]\nname = \"ops\"\ngroups = [\"sso:ops\"]\nby = [\"token\"]\ngateway = [\"info\"]\n";
    std::fs::write(&rules, text).unwrap();
    let entry = "name_claim = \"email\"\ngroups_claim = \"roles\"\nname_prefix = \"sso:\"";
    let house = House::configured(entry, |config| config.auth.policy_file = Some(rules)).await;
    let token = |roles: Value| house.token(json!({ "email": "ada@example.org", "roles": roles }));

    let name = house.ask(&token(json!(["dev", "ops"]))).await.unwrap();
    assert_eq!(name, "sso:ada@example.org");
    house.ask(&token(json!("ops"))).await.unwrap();
    for others in [json!(["dev"]), json!([]), json!(7), json!("sso:ops")] {
        let outcome = house.ask(&token(others)).await;
        refused(outcome, Code::PermissionDenied, "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn tokens_and_keys_are_taken_side_by_side() {
    let folder = TempDir::new().unwrap();
    let keys = folder.path().join("keys.toml");
    let key = jetgate::auth::NewKey::make("orders");
    std::fs::write(&keys, key.entry()).unwrap();
    let house = House::configured("", |config| config.auth.api_keys_file = Some(keys)).await;

    assert_eq!(house.ask(key.secret()).await.unwrap(), "orders");
    assert_eq!(house.ask(&house.token(json!({}))).await.unwrap(), "ada");
    assert_refused(
        house
            .ask(jetgate::auth::NewKey::make("orders").secret())
            .await,
    );
}
