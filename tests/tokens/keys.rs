//! How the keys of an issuer change, and how often it is asked for them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jetgate::proto::PublishRequest;
use serde_json::json;
use tokio::time::timeout;

use super::issuer::{Issuer, Manner};
use super::key::Key;
use super::{House, assert_refused, claims};
use crate::support::consume::{Consume, open};
use crate::support::consuming::{STREAM, create_consumer};
use crate::support::{SOON, eventually};

#[tokio::test]
async fn a_key_that_is_new_counts_with_the_first_token() {
    let house = House::start().await;
    let good = claims(&house.issuer, json!({}));
    house.ask(&house.key.sign(&good)).await.unwrap();

    let second = house.issuer.new_key("2");
    let token = second.sign(&good);
    // Long before the next regular look. Just after a question the gateway stays with what it knows.
    eventually(SOON, async || house.ask(&token).await.ok()).await;
    house.ask(&house.key.sign(&good)).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_withdrawn_counts_no_more() {
    let house = House::configured("", |config| {
        config.auth.token_keys_interval = Duration::from_secs(1);
    })
    .await;
    let mut wire = house.nats.wire().await;
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
    wire.create_stream(stream).await;
    create_consumer(&mut wire, json!({})).await;
    let token = house.token(json!({}));
    let second = house.issuer.new_key("2");
    let good = claims(&house.issuer, json!({}));
    eventually(SOON, async || house.ask(&second.sign(&good)).await.ok()).await;
    let clients = |token: &str| house.gateway.showing(token);
    let mut doomed = Consume::open(&clients(&token), open()).await;
    let mut lasting = Consume::open(&clients(&second.sign(&good)), open()).await;

    house.issuer.withdraw("1");
    assert_refused(doomed.end().await);
    assert_refused(house.ask(&token).await);
    wire.store("orders.x", b"1").await;
    let messages = lasting.messages(1).await;
    lasting.ack(&messages).await;
}

#[tokio::test]
async fn made_up_keys_do_not_make_the_gateway_ask_all_the_time() {
    let house = House::start().await;
    let good = claims(&house.issuer, json!({}));
    house.ask(&house.key.sign(&good)).await.unwrap();
    let before = house.issuer.asked();

    let began = tokio::time::Instant::now();
    for id in 0..50 {
        let token = Key::new(&format!("made-up-{id}")).sign(&good);
        assert_refused(house.ask(&token).await);
    }
    // After 1, 2, 4 and 8 s, and then every ten.
    let most = 5 + began.elapsed().as_secs() as usize / 10;
    let asked = house.issuer.asked() - before;
    assert!(asked <= most, "{asked}");
}

#[tokio::test]
async fn calls_that_are_cancelled_do_not_make_the_gateway_ask_all_the_time() {
    let issuer = Issuer::start().await;
    let (key, entry) = (
        issuer.new_key("1"),
        format!("jwks_url = \"{}/keys\"", issuer.url()),
    );
    let house = House::trusting(issuer, key, &entry, |_| ()).await;
    let good = claims(&house.issuer, json!({}));
    house.ask(&house.key.sign(&good)).await.unwrap();
    let (before, began) = (house.issuer.asked(), tokio::time::Instant::now());
    house.issuer.answer(Manner::Hangs);

    let made_up = |id: u32| Key::new(&format!("made-up-{id}")).sign(&good);
    // Until the gateway may ask again.
    let first = async || {
        let token = made_up(0);
        let _ = timeout(Duration::from_millis(100), house.ask(&token)).await;
        (house.issuer.asked() > before).then_some(())
    };
    eventually(SOON, first).await;
    for id in 1..=30 {
        let _ = timeout(Duration::from_millis(100), house.ask(&made_up(id))).await;
    }
    // Each question waits five seconds for its answer.
    let most = 2 + began.elapsed().as_secs() as usize / 5;
    let asked = house.issuer.asked() - before;
    assert!(asked <= most, "{asked}");
}

/// What callers do while keys change.
#[derive(Default)]
struct Load {
    ends: AtomicBool,
    done: AtomicUsize,
    refusals: Mutex<Vec<String>>,
}

#[tokio::test]
async fn rotating_keys_costs_no_call() {
    let house = Arc::new(House::start().await);
    let mut wire = house.nats.wire().await;
    let stream = json!({ "name": STREAM, "subjects": ["orders.>"] });
    wire.create_stream(stream).await;
    house.ask(&house.token(json!({}))).await.unwrap();

    let current = Arc::new(Mutex::new(Arc::new(Key::new("none"))));
    let rotate = |id: &str| *current.lock().unwrap() = Arc::new(house.issuer.new_key(id));
    rotate("2");
    // Until the gateway may ask again.
    let second = current.lock().unwrap().clone();
    let good = claims(&house.issuer, json!({}));
    eventually(SOON, async || house.ask(&second.sign(&good)).await.ok()).await;

    let load = Arc::new(Load::default());
    let callers = (0..8).map(|caller| {
        let (house, load, current) = (house.clone(), load.clone(), current.clone());
        tokio::spawn(async move {
            while !load.ends.load(Ordering::SeqCst) {
                // A token of its own for each call, so that none is remembered.
                let done = load.done.fetch_add(1, Ordering::SeqCst);
                let key = current.lock().unwrap().clone();
                let token = key.sign(&claims(&house.issuer, json!({ "jti": done })));
                let message = PublishRequest {
                    subject: format!("orders.{caller}"),
                    ..PublishRequest::default()
                };
                let mut publisher = house.gateway.showing(&token).publisher();
                if let Err(status) = publisher.publish(message).await {
                    load.refusals.lock().unwrap().push(format!("{status:?}"));
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for id in ["3", "4", "5"] {
        // The next rotation is no sooner than the pause between two questions.
        let due = tokio::time::Instant::now() + Duration::from_millis(1_200);
        let done = load.done.load(Ordering::SeqCst) + 50;
        let is_due = async || {
            let is_due =
                tokio::time::Instant::now() >= due && load.done.load(Ordering::SeqCst) >= done;
            is_due.then_some(())
        };
        eventually(SOON, is_due).await;
        rotate(id);
        // The pause begins once the issuer has answered.
        let key = current.lock().unwrap().clone();
        house.ask(&key.sign(&good)).await.unwrap();
    }
    let done = load.done.load(Ordering::SeqCst) + 50;
    eventually(SOON, async || {
        (load.done.load(Ordering::SeqCst) >= done).then_some(())
    })
    .await;
    load.ends.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    let refusals = load.refusals.lock().unwrap();
    assert!(
        refusals.is_empty(),
        "{} {:?}",
        refusals.len(),
        refusals.first()
    );
}
