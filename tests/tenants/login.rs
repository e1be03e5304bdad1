//! Tenants whose login or account is in trouble, and others who do not notice.

use std::time::Duration;

use jetgate::proto::{AckKind, GatewayState, PublishRequest};
use tonic::Code;

use super::{ACCOUNTS, House, create_stream, entry, info, not_let_in, publish, tenant, tenants};
use crate::support::consuming::{Session, fetch, fetched, settle, subscribe};
use crate::support::{NatsServer, SOON, Toxic, answered, eventually, metadata, refused};

/// Everybody but acme is served, and the gateway is ready.
pub(super) async fn assert_others_are_served(house: &House) {
    info(&house.of("globex")).await.unwrap();
    info(&house.of("nobody")).await.unwrap();
    house.assert_ready().await;
    assert_eq!(
        house
            .metric("jetgate_nats_connected{role=\"requests\"}")
            .await,
        1
    );
}

#[tokio::test]
async fn a_login_that_nats_refuses_is_one_tenants_trouble_until_it_is_mended() {
    let wrong = entry(
        "acme",
        "[tenant.nats]\nuser = \"acme\"\npassword = \"wrong\"",
    );
    let house = House::with(&[wrong, tenant("globex")].concat()).await;
    let status = not_let_in(info(&house.of("acme")).await);
    assert_eq!(metadata(&status, "tenant").as_deref(), Some("acme"));
    assert!(!status.message().contains("wrong"));
    not_let_in(publish(&house.of("acme"), "orders.x").await);
    assert_others_are_served(&house).await;
    assert!(
        house
            .metric("jetgate_tenant_login_failures_total{tenant=\"acme\"}")
            .await
            > 0
    );
    let refused_calls = "jetgate_tenant_refused_calls_total{tenant=\"acme\",why=\"login_failed\"}";
    assert_eq!(house.metric(refused_calls).await, 2);
    assert_eq!(
        house
            .metric("jetgate_tenant_login_failures_total{tenant=\"globex\"}")
            .await,
        0
    );

    house.tenants.write(&tenants(["acme", "globex"]));
    eventually(SOON, async || info(&house.of("acme")).await.ok()).await;
}

#[tokio::test]
async fn sessions_outlast_a_login_that_is_withdrawn_and_given_back() {
    let house = House::with(&tenants(["acme", "globex"])).await;
    house.stream("acme", 1).await;
    let acme = house.of("acme");
    let mut session = Session::open(&acme, subscribe()).await;
    let first = session.messages(1).await;

    house
        .nats
        .reconfigure(&ACCOUNTS.replace("password: acme", "password: another"));
    eventually(SOON, async || info(&acme).await.err()).await;
    let status = eventually(SOON, async || {
        let error = info(&acme).await.err()?;
        (error.code() == Code::FailedPrecondition).then_some(error)
    })
    .await;
    not_let_in::<()>(Err(status));
    assert_others_are_served(&house).await;

    house.nats.reconfigure(ACCOUNTS);
    eventually(SOON, async || info(&acme).await.ok()).await;
    settle(&acme, AckKind::Ack, &first).await;
    publish(&acme, "orders.y").await.unwrap();
    assert_eq!(session.messages(1).await[0].subject, "orders.y");
}

#[tokio::test]
async fn credentials_that_cannot_be_read_are_a_failed_login() {
    let missing = entry(
        "acme",
        "[tenant.nats]\ncredentials_file = \"/nowhere/acme.creds\"",
    );
    let house = House::with(&[missing, tenant("globex")].concat()).await;
    let status = not_let_in(info(&house.of("acme")).await);
    assert!(!status.message().contains("nowhere"));
    assert_others_are_served(&house).await;
}

#[tokio::test]
async fn an_account_without_jetstream_or_with_little_says_so() {
    let house = House::with(&tenants(["bare", "small", "globex"])).await;
    let refusal = create_stream(&house.of("bare"), "S").await;
    refused(refusal, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
    create_stream(&house.of("small"), "S").await.unwrap();
    let refusal = create_stream(&house.of("small"), "T").await;
    refused(refusal, Code::ResourceExhausted, "JETSTREAM_LIMIT");
    create_stream(&house.of("globex"), "S").await.unwrap();
    assert_others_are_served(&house).await;
}

#[tokio::test]
async fn a_tenants_broken_connection_breaks_no_others() {
    let nats = NatsServer::start_with(ACCOUNTS).await;
    let way = Toxic::start(nats.address()).await;
    let url = format!("nats://acme:acme@{}", way.address());
    let acme = entry("acme", &format!("[tenant.nats]\nurl = \"{url}\""));
    let house = House::on(nats, &[acme, tenant("globex")].concat(), |_| ()).await;
    for user in ["acme", "globex"] {
        house.stream(user, 1).await;
    }
    let (acme, globex) = (house.of("acme"), house.of("globex"));
    publish(&acme, "orders.x").await.unwrap();
    let mut others = Session::open(&globex, subscribe()).await;
    others.messages(1).await;

    way.cut();
    eventually(SOON, async || {
        let info = info(&acme).await.unwrap();
        (info.state() == GatewayState::NatsUnavailable && info.nats.is_none()).then_some(())
    })
    .await;
    let message = PublishRequest {
        subject: "orders.x".to_owned(),
        ..PublishRequest::default()
    };
    let lost = answered(Duration::from_secs(2), message, async |request| {
        acme.publisher().publish(request).await
    })
    .await;
    refused(lost, Code::Unavailable, "NATS_DISCONNECTED");
    publish(&globex, "orders.y").await.unwrap();
    others.messages(1).await;
    assert_others_are_served(&house).await;
    let reconnects = "jetgate_nats_reconnects_total{role=\"requests\"}";
    assert_eq!(house.metric(reconnects).await, 0);

    way.restore();
    publish(&acme, "orders.z").await.unwrap();
    assert_eq!(fetched(&acme, fetch(3)).await.len(), 3);
}
