//! The file of the tenants: its form, and everything that is wrong with one, by lines.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::table::{Login, Table, Tenant};
use crate::auth::{FileError, Reader, entries};
use crate::config::{ByteSize, Checks, Config, Secret};
use crate::nats;
use crate::nats::config::ServerUrls;

/// What the file is called where it cannot be used.
const WHAT: &str = "tenants";

/// The longest name: it stands in names of connections and in metrics.
const LONGEST_NAME: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tenant: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default)]
    callers: Vec<Spanned<String>>,
    #[serde(default)]
    groups: Vec<Spanned<String>>,
    #[serde(default)]
    by: Vec<Spanned<String>>,
    max_sessions: Option<u32>,
    max_buffered_bytes: Option<ByteSize>,
    #[serde(default)]
    dead_letters: bool,
    nats: Option<Nats>,
    #[serde(default)]
    limits: Limits,
}

/// What differs from the section `nats` of the gateway.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nats {
    #[serde(default)]
    gateway_login: bool,
    url: Option<ServerUrls>,
    credentials_file: Option<PathBuf>,
    user: Option<String>,
    password: Option<Secret>,
    token: Option<Secret>,
    nkey_seed: Option<Secret>,
    tls_ca_file: Option<PathBuf>,
    tls_cert_file: Option<PathBuf>,
    tls_key_file: Option<PathBuf>,
    domain: Option<String>,
    api_prefix: Option<String>,
    inbox_prefix: Option<String>,
    publish_connections: Option<usize>,
    consume_connections: Option<usize>,
    pull_slots: Option<usize>,
}

/// What differs from the section `limits` of the gateway.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    requests_per_second: Option<u32>,
    bytes_per_second: Option<ByteSize>,
    max_calls: Option<u32>,
    max_sessions: Option<u32>,
    max_in_flight: Option<u32>,
    max_message_bytes: Option<ByteSize>,
}

pub(super) fn read(file: &Path, gateway: &Config) -> Result<Table, FileError> {
    parse(file, &entries::read(WHAT, file)?, gateway)
}

pub(super) fn parse(file: &Path, text: &str, gateway: &Config) -> Result<Table, FileError> {
    let mut reader = Reader::of(text);
    let form = reader.form();
    let tenants = form.map(|form: File| tenants(&mut reader, form, gateway));
    reader.finish(WHAT, file, Table(tenants.unwrap_or_default()))
}

fn tenants(reader: &mut Reader<'_>, form: File, gateway: &Config) -> Vec<Arc<Tenant>> {
    let mut tenants: Vec<Arc<Tenant>> = Vec::with_capacity(form.tenant.len());
    for entry in form.tenant {
        let line = reader.line_of(&entry);
        let tenant = tenant(reader, line, entry.into_inner(), gateway);
        if tenants.iter().any(|it| it.name == tenant.name) {
            let text = format!("there is another tenant {:?}", tenant.name);
            reader.wrong(line, text);
        }
        if let Some(other) = tenants.iter().find(|it| share_inboxes(it, &tenant)) {
            let text = format!(
                "nats.inbox_prefix lies within that of {:?}, or the other way round",
                other.name
            );
            reader.wrong(line, text);
        }
        tenants.push(Arc::new(tenant));
    }
    tenants
}

