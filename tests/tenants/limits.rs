//! What callers of different tenants may take.

use std::time::Duration;

use jetgate::config::ByteSize;
use jetgate::proto::PublishRequest;
use jetgate::proto::publish_request::Payload;
use tonic::{Code, Request, Status};

use super::{House, entry, info, tenant};
use crate::support::consuming::{Session, subscribe};
use crate::support::{Clients, SOON, eventually, metadata, refused};

#[tokio::test]
async fn each_tenants_callers_have_its_limits_and_others_the_gateways() {
    let entries = [
        entry(
            "acme",
            "[tenant.limits]\nmax_message_bytes = \"2KiB\"\nmax_sessions = 7\n[tenant.nats]\nuser = \"acme\"\npassword = \"acme\"",
        ),
        // Limits alone: its calls go by the gateway's own login.
        entry("small", "[tenant.limits]\nmax_message_bytes = \"0KiB\""),
        tenant("globex"),
    ];
    let house = House::configured(&entries.concat(), |config| {
        config.limits.max_message_bytes = ByteSize::kib(1);
    })
    .await;
    for user in ["acme", "globex", "gateway"] {
        house.stream(user, 0).await;
    }
    for (caller, fits, beyond) in [
        ("acme", 1_500, 3_000),
        ("globex", 500, 1_500),
        ("nobody", 500, 1_500),
    ] {
        let clients = house.of(caller);
        store(&clients, fits).await.unwrap();
        refused(
            store(&clients, beyond).await,
            Code::InvalidArgument,
            "MESSAGE_TOO_LARGE",
        );
    }
    store(&house.of("small"), 100_000).await.unwrap();

    let told = async |caller: &str| {
        let info = info(&house.of(caller)).await.unwrap();
        let limits = info.limits.unwrap().caller.unwrap();
        (info.tenant, limits.max_message_bytes, limits.max_sessions)
    };
    assert_eq!(told("acme").await, ("acme".to_owned(), 2_048, 7));
    assert_eq!(told("small").await, ("small".to_owned(), 0, 0));
    assert_eq!(told("nobody").await, (String::new(), 1_024, 0));
}

#[tokio::test]
async fn no_tenant_takes_the_sessions_of_others() {
    let entries = [
        tenant("acme"),
        entry(
            "globex",
            "max_sessions = 1\n[tenant.nats]\nuser = \"globex\"\npassword = \"globex\"",
        ),
    ];
    let house = House::configured(&entries.concat(), |config| {
        config.subscribe.max_sessions = 6
    })
    .await;
    let mut sessions = Vec::new();
    // An even part for acme and for the gateway's own callers.
    for (user, caller, most) in [
        ("acme", "acme", 2),
        ("globex", "globex", 1),
        ("gateway", "nobody", 2),
    ] {
        house.stream(user, 0).await;
        let clients = house.of(caller);
        for _ in 0..most {
            sessions.push(Session::open(&clients, subscribe()).await);
        }
        let refusal = Session::try_open(&clients, subscribe()).await.map(|_| ());
        refused(refusal, Code::ResourceExhausted, "TOO_MANY_SESSIONS");
        let limits = info(&clients).await.unwrap().limits.unwrap();
        assert_eq!(limits.max_sessions, most);
    }
}

#[tokio::test]
async fn no_tenant_takes_the_memory_of_others() {
    let entries = [
        tenant("acme"),
        entry(
            "globex",
            "max_buffered_bytes = \"1MiB\"\n[tenant.nats]\nuser = \"globex\"\npassword = \"globex\"",
        ),
    ];
    let house = House::configured(&entries.concat(), |config| {
        config.memory.max_buffered_bytes = ByteSize::mib(4);
    })
    .await;
    // An even part for acme and for the gateway's own callers, each full while the next fills its own.
    let even = 4_096_u64.div_ceil(3) * 1_024;
    let (mut held, mut listening) = (0, Vec::new());
    for (user, caller, fit, most) in [
        ("acme", "acme", 4, even),
        ("globex", "globex", 3, 1 << 20),
        ("gateway", "nobody", 4, even),
    ] {
        // Somebody listens, and nobody answers.
        let mut wire = house.wire(user).await;
        wire.subscribe("mute.x").await;
        listening.push(wire);
        let clients = house.of(caller);
        for _ in 0..fit {
            let clients = house.of(caller);
            tokio::spawn(async move { publish_mute(&clients).await });
            held += 280_000;
            eventually(SOON, async || {
                let requests = "jetgate_buffered_bytes{kind=\"requests\"}";
                (house.metric(requests).await >= held).then_some(())
            })
            .await;
        }
        let refusal = publish_mute(&clients).await;
        let status = refused(refusal, Code::ResourceExhausted, "BUFFERS_FULL");
        assert_eq!(metadata(&status, "max"), Some(most.to_string()));
    }
}

/// A large message that nobody answers.
async fn publish_mute(clients: &Clients) -> Result<(), Status> {
    let mut request = Request::new(PublishRequest {
        subject: "mute.x".to_owned(),
        payload: Some(Payload::Data(vec![b'x'; 280_000].into())),
        ..PublishRequest::default()
    });
    request.set_timeout(Duration::from_secs(60));
    clients.publisher().publish(request).await.map(|_| ())
}

#[tokio::test]
async fn a_caller_has_an_account_of_its_own_in_its_tenant() {
    let entries = [entry(
        "acme",
        "[tenant.limits]\nmax_sessions = 1\n[tenant.nats]\nuser = \"acme\"\npassword = \"acme\"",
    )];
    let house = House::with(&entries.concat()).await;
    house.stream("acme", 0).await;
    let acme = house.of("acme");
    let _session = Session::open(&acme, subscribe()).await;
    let refusal = Session::try_open(&acme, subscribe()).await.map(|_| ());
    let status = refused(refusal, Code::ResourceExhausted, "CALLER_LIMIT");
    assert_eq!(metadata(&status, "limit").as_deref(), Some("max_sessions"));
}

async fn store(clients: &Clients, size: usize) -> Result<(), Status> {
    let message = PublishRequest {
        subject: "orders.x".to_owned(),
        payload: Some(Payload::Data(vec![7; size].into())),
        ..PublishRequest::default()
    };
    clients.publisher().publish(message).await.map(|_| ())
}
