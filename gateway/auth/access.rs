//! What one caller may do: the rules that are about it, asked at every step that it takes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tokio::time::Instant;
use tonic::Code;

use super::authenticator::Authenticator;
use super::caller::{Caller, Owner};
use super::changes::{Change, Changes, Shown};
use super::policy::{Action, Ask, Decision, Policy, Subjects, needed_for};
use super::{Credential, PolicyMode, unauthenticated};
use crate::error::{Error, Reason, Result};
use crate::limits::Account;
use crate::nats::api::ConsumerConfig;
use crate::tenants::Tenant;

/// The most denials of one call that are logged one by one; the metric counts all.
const MOST_LOGGED: u32 = 10;

/// A caller with what it may do: an extension of every request. Clones go on from the same rules.
#[derive(Clone, Default)]
pub struct Access {
    caller: Caller,
    credential: Credential,
    peer: Option<SocketAddr>,
    grants: Option<Grants>,
    /// What it takes of the gateway; `None` where that has no limits.
    account: Option<Arc<Account>>,
    /// `None` where it is of none.
    tenant: Option<Arc<Tenant>>,
    /// `None` where there is no gateway around, as in unit tests.
    authenticator: Option<Authenticator>,
    told: Arc<Told>,
}

/// What the audit log is told of one call.
#[derive(Default)]
struct Told {
    /// How many of its denials were logged.
    denials: AtomicU32,
    /// What it is about to change.
    target: OnceLock<Target>,
}

/// What a call changes; empty where it is none of these.
#[derive(Default)]
struct Target {
    stream: String,
    consumer: String,
    session: String,
}

/// The rules that are about a caller.
#[derive(Clone, Default)]
struct Grants {
    policy: Arc<Policy>,
    rules: Arc<[usize]>,
}

impl Access {
    pub(super) fn new(
        authenticator: &Authenticator,
        caller: Caller,
        credential: Credential,
        peer: Option<SocketAddr>,
    ) -> Self {
        let mut access = Self {
            caller,
            credential,
            peer,
            authenticator: Some(authenticator.clone()),
            ..Self::default()
        };
        access.take_rules(authenticator);
        access
    }

    /// The same with this account.
    pub(super) fn with_account(self, account: Option<Arc<Account>>) -> Self {
        Self { account, ..self }
    }

    /// The same of this tenant.
    pub(super) fn with_tenant(self, tenant: Option<Arc<Tenant>>) -> Self {
        Self { tenant, ..self }
    }

    /// The same for a method that is open to all.
    pub(super) fn beyond_rules(self) -> Self {
        Self {
            grants: None,
            ..self
        }
    }

    /// That of whoever sent this request. One that did not come through the server's stack may nothing.
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        let access = request.extensions().get().cloned();
        access.unwrap_or_else(|| Self {
            grants: Some(Grants::default()),
            ..Self::default()
        })
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether the gateway has held a stream of the caller since then, by its limits: what the caller says may
    /// not have been heard.
    pub fn has_been_held_since(&self, moment: Instant) -> bool {
        let account = self.account.as_ref();
        account.is_some_and(|account| account.has_held_since(moment))
    }

    /// What the caller takes of the gateway, where that has limits.
    pub fn account(&self) -> Option<&Arc<Account>> {
        self.account.as_ref()
    }

    /// The tenant that the caller is of.
    pub(crate) fn tenant(&self) -> Option<&Arc<Tenant>> {
        self.tenant.as_ref()
    }

    /// The name of its tenant; empty for none.
    pub fn tenant_name(&self) -> &str {
        self.tenant.as_ref().map_or("", |tenant| tenant.name())
    }

    /// The caller's fingerprint, in the names of consumers that are made for it.
    pub fn owner(&self) -> Owner {
        self.caller.owner()
    }

    /// Whether rules are in force, so that not everything is allowed.
    pub fn is_limited(&self) -> bool {
        self.grants.is_some()
    }

    /// Refuses what the caller may not do.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED`, with the permission that is missing. In shadow mode it is only logged and
    /// counted.
    pub fn may(&self, ask: &Ask<'_>) -> Result<()> {
        if ask.action.administers() {
            // The first is about the thing itself, others about what that is made of.
            self.told.target.get_or_init(|| Target {
                stream: ask.stream.unwrap_or_default().to_owned(),
                consumer: ask.consumer.unwrap_or_default().to_owned(),
                session: String::new(),
            });
        }
        match self.decide(ask) {
            None | Some(Decision::Allowed(_)) => Ok(()),
            Some(decision) => self.deny(ask, decision),
        }
    }

