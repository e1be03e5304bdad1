//! Who callers are and what they may do: certificates, keys, tokens and rules, in files that change under way.

mod authority;
mod issuer;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;

use crate::Result;

pub(crate) use self::authority::{Authority, Tls};
pub(crate) use self::issuer::Issuer;

/// Who all callers are that show a key.
const KEY_NAME: &str = "app";

/// Whose rights come and go.
pub(crate) const GUEST: &str = "guest";

/// What a caller shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// An API key.
    Key,
    /// A token of the issuer.
    Token,
    /// A token of the issuer, whose clock is ahead of the gateways'.
    TokenOfFastClock,
    /// The API key of the guest.
    Guest,
}

impl Identity {
    /// Those of callers whose rights do not change.
    pub(crate) const ALL: [Self; 3] = [Self::Key, Self::Token, Self::TokenOfFastClock];

    /// Who has the same rights.
    pub(crate) fn group(self) -> String {
        match self {
            Self::Guest => GUEST.to_owned(),
            _ => "callers".to_owned(),
        }
    }
}

/// What a caller shows, and what that was made with: as long as anybody holds it, that must be good.
#[derive(Clone)]
pub(crate) struct Bearer {
    pub(crate) text: Arc<str>,
    origin: Arc<str>,
}

/// The files, and what is in them. They are in one folder, which gateways read again every second.
pub(crate) struct Access {
    folder: PathBuf,
    pub(crate) authority: Authority,
    pub(crate) issuer: Issuer,
    key: Mutex<Arc<str>>,
    guest_key: Arc<str>,
}

impl Access {
    /// Writes all files. Gateways that do not reach this program's issuer have its keys in a file.
    pub(crate) async fn start(folder: &Path, is_reached: bool) -> Result<Self> {
        let authority = Authority::new()?;
        let access = Self {
            folder: folder.to_owned(),
            issuer: Issuer::start().await?,
            key: Mutex::new(new_key()),
            guest_key: new_key(),
            authority,
        };
        access.renew_certificate()?;
        access.write_keys(&[access.key()])?;
        access.write_rules(true)?;
        let keys = match is_reached {
            true => format!("jwks_url = \"{}\"", access.issuer.url()),
            false => {
                access.write("jwks.json", &access.issuer.key_set())?;
                format!("jwks_file = \"{}/jwks.json\"", folder.display())
            }
        };
        access.write(
            "issuers.toml",
            &format!(
                "[[issuer]]\nissuer = \"{}\"\n{keys}\naudiences = [\"jetgate\"]\n\
                 name_prefix = \"sso:\"\n",
                issuer::NAME
            ),
        )?;
        Ok(access)
    }

    /// What gateways are told of all this.
    pub(crate) fn settings(&self, has_tls: bool) -> String {
        let folder = self.folder.display();
        let tls = match has_tls {
            true => format!(
                "[tls]\ncert_file = \"{folder}/tls.crt\"\nkey_file = \"{folder}/tls.key\"\n\
                 reload_interval = \"1s\"\n"
            ),
            false => String::new(),
        };
        format!(
            "[server]\nhttp2_keepalive_interval = \"2s\"\nhttp2_keepalive_timeout = \"1s\"\n\
             [nats]\nping_interval = \"1s\"\n{tls}[auth]\napi_keys_file = \"{folder}/keys.toml\"\n\
             token_issuers_file = \"{folder}/issuers.toml\"\ntoken_keys_interval = \"2s\"\n\
             policy_file = \"{folder}/policy.toml\"\nreload_interval = \"1s\"\n"
        )
    }

    /// What somebody shows from now on.
    pub(crate) fn bearer(&self, identity: Identity) -> Bearer {
        match identity {
            Identity::Key => Bearer::of_key(self.key()),
            Identity::Guest => Bearer::of_key(self.guest_key.clone()),
            Identity::Token => self.issuer.token(false),
            Identity::TokenOfFastClock => self.issuer.token(true),
        }
    }

    /// Whether others show something newer by now.
    pub(crate) fn is_stale(&self, bearer: &Bearer, identity: Identity) -> bool {
        let newest = match identity {
            Identity::Key => self.key(),
            Identity::Guest => self.guest_key.clone(),
            Identity::Token | Identity::TokenOfFastClock => self.issuer.current(),
        };
        !Arc::ptr_eq(&bearer.origin, &newest)
    }

    /// Another certificate of the same authority, with a key of its own.
    pub(crate) fn renew_certificate(&self) -> Result<()> {
        let (certificate, key) = self.authority.issue()?;
        // A gateway that looks between the two finds a pair that does not fit, and keeps what it has.
        self.write("tls.key", &key)?;
        self.write("tls.crt", &certificate)
    }

    /// The API key that callers show.
    pub(crate) fn key(&self) -> Arc<str> {
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        key.clone()
    }

    /// From now on callers show another key, which must be good by then.
    pub(crate) fn show_key(&self, key: Arc<str>) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// These keys are good, and that of the guest.
    pub(crate) fn write_keys(&self, keys: &[Arc<str>]) -> Result<()> {
        let names = std::iter::repeat(KEY_NAME).zip(keys);
        let mut text = String::new();
        for (name, key) in names.chain([(GUEST, &self.guest_key)]) {
            let hash = digest::digest(&digest::SHA256, key.as_bytes());
            let mut hex = String::new();
            for byte in hash.as_ref() {
                write!(hex, "{byte:02x}")?;
            }
            write!(text, "[[key]]\nname = \"{name}\"\nsha256 = \"{hex}\"\n\n")?;
        }
        self.write("keys.toml", &text)
    }

    /// Everybody may do everything but administer; the guest only where it is admitted.
    pub(crate) fn write_rules(&self, admits_guest: bool) -> Result<()> {
        let guest = match admits_guest {
            true => format!(", \"{GUEST}\""),
            false => String::new(),
        };
        let text = format!(
            "[[rule]]\nname = \"callers\"\ncallers = [\"{KEY_NAME}\", \"sso:*\"{guest}]\n\
             publish = [\">\"]\nconsume = [{{ streams = [\"*\"] }}]\ngateway = [\"info\"]\n"
        );
        self.write("policy.toml", &text)
    }

    /// Gateways see the old file or the new one.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let fresh = self.folder.join("fresh");
        std::fs::write(&fresh, text)?;
        Ok(std::fs::rename(fresh, self.folder.join(name))?)
    }
}

impl Bearer {
    /// How many others hold what it was made with, whoever shows it now among them.
    pub(crate) fn holders(&self) -> usize {
        // A key is its own text.
        let own = 1 + usize::from(Arc::ptr_eq(&self.text, &self.origin));
        Arc::strong_count(&self.origin) - own
    }

    /// Nothing, where nobody is asked.
    pub(crate) fn none() -> Self {
        Self::of_key("".into())
    }

    pub(crate) fn of_key(key: Arc<str>) -> Self {
        Self {
            text: key.clone(),
            origin: key,
        }
    }
}

/// Another API key.
pub(crate) fn new_key() -> Arc<str> {
    let key: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(43)
        .collect();
    format!("jg_{key}").into()
}
