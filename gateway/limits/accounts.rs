//! The accounts of all callers of this replica, as long as they take anything.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::{Account, Config, network};
use crate::auth::{Caller, Kind, Owner};
use crate::metrics::Metrics;
use crate::tenants::Tenant;

/// With fewer accounts, none is cleared away.
const FEW: usize = 1_024;

/// The accounts. Clones are handles to the same.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    limits: Config,
    metrics: Metrics,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By tenant as well: a caller that moves has its own account in each.
    accounts: HashMap<(Key, Option<Arc<str>>), Arc<Account>>,
    /// With as many, those of callers that are gone are cleared away.
    sweep_at: usize,
}

/// Whose account it is.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Key {
    /// A caller that has proven who it is.
    Caller(Owner),
    /// Whoever calls from there; nobody is asked, or need not say.
    Address(IpAddr),
    /// Nobody that can be told from others.
    Unknown,
}

impl Accounts {
    /// No accounts yet, of callers with these limits unless their tenants have others.
    pub fn new(limits: &Config, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            limits: limits.clone(),
            metrics,
            known: Mutex::default(),
        }))
    }

    /// A caller's account; `None` where there are no limits.
    pub(crate) fn of(
        &self,
        caller: &Caller,
        peer: Option<SocketAddr>,
        tenant: Option<&Tenant>,
    ) -> Option<Arc<Account>> {
        let limits = tenant.map_or(&self.0.limits, Tenant::limits);
        if limits.is_off() {
            return None;
        }
        let who = key(caller, peer);
        let key = (who, tenant.map(|tenant| tenant.name().clone()));
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let account = known.accounts.get(&key);
        // A tenant's limits may have changed; what is open keeps to the old ones.
        if let Some(account) = account.filter(|it| it.limits() == limits) {
            return Some(account.clone());
        }
        known.sweep();
        let account = Account::new(limits.clone(), who.name(caller), self.0.metrics.clone());
        let account = Arc::new(account);
        known.accounts.insert(key, account.clone());
        Some(account)
    }
}

impl Known {
    /// Clears away accounts that are as good as new, now and then: their number stays within twice that of the
    /// callers of the last second.
    fn sweep(&mut self) {
        if self.accounts.len() < self.sweep_at.max(FEW) {
            return;
        }
        let now = Instant::now();
        let is_used = |_: &_, account: &mut Arc<Account>| {
            Arc::strong_count(account) > 1 || !account.is_idle(now)
        };
        self.accounts.retain(is_used);
        self.sweep_at = self.accounts.len() * 2;
    }
}

fn key(caller: &Caller, peer: Option<SocketAddr>) -> Key {
    match (caller.kind(), peer) {
        (Kind::Anonymous, Some(peer)) => Key::Address(network(peer.ip())),
        (Kind::Anonymous, None) => Key::Unknown,
        _ => Key::Caller(caller.owner()),
    }
}

impl Key {
    fn name(self, caller: &Caller) -> String {
        match self {
            Self::Caller(_) => caller.name().to_owned(),
            Self::Address(address) => address.to_string(),
            Self::Unknown => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        let limits = Config {
            max_calls: 1,
            ..Config::default()
        };
        Accounts::new(&limits, Metrics::new())
    }

    fn peer(text: &str) -> Option<SocketAddr> {
        Some(SocketAddr::new(text.parse().unwrap(), 1))
    }

    #[test]
    fn a_caller_has_one_account_wherever_it_calls_from() {
        let accounts = accounts();
        let of = |name: &str, address| {
            accounts.of(&Caller::new(Kind::ApiKey, name), peer(address), None)
        };
        let ada = of("ada", "192.0.2.1").unwrap();
        assert!(Arc::ptr_eq(&ada, &of("ada", "192.0.2.2").unwrap()));
        assert!(!Arc::ptr_eq(&ada, &of("bob", "192.0.2.1").unwrap()));
    }

    #[test]
    fn callers_that_nobody_knows_are_told_apart_by_their_addresses() {
        let accounts = accounts();
        let of = |address| {
            accounts
                .of(&Caller::default(), peer(address), None)
                .unwrap()
        };
        let is_same = |one, other| Arc::ptr_eq(&of(one), &of(other));
        assert!(is_same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!is_same("192.0.2.1", "192.0.2.2"));
        assert!(is_same("2001:db8:1:2::1", "2001:db8:1:2:ffff::"));
        assert!(!is_same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    }

    #[test]
    fn accounts_of_callers_that_are_gone_are_cleared_away() {
        let accounts = accounts();
        let of =
            |number: usize| accounts.of(&Caller::new(Kind::ApiKey, number.to_string()), None, None);
        let stays = of(0).unwrap();
        let _call = stays.begin().unwrap();
        for number in 1..20 * FEW {
            of(number).unwrap();
        }
        assert!(accounts.0.known.lock().unwrap().accounts.len() <= FEW);
        assert!(Arc::ptr_eq(&stays, &of(0).unwrap()));
    }
}