fn tenant(reader: &mut Reader<'_>, line: usize, entry: Entry, gateway: &Config) -> Tenant {
    if !is_name(&entry.name) {
        let text = "the tenant needs a name of 1 to 32 of a-z, A-Z, 0-9, \"-\" and \"_\"";
        reader.wrong(line, text);
    }
    let audience = [&*entry.callers, &*entry.groups, &*entry.by];
    let audience = reader.audience((line, "tenant"), audience);
    let limits = entry.limits.over(&gateway.limits);
    let mut checks = Checks::default();
    limits.check(checks.section("limits"));
    let nats = entry.nats.map(|nats| {
        if let Err(why) = nats.check(&gateway.nats, &entry.name) {
            reader.wrong(line, why);
        }
        nats.over(&gateway.nats, &entry.name)
    });
    if let Some(nats) = &nats {
        nats.check(checks.section("nats"));
    }
    for problem in checks.finish().err().iter().flat_map(|it| it.iter()) {
        reader.wrong(line, format!("{}: {}", problem.key, problem.message));
    }
    let is_of_login = entry.max_sessions.is_some() || entry.max_buffered_bytes.is_some();
    if nats.is_none() && (is_of_login || entry.dead_letters) {
        let text =
            "max_sessions, max_buffered_bytes and dead_letters are for tenants with [tenant.nats]";
        reader.wrong(line, text);
    }
    Tenant {
        name: entry.name.into(),
        audience,
        login: nats.map(|nats| Login {
            nats,
            max_sessions: entry.max_sessions,
            max_buffered_bytes: entry.max_buffered_bytes,
            dead_letters: entry.dead_letters,
        }),
        limits,
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

/// Whether two tenants could take each other's answers, or be told of each other's sessions.
fn share_inboxes(one: &Tenant, other: &Tenant) -> bool {
    let prefix = |tenant: &Tenant| Some(tenant.login.as_ref()?.nats.inbox_prefix.clone());
    let (Some(one), Some(other)) = (prefix(one), prefix(other)) else {
        return false;
    };
    lies_within(&one, &other) || lies_within(&other, &one)
}

/// Whether subjects that begin with one of these begin with the other.
fn lies_within(inner: &str, outer: &str) -> bool {
    let rest = inner.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Nats {
    /// What [`nats::config::Config::check`] cannot see.
    fn check(&self, gateway: &nats::config::Config, tenant: &str) -> Result<(), String> {
        let (prefix, own) = (self.inbox_prefix(tenant), &gateway.inbox_prefix);
        if !prefix.starts_with("_INBOX") {
            let text =
                "nats.inbox_prefix: must begin with \"_INBOX\", which no caller may publish to";
            return Err(text.to_owned());
        }
        if lies_within(&prefix, own) || lies_within(own, &prefix) {
            let text = "nats.inbox_prefix: lies within the gateway's own, or the other way round";
            return Err(text.to_owned());
        }
        let is_reserved = |prefix: &String| prefix.is_empty() || prefix.starts_with('$');
        if self.gateway_login && !self.api_prefix.as_ref().is_none_or(is_reserved) {
            let text = "nats.api_prefix: must begin with \"$\" beside gateway_login = true: callers of others with that login may publish to what does not";
            return Err(text.to_owned());
        }
        match (self.gateway_login, self.has_login()) {
            (true, true) => Err("nats.gateway_login: goes with no other login".to_owned()),
            (false, false) => {
                let text = "nats: needs credentials_file, user and password, token, nkey_seed or tls_cert_file, or gateway_login = true";
                Err(text.to_owned())
            }
            _ => Ok(()),
        }
    }

    fn inbox_prefix(&self, tenant: &str) -> String {
        let own = self.inbox_prefix.clone();
        own.unwrap_or_else(|| format!("_INBOX_{tenant}"))
    }

    fn has_login(&self) -> bool {
        let secrets = [&self.password, &self.token, &self.nkey_seed];
        let files = [&self.credentials_file, &self.tls_cert_file];
        secrets.iter().any(|it| it.is_some())
            || files.iter().any(|it| it.is_some())
            || self.user.is_some()
            || self.url.as_ref().is_some_and(ServerUrls::has_credentials)
    }

    /// The gateway's own settings with these differences. Its login goes along only where that is said.
    fn over(self, gateway: &nats::config::Config, tenant: &str) -> nats::config::Config {
        let own = match self.gateway_login {
            true => gateway.clone(),
            false => gateway.without_login(),
        };
        let inbox_prefix = self.inbox_prefix(tenant);
        let has_certificate = self.tls_cert_file.is_some();
        let inherited = |file: Option<PathBuf>| file.filter(|_| !has_certificate);
        // Which JetStream is one setting; empty is none.
        let (domain, api_prefix) = match (&self.domain, &self.api_prefix) {
            (None, None) => (own.domain, own.api_prefix),
            _ => (self.domain, self.api_prefix),
        };
        nats::config::Config {
            url: self.url.unwrap_or(own.url),
            credentials_file: self.credentials_file.or(own.credentials_file),
            user: self.user.or(own.user),
            password: self.password.or(own.password),
            token: self.token.or(own.token),
            nkey_seed: self.nkey_seed.or(own.nkey_seed),
            tls_ca_file: self.tls_ca_file.or(own.tls_ca_file),
            tls_cert_file: self.tls_cert_file.or_else(|| inherited(own.tls_cert_file)),
            tls_key_file: self.tls_key_file.or_else(|| inherited(own.tls_key_file)),
            domain: domain.filter(|it| !it.is_empty()),
            api_prefix: api_prefix.filter(|it| !it.is_empty()),
            inbox_prefix,
            name: format!("{}-{tenant}", own.name),
            publish_connections: self.publish_connections.unwrap_or(own.publish_connections),
            consume_connections: self.consume_connections.unwrap_or(own.consume_connections),
            pull_slots: self.pull_slots.unwrap_or(own.pull_slots),
            ..own
        }
    }
}

impl Limits {
    fn over(&self, gateway: &crate::limits::Config) -> crate::limits::Config {
        crate::limits::Config {
            requests_per_second: self
                .requests_per_second
                .unwrap_or(gateway.requests_per_second),
            bytes_per_second: self.bytes_per_second.unwrap_or(gateway.bytes_per_second),
            max_calls: self.max_calls.unwrap_or(gateway.max_calls),
            max_sessions: self.max_sessions.unwrap_or(gateway.max_sessions),
            max_in_flight: self.max_in_flight.unwrap_or(gateway.max_in_flight),
            max_message_bytes: self.max_message_bytes.unwrap_or(gateway.max_message_bytes),
        }
    }
}

#[cfg(test)]
mod tests;
