//! A tenant whose account has imported JetStream of another account, beside tenants that have their own.

use jetgate::proto::{AckKind, GetStreamRequest};
use tonic::Code;

use super::{ACCOUNTS, House, create_stream, entry, info, publish, tenant};
use crate::support::consuming::{Session, fetch, fetched, settle, subscribe};
use crate::support::{NatsServer, refused};

const HUB: &str = include_str!("../../deploy/nats/api-prefix.conf");

/// The entry of a tenant of the documented account, with this in `[tenant.nats]`.
fn importing(name: &str, more: &str) -> String {
    let login = "user = \"acme\"\npassword = \"change-me\"";
    entry(name, &format!("[tenant.nats]\n{login}\n{more}"))
}

/// The accounts of the other tests, of which the documented one takes the place of ACME.
fn accounts() -> String {
    let others = ACCOUNTS.lines().filter(|line| !line.contains("ACME"));
    let others: Vec<_> = others.filter(|line| line.contains("users")).collect();
    HUB.replacen(
        "accounts {",
        &format!("accounts {{\n{}", others.join("\n")),
        1,
    )
}

/// A gateway whose tenant acme imports JetStream under this prefix, and globex has its own.
async fn start(prefix: &str) -> House {
    let nats = NatsServer::start_with(&accounts()).await;
    let acme = importing("acme", &format!("api_prefix = {prefix:?}"));
    House::on(nats, &(acme + &tenant("globex")), |_| ()).await
}

#[tokio::test]
async fn a_tenant_works_in_the_account_that_its_own_imports_from_and_others_in_theirs() {
    let house = start("hub.js").await;
    let (acme, globex) = (house.of("acme"), house.of("globex"));
    house.stream("globex", 2).await;
    let mut hub = house.wire_as("hub", "change-me").await;
    hub.create_stream(serde_json::json!({ "name": "ORDERS", "subjects": ["orders.>"] }))
        .await;
    let consumer = serde_json::json!({ "durable_name": "c", "ack_policy": "explicit" });
    hub.create_consumer("ORDERS", consumer).await;

    assert_eq!(publish(&acme, "orders.x").await.unwrap().sequence, 1);
    assert_eq!(publish(&globex, "orders.x").await.unwrap().sequence, 3);
    let mut session = Session::open(&acme, subscribe()).await;
    let got = session.messages(1).await;
    settle(&acme, AckKind::Ack, &got).await;
    assert_eq!(fetched(&globex, fetch(3)).await.len(), 3);
    create_stream(&acme, "dead_letters").await.unwrap();
    hub.stream_info("dead_letters").await;
    let get = GetStreamRequest {
        stream: "dead_letters".to_owned(),
    };
    let missing = globex.streams().get_stream(get).await;
    refused(missing, Code::NotFound, "STREAM_NOT_FOUND");
    // The others' accounts are their own all the same.
    info(&house.of("nobody")).await.unwrap();
    house.assert_ready().await;
}

#[tokio::test]
async fn a_prefix_with_nothing_behind_it_is_one_tenants_trouble() {
    let house = start("other.js").await;

    let refusal = publish(&house.of("acme"), "orders.x").await;

    refused(refusal, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
    let refusal = create_stream(&house.of("acme"), "s").await;
    refused(refusal, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
    info(&house.of("globex")).await.unwrap();
    house.assert_ready().await;
}