    /// Refuses reading by this consumer.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED`.
    pub fn may_consume(&self, stream: &str, consumer: &str, config: &ConsumerConfig) -> Result<()> {
        if !self.is_limited() {
            return Ok(());
        }
        let filters: Vec<String> = config.filters().map(str::to_owned).collect();
        self.may(&Ask::consume(stream, consumer).filters(&filters))
    }

    /// Refuses ending this session.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED`.
    pub fn may_terminate(&self, session: &str) -> Result<()> {
        self.told.target.get_or_init(|| Target {
            session: session.to_owned(),
            ..Target::default()
        });
        self.may(&Ask::to(Action::TerminateSessions))
    }

    /// Whether something is shown to the caller.
    pub fn sees(&self, ask: &Ask<'_>) -> bool {
        self.shadows()
            || !matches!(
                self.decide(ask),
                Some(Decision::Denied(_) | Decision::NotAllowed)
            )
    }

    /// Refuses a method that the caller has no permission for, whatever its request says.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED`, or `METHOD_NOT_FOUND` for a method that there is not.
    pub(crate) fn may_call(&self, path: &str) -> Result<()> {
        let Some(Grants { policy, rules }) = &self.grants else {
            return Ok(());
        };
        let Some(needed) = needed_for(path) else {
            let text = "the gateway has no such method";
            return Err(Error::new(Reason::MethodNotFound, text));
        };
        match needed {
            [action, ..] if !policy.has_any(rules, needed) => {
                self.deny(&Ask::to(*action), Decision::NotAllowed)
            }
            _ => Ok(()),
        }
    }

    /// Tells what to [take](Self::take).
    pub fn changes(&self) -> Changes {
        Changes::of(self.authenticator.as_ref())
    }

