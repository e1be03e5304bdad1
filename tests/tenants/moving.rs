//! A file of tenants that changes, and callers of none.

use jetgate::proto::subscribe_response::Event;
use tonic::Code;

use super::{House, end, entry, info, tenant, tenants};
use crate::support::consuming::{Session, fetch, fetched, payload, subscribe};
use crate::support::{SOON, eventually, refused};

#[tokio::test]
async fn a_caller_that_is_of_another_tenant_now_goes_there() {
    let house = House::with(&tenants(["acme", "globex"])).await;
    for user in ["acme", "globex"] {
        house.stream(user, 1).await;
    }
    let mut session = Session::open(&house.of("acme"), subscribe()).await;
    assert_eq!(payload(&session.messages(1).await[0]), b"acme");

    let both = tenant("globex").replace("[\"globex\"]", "[\"globex\", \"acme\"]");
    house.tenants.write(&both);
    refused::<()>(Err(end(&mut session).await), Code::Unavailable, "DRAINING");
    eventually(SOON, async || {
        (info(&house.of("acme")).await.ok()?.tenant == "globex").then_some(())
    })
    .await;
    assert_eq!(
        payload(&fetched(&house.of("acme"), fetch(1)).await[0]),
        b"globex"
    );
    house.until_metric("jetgate_tenants_open", 1).await;
}

#[tokio::test]
async fn sessions_by_a_login_that_is_replaced_end_in_order() {
    let house = House::with(&tenants(["acme", "globex"])).await;
    for user in ["acme", "globex"] {
        house.stream(user, 1).await;
    }
    let mut session = Session::open(&house.of("acme"), subscribe()).await;
    let elsewhere = entry(
        "acme",
        "[tenant.nats]\nuser = \"globex\"\npassword = \"globex\"",
    );
    house.tenants.write(&elsewhere);
    while !matches!(session.try_event().await.unwrap(), Event::Draining(_)) {}
    let fetched = fetched(&house.of("acme"), fetch(1)).await;
    assert_eq!(payload(&fetched[0]), b"globex");
    drop(session);
    eventually(SOON, async || {
        (house.connections("jetgate-acme").await.len() == 3).then_some(())
    })
    .await;
    house.until_metric("jetgate_tenants_open", 1).await;
}

#[tokio::test]
async fn a_file_with_a_mistake_changes_nothing() {
    let house = House::with(&tenants(["acme"])).await;
    info(&house.of("acme")).await.unwrap();
    house.tenants.write("[[tenant]]\nname = \"acme\"");
    // The next good one is taken over, which shows that the bad one was looked at or is gone.
    assert_eq!(info(&house.of("acme")).await.unwrap().tenant, "acme");
    house.tenants.write(&tenants(["acme", "globex"]));
    eventually(SOON, async || {
        (info(&house.of("globex")).await.ok()?.tenant == "globex").then_some(())
    })
    .await;
    assert_eq!(info(&house.of("acme")).await.unwrap().tenant, "acme");
}

#[tokio::test]
async fn callers_of_no_tenant_are_refused_where_that_is_said() {
    let house =
        House::configured(&tenants(["acme"]), |config| config.tenants.required = true).await;
    info(&house.of("acme")).await.unwrap();
    refused(
        info(&house.of("nobody")).await,
        Code::PermissionDenied,
        "NO_TENANT",
    );
    house.gateway.until_serving().await;
    house.assert_ready().await;
}
