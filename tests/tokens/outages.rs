//! Issuers that cannot be reached: what was known stays, and what was never known is nobody's fault.

use std::time::Duration;

use serde_json::json;
use tonic::Code;

use super::issuer::{Issuer, Manner};
use super::{House, assert_refused, claims, entry_of};
use crate::support::{SOON, eventually, refused};

#[tokio::test]
async fn known_keys_outlast_an_outage_of_their_issuer() {
    let house = House::configured("", |config| {
        config.auth.token_keys_interval = Duration::from_secs(1);
    })
    .await;
    house.ask(&house.token(json!({}))).await.unwrap();

    house.issuer.answer(Manner::Down);
    house.until_failed(2).await;
    // One that was not seen before.
    let name = house.ask(&house.token(json!({ "sub": "bob" }))).await;
    assert_eq!(name.unwrap(), "bob");
    // A file of issuers that changes meanwhile changes nothing of that.
    let text = format!(
        "# Changed.\n{}",
        entry_of(&house.issuer, "name_prefix = \"sso:\"")
    );
    std::fs::write(house.folder.path().join("issuers.toml"), text).unwrap();
    let renamed = async || {
        let name = house.ask(&house.token(json!({ "sub": "eve" }))).await;
        (name.unwrap() == "sso:eve").then_some(())
    };
    eventually(SOON, renamed).await;

    // And it goes on when it can.
    let second = house.issuer.new_key("2");
    house.issuer.answer(Manner::Well);
    let token = second.sign(&claims(&house.issuer, json!({})));
    eventually(SOON, async || house.ask(&token).await.ok()).await;
}

#[tokio::test]
async fn an_answer_without_keys_is_not_taken() {
    let house = House::configured("", |config| {
        config.auth.token_keys_interval = Duration::from_secs(1);
    })
    .await;
    house.ask(&house.token(json!({}))).await.unwrap();

    house.issuer.withdraw("1");
    house.until_failed(2).await;
    house
        .ask(&house.token(json!({ "sub": "bob" })))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_answer_that_leads_elsewhere_or_never_ends_is_none() {
    for manner in [Manner::Redirects, Manner::Floods] {
        let issuer = Issuer::start().await;
        let key = issuer.new_key("1");
        issuer.answer(manner);
        let house = House::trusting(issuer, key, "", |_| ()).await;
        let token = house.token(json!({}));
        let unavailable = "TOKEN_KEYS_UNAVAILABLE";
        refused(house.ask(&token).await, Code::Unavailable, unavailable);

        house.issuer.answer(Manner::Well);
        eventually(SOON, async || house.ask(&token).await.ok()).await;
    }
}

#[tokio::test]
async fn an_issuer_that_was_never_reached_is_no_fault_of_the_caller() {
    let issuer = Issuer::start().await;
    let key = issuer.new_key("1");
    issuer.answer(Manner::Down);
    let house = House::trusting(issuer, key, "", |_| ()).await;
    let token = house.token(json!({}));
    refused(
        house.ask(&token).await,
        Code::Unavailable,
        "TOKEN_KEYS_UNAVAILABLE",
    );

    house.issuer.answer(Manner::Well);
    eventually(SOON, async || house.ask(&token).await.ok()).await;
}

#[tokio::test]
async fn an_issuer_that_hangs_holds_nobody_else_up() {
    let house = House::start().await;
    house.ask(&house.token(json!({}))).await.unwrap();
    house.issuer.answer(Manner::Hangs);
    let unknown = super::Key::new("2").sign(&claims(&house.issuer, json!({})));

    // Those that wait for it, at most a few seconds, and those that need not.
    let waiting = async || assert_refused(house.ask(&unknown).await);
    let others = async || {
        for name in 0..20 {
            let token = house.token(json!({ "sub": name.to_string() }));
            tokio::time::timeout(Duration::from_secs(4), house.ask(&token))
                .await
                .expect("held up")
                .unwrap();
        }
    };
    let all = async { tokio::join!(waiting(), waiting(), others()) };
    tokio::time::timeout(SOON, all).await.expect("no end");
}
