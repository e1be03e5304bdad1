//! Whose a login to NATS is, and the fingerprint of its account, which tokens carry.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::{Nats, RequestError, error};
use crate::deadline::Deadline;
use crate::error::{Error, Reason, Result};

/// Whose a login to NATS is.
#[derive(Clone, Debug, Default)]
pub struct Holder {
    /// The tenant; the gateway itself where there is none.
    pub tenant: Option<Arc<str>>,
    /// Whether the gateway has other logins.
    pub has_others: bool,
}

/// The fingerprint of a NATS account, the same on every replica. That of a tenant is its own, whichever account
/// it has.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    fingerprint: u32,
    /// Takes tokens that say nothing of their account, and all where its own is not known.
    trusts: bool,
}

impl Account {
    /// That of the gateway itself; 0 where the NATS user may not ask for it.
    pub(crate) fn of_gateway(fingerprint: u32, has_others: bool) -> Self {
        Self {
            fingerprint,
            trusts: !has_others,
        }
    }

    fn of_tenant(tenant: &str, account: &str) -> Self {
        let fingerprint = crc32fast::hash(format!("{tenant}\n{account}").as_bytes());
        Self {
            fingerprint,
            trusts: false,
        }
    }

    /// The fingerprint.
    pub fn fingerprint(self) -> u32 {
        self.fingerprint
    }

    /// Whether a token with this fingerprint is one of the account.
    pub fn is(self, fingerprint: u32) -> bool {
        let is_unknown = fingerprint == 0 || self.fingerprint == 0;
        fingerprint == self.fingerprint || (self.trusts && is_unknown)
    }
}

impl Nats {
    /// The account of this login.
    pub async fn account(&self, deadline: Deadline) -> Result<Account> {
        let asking = self
            .0
            .account
            .get_or_try_init(|| self.ask_for_account(deadline));
        // Whoever waits for another's question keeps to its own deadline.
        let account = deadline
            .bound(asking)
            .await
            .map_err(|_| error::too_late("the account"))?;
        account.copied()
    }

    async fn ask_for_account(&self, deadline: Deadline) -> Result<Account> {
        let name = self.ask_for_its_name(deadline).await?;
        let holder = &self.0.holder;
        Ok(match (&holder.tenant, name) {
            (Some(tenant), name) => Account::of_tenant(tenant, &name.unwrap_or_default()),
            (None, Some(name)) => {
                Account::of_gateway(crc32fast::hash(name.as_bytes()), holder.has_others)
            }
            (None, None) => Account::of_gateway(0, holder.has_others),
        })
    }

    /// `None` where the NATS user may not ask.
    async fn ask_for_its_name(&self, deadline: Deadline) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Answer {
            data: User,
        }
        #[derive(Deserialize)]
        struct User {
            account: String,
        }
        let link = self.request_link(deadline).await?;
        let attempt = deadline.at_most(self.0.config.request_timeout);
        match link
            .request("$SYS.REQ.USER.INFO", None, Bytes::new(), attempt)
            .await
        {
            Ok(answer) => {
                let answer: Answer = serde_json::from_slice(&answer.payload).map_err(|error| {
                    Error::new(
                        Reason::Internal,
                        format!("cannot read the user's info: {error}"),
                    )
                })?;
                Ok(Some(answer.data.account))
            }
            Err(RequestError::Denied) => Ok(None),
            Err(failure) => Err(error::from_request(failure, "the user's info")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_one_tenant_are_no_others() {
        let (acme, globex) = (
            Account::of_tenant("acme", "A"),
            Account::of_tenant("globex", "A"),
        );
        let (gateway, silent) = (Account::of_gateway(7, true), Account::of_gateway(0, true));
        let all = [acme, globex, gateway, silent];
        for (place, one) in all.iter().enumerate() {
            for (other_place, other) in all.iter().enumerate() {
                assert_eq!(one.is(other.fingerprint()), place == other_place);
            }
        }
    }

    #[test]
    fn a_gateway_alone_takes_tokens_of_before_it_might_ask() {
        let (known, silent) = (Account::of_gateway(7, false), Account::of_gateway(0, false));
        assert!(known.is(7) && known.is(0) && !known.is(8));
        assert!(silent.is(7) && silent.is(0));
    }
}
