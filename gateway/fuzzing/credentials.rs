//! What callers show: nobody is let in but by the very key or token that was given out.

use std::fs;
use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use crate::auth::{self, Authenticator, Caller};
use crate::config::Config;
use crate::limits::Accounts;
use crate::metrics::Metrics;

/// The key that is given out, and its hash.
const KEY: &str = "jg_fuzz";
const HASH: &str = "8941c3ed3a5240293ad9f82442aeed145dd073e4da9b375a19561fe5f43a7c78";

/// Who gives tokens out.
const ISSUER: &str = "https://issuer.example";

/// What they say; they end on a day that no fuzzer sees.
const CLAIMS: &str =
    r#"{"aud":"jetgate","exp":32503680000,"iss":"https://issuer.example","sub":"ada"}"#;

static DOOR: LazyLock<Door> = LazyLock::new(Door::new);

/// A gateway's authentication, and all that opens it.
struct Door {
    authenticator: Authenticator,
    tokens: [String; 2],
}

/// The value of `authorization`, or of `x-api-key` where the first byte is even.
pub fn credentials(input: &[u8]) {
    let Some((kind, value)) = input.split_first() else {
        return;
    };
    let Ok(header) = HeaderValue::from_bytes(value) else {
        return;
    };
    let (name, shown) = match kind % 2 {
        0 => ("x-api-key", std::str::from_utf8(value).ok()),
        _ => ("authorization", bearer(value)),
    };
    let headers = HeaderMap::from_iter([(HeaderName::from_static(name), header)]);
    let method = "/jetgate.v1.GatewayService/GetInfo";
    let admitted = DOOR.authenticator.admit(method, &headers, None, None);
    let is_good =
        shown.is_some_and(|shown| shown == KEY || DOOR.tokens.iter().any(|it| it == shown));
    match admitted {
        Ok(access) => {
            assert!(is_good, "{} opens", value.escape_ascii());
            assert!(access.caller().name() == "ada" && *access.caller() != Caller::default());
        }
        Err(_) => assert!(!is_good, "{} is refused", value.escape_ascii()),
    }
}

fn bearer(value: &[u8]) -> Option<&str> {
    // Other bytes than ASCII are no text in a header.
    let text = std::str::from_utf8(value).ok().filter(|it| it.is_ascii())?;
    let (scheme, shown) = text.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(shown.trim())
}

impl Door {
    fn new() -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed of 32 bytes");
        let public = URL_SAFE_NO_PAD.encode(pair.public_key());
        let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": public }] });
        let folder = std::env::temp_dir().join(format!("jetgate-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let write = |name: &str, text: String| {
            let file = folder.join(name);
            fs::write(&file, text).expect("a temporary file");
            file
        };
        let key_set = write("jwks.json", keys.to_string());
        let issuers = format!(
            "[[issuer]]\nissuer = {ISSUER:?}\naudiences = [\"jetgate\"]\njwks_file = {key_set:?}\n"
        );
        let auth = auth::Config {
            api_keys_file: Some(write(
                "keys.toml",
                format!("[[key]]\nname = \"ada\"\nsha256 = {HASH:?}\n"),
            )),
            token_issuers_file: Some(write("issuers.toml", issuers)),
            ..auth::Config::default()
        };
        let config = Config {
            auth,
            ..Config::default()
        };
        let accounts = Accounts::new(&Default::default(), Metrics::new());
        let authenticator = Authenticator::load(&config, accounts, Metrics::new());
        Self {
            authenticator: authenticator.expect("the files are as they should be"),
            tokens: [
                signed(&pair, r#"{"alg":"EdDSA","kid":"1"}"#),
                signed(&pair, r#"{"alg":"EdDSA"}"#),
            ],
        }
    }
}

/// The token with this header, as the corpus has it.
fn signed(pair: &Ed25519KeyPair, header: &str) -> String {
    let said = [header, CLAIMS].map(|part| URL_SAFE_NO_PAD.encode(part));
    let said = said.join(".");
    let signature = pair.sign(said.as_bytes());
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
}