    /// Takes a change over: rules that are in force now, or fresh credentials of the same caller.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` when what the caller has shown is not good, or not good any more; `DRAINING` when the
    /// caller is of another tenant now.
    pub fn take(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Rules => self.refresh(),
            Change::Credentials(shown) => self.renew(shown),
        }
    }

    /// Takes over the rules that are in force now, as long as what the caller has shown is still good.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` when it is not.
    pub fn refresh(&mut self) -> Result<()> {
        let Some(authenticator) = self.authenticator.clone() else {
            return Ok(());
        };
        self.take_rules(&authenticator);
        let judged = authenticator.judge_again(&self.caller, &self.credential, SystemTime::now());
        judged.inspect_err(|error| self.log_loss(error))?;
        self.check_tenant(&authenticator)
    }

    /// Refuses to go on for a caller that is of another tenant now.
    fn check_tenant(&self, authenticator: &Authenticator) -> Result<()> {
        let tenant = authenticator.tenant_of(&self.caller);
        let name = tenant.as_deref().map_or("", |tenant| tenant.name());
        match name == self.tenant_name() {
            true => Ok(()),
            false => {
                let text = "the caller is of another tenant now; open another session";
                Err(Error::new(Reason::Draining, text))
            }
        }
    }

    fn renew(&mut self, shown: Result<Shown>) -> Result<()> {
        let is_own = |shown: Shown| match shown.caller.is(&self.caller) {
            true => Ok(shown),
            false => Err(unauthenticated("the credentials are another caller's")),
        };
        let shown = shown.and_then(is_own);
        let shown = shown.inspect_err(|error| self.log_loss(error))?;
        (self.caller, self.credential) = (shown.caller, shown.credential);
        // Its groups may be others now.
        match self.authenticator.clone() {
            Some(authenticator) => {
                self.take_rules(&authenticator);
                self.check_tenant(&authenticator)
            }
            None => Ok(()),
        }
    }

    fn take_rules(&mut self, authenticator: &Authenticator) {
        self.grants = authenticator.policy().map(|policy| Grants {
            rules: policy.concerning(&self.caller).into(),
            policy,
        });
    }

    fn decide(&self, ask: &Ask<'_>) -> Option<Decision<'_>> {
        let Grants { policy, rules } = self.grants.as_ref()?;
        Some(policy.decide_by(rules, ask))
    }

    fn shadows(&self) -> bool {
        let authenticator = self.authenticator.as_ref();
        authenticator.is_some_and(|it| it.policy_mode() == PolicyMode::Shadow)
    }

    fn deny(&self, ask: &Ask<'_>, decision: Decision<'_>) -> Result<()> {
        let is_shadow = self.shadows();
        let permission = ask.action.permission();
        if let Some(authenticator) = &self.authenticator {
            authenticator
                .metrics()
                .listener
                .denied(ask.action, is_shadow);
        }
        let id = format!("{:016x}", fastrand::u64(..));
        if self.told.denials.fetch_add(1, Ordering::Relaxed) < MOST_LOGGED {
            self.log_denial(ask, decision, &id, is_shadow);
        }
        if is_shadow {
            return Ok(());
        }
        Err(denied(ask, &permission).with("decision_id", id))
    }

    /// Writes down what the caller has changed, or could not.
    pub(crate) fn log_administered(&self, method: &str, code: Code, reason: &str) {
        // Nothing, where the call failed before it was known what it is about.
        let target = self.told.target.get_or_init(Target::default);
        tracing::info!(
            target: "jetgate::audit",
            event = "administered",
            caller = self.caller.name(),
            by = self.caller.kind().word(),
            tenant = self.tenant_name(),
            peer = self.peer.map(tracing::field::display),
            method,
            stream = target.stream,
            consumer = target.consumer,
            session = target.session,
            ?code,
            reason,
            "administered",
        );
    }

    /// Writes down that what the caller has shown is good no more, or what it shows now is not.
    fn log_loss(&self, error: &Error) {
        tracing::info!(
            target: "jetgate::audit",
            event = "unauthenticated",
            caller = self.caller.name(),
            by = self.caller.kind().word(),
            tenant = self.tenant_name(),
            peer = self.peer.map(tracing::field::display),
            %error,
            "caller refused in the middle of a call",
        );
    }

    fn log_denial(&self, ask: &Ask<'_>, decision: Decision<'_>, id: &str, is_shadow: bool) {
        let (rule, line) = match decision {
            Decision::Allowed(place) | Decision::Denied(place) => (place.rule, place.line),
            Decision::NotAllowed => ("", 0),
        };
        tracing::info!(
            target: "jetgate::audit",
            event = if is_shadow { "would_be_denied" } else { "denied" },
            caller = self.caller.name(),
            by = self.caller.kind().word(),
            tenant = self.tenant_name(),
            peer = self.peer.map(tracing::field::display),
            permission = ask.action.permission(),
            stream = ask.stream.unwrap_or_default(),
            consumer = ask.consumer.unwrap_or_default(),
            subjects = subjects(ask.subjects),
            rule,
            line,
            decision_id = id,
            "permission denied",
        );
    }
}

/// The error for a permission that is missing.
fn denied(ask: &Ask<'_>, permission: &str) -> Error {
    let mut text = format!("the caller has no permission {permission}");
    let mut error_metadata = vec![("permission", permission.to_owned())];
    let facts = [
        ("stream", ask.stream.unwrap_or_default().to_owned()),
        ("consumer", ask.consumer.unwrap_or_default().to_owned()),
        ("subjects", subjects(ask.subjects)),
    ];
    for (key, value) in facts {
        if !value.is_empty() {
            text = format!("{text}, {key} {value}");
            error_metadata.push((key, value));
        }
    }
    let error = Error::new(Reason::PermissionDenied, text);
    let add = |error: Error, (key, value)| error.with(key, value);
    error_metadata.into_iter().fold(error, add)
}

/// What the subjects are in logs and errors, in not too many words.
fn subjects(subjects: Subjects<'_>) -> String {
    const MOST: usize = 5;
    let mut words: Vec<&str> = subjects.iter().take(MOST + 1).collect();
    if words.len() > MOST {
        words[MOST] = "...";
    }
    words.join(" ")
}

/// The refusal to reach what belongs to another caller.
pub(crate) fn not_the_owner(stream: &str, consumer: &str) -> Error {
    let text = format!("consumer {consumer} of stream {stream} was made for another caller");
    Error::new(Reason::PermissionDenied, text)
        .with("permission", Action::Consume.permission())
        .with("stream", stream)
        .with("consumer", consumer)
}
