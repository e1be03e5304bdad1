//! Certificates, keys and rules that change under way: callers that have done nothing wrong do not notice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Injection;
use crate::Result;
use crate::access::{Bearer, GUEST, Identity, new_key};
use crate::callers::knock;
use crate::history::{Event, Standing, micros};
use crate::proxy::Weather;
use crate::waiting::until;

/// How long gateways may take until a changed file is in force: they look every second.
const FILE: Duration = Duration::from_secs(10);

/// The same of what the issuer's server tells, also behind an outage: they look every two seconds, and after
/// questions in vain within ten.
const SERVER: Duration = Duration::from_secs(20);

/// How long we wait until something is in force at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long callers may take until they show something newer.
const CHANGING: Duration = Duration::from_secs(60);

/// What is under way when something changes has arrived by then.
const UNDER_WAY: Duration = Duration::from_secs(2);

impl Injection<'_> {
    pub(super) async fn rotate_certificate(&mut self) -> Result<()> {
        for _ in 0..2 {
            let tls = self.stage.access.authority.tls();
            let mut old = Vec::new();
            for door in self.stage.doors() {
                old.push(tls.shown(door).await.ok_or("no certificate is shown")?);
            }
            self.stage.access.renew_certificate()?;
            let began = Instant::now();
            for (door, old) in self.stage.doors().into_iter().zip(old) {
                let is_new = async || tls.shown(door).await.filter(|it| *it != old).map(drop);
                until("the new certificate", PATIENCE, is_new).await?;
                self.in_force("the new certificate", door, began, FILE);
            }
            self.hold(1, 3).await;
        }
        Ok(())
    }

    pub(super) async fn rotate_key(&mut self) -> Result<()> {
        let access = self.stage.access.clone();
        let (old, new) = (access.key(), new_key());
        access.write_keys(&[old.clone(), new.clone()])?;
        let (old_shown, new_shown) = (Bearer::of_key(old), Bearer::of_key(new.clone()));
        self.until_good(&new_shown, "the new API key", FILE).await?;
        access.show_key(new.clone());
        let changed = async || (old_shown.holders() == 0).then_some(());
        until("callers with the new key", CHANGING, changed).await?;
        sleep(UNDER_WAY).await;
        access.write_keys(&[new])?;
        self.until_bad(&old_shown, "the end of the old API key", FILE)
            .await?;
        self.hold(1, 3).await;
        Ok(())
    }

    pub(super) async fn rotate_token_key(&mut self) -> Result<()> {
        let new = self.stage.access.issuer.add_key()?;
        self.change_over(new).await
    }

    /// Lets callers show tokens by this key, and withdraws the one before.
    async fn change_over(&mut self, new: Arc<str>) -> Result<()> {
        let access = self.stage.access.clone();
        let issuer = &access.issuer;
        let old = issuer.token_by(&issuer.current());
        self.until_good(&issuer.token_by(&new), "the new token key", SERVER)
            .await?;
        issuer.sign_with(new);
        // The issuer holds the key as well.
        let changed = async || (old.holders() == 1).then_some(());
        until("callers with new tokens", CHANGING, changed).await?;
        sleep(UNDER_WAY).await;
        issuer.withdraw_others();
        self.until_bad(&old, "the end of the old token key", SERVER)
            .await?;
        self.hold(1, 3).await;
        Ok(())
    }

    pub(super) async fn jwks_outage(&mut self) -> Result<()> {
        let access = self.stage.access.clone();
        let way = &access.issuer.way;
        way.set(Weather::half_open());
        self.hold(6, 8).await;
        way.set(Weather {
            refuses: true,
            ..Weather::default()
        });
        way.cut();
        self.hold(3, 5).await;
        // Nobody can know of it yet, and nobody shows what it has signed.
        let new = access.issuer.add_key()?;
        self.hold(1, 2).await;
        way.set(Weather::default());
        self.change_over(new).await
    }

    pub(super) async fn rotate_rules(&mut self) -> Result<()> {
        let access = self.stage.access.clone();
        let guest = access.bearer(Identity::Guest);
        for _ in 0..2 {
            self.stand(Standing::Changing);
            access.write_rules(false)?;
            self.until_bad(&guest, "the end of rights", FILE).await?;
            sleep(UNDER_WAY).await;
            self.stand(Standing::Barred);
            self.hold(2, 4).await;
            self.stand(Standing::Changing);
            access.write_rules(true)?;
            self.until_good(&guest, "rights", FILE).await?;
            self.stand(Standing::Admitted);
            self.hold(2, 4).await;
        }
        Ok(())
    }

    fn stand(&self, standing: Standing) {
        let group = GUEST.to_owned();
        self.scene
            .recorder
            .record(Event::Stands { group, standing });
    }

    /// Waits until all gateways take this.
    async fn until_good(&self, bearer: &Bearer, what: &str, most: Duration) -> Result<()> {
        let began = Instant::now();
        for door in self.stage.doors() {
            let good = async || knock(&self.stage.access, door, bearer).await.ok();
            until(what, PATIENCE, good).await?;
            self.in_force(what, door, began, most);
        }
        Ok(())
    }

    /// Waits until no gateway takes this.
    async fn until_bad(&self, bearer: &Bearer, what: &str, most: Duration) -> Result<()> {
        let began = Instant::now();
        for door in self.stage.doors() {
            let bad = async || {
                let answer = knock(&self.stage.access, door, bearer).await;
                answer.err().filter(|is_denied| *is_denied).map(drop)
            };
            until(what, PATIENCE, bad).await?;
            self.in_force(what, door, began, most);
        }
        Ok(())
    }

    fn in_force(&self, what: &str, door: SocketAddr, began: Instant, most: Duration) {
        self.scene.recorder.record(Event::InForce {
            what: format!("{what} at {door}"),
            took: micros(began.elapsed()),
            most: micros(most),
        });
    }
}
