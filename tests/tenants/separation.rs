//! What is one tenant's is no other's: data, tokens, sessions, inboxes.

use jetgate::proto::{
    AckKind, ListSessionsRequest, ListStreamsRequest, OrderedConsumer, TerminateSessionRequest,
};
use tonic::Code;

use super::{ACCOUNTS, House, create_stream, end, entry, info, publish, tenants};
use crate::support::consuming::{
    CONSUMER, STREAM, Session, ack, acknowledge, fetch, fetched, item_reason, payload, say,
    subscribe, subscribe_ordered,
};
use crate::support::dead_letters::{configured, letters, terminate};
use crate::support::{Clients, NatsServer, SOON, eventually, refused, violated_field};

#[tokio::test]
async fn the_same_stream_name_is_another_stream_for_each_tenant() {
    let house = House::with(&tenants(["acme", "globex"])).await;
    let (acme, globex, nobody) = (house.of("acme"), house.of("globex"), house.of("nobody"));
    for clients in [&acme, &globex] {
        create_stream(clients, "S").await.unwrap();
    }
    publish(&acme, "S.one").await.unwrap();
    publish(&acme, "S.two").await.unwrap();
    publish(&globex, "S.three").await.unwrap();
    refused(
        publish(&nobody, "S.four").await,
        Code::NotFound,
        "NO_STREAM_FOR_SUBJECT",
    );

    assert_eq!(house.wire("acme").await.count("S").await, 2);
    assert_eq!(house.wire("globex").await.count("S").await, 1);
    let listed = nobody
        .streams()
        .list_streams(ListStreamsRequest::default())
        .await;
    assert!(listed.unwrap().into_inner().streams.is_empty());
    for (clients, tenant, streams) in [(&acme, "acme", 1), (&globex, "globex", 1), (&nobody, "", 0)]
    {
        let info = info(clients).await.unwrap();
        assert_eq!(
            (info.tenant.as_str(), info.nats.unwrap().streams),
            (tenant, streams)
        );
    }
}

#[tokio::test]
async fn an_ack_token_is_good_for_its_own_tenant_only() {
    let house = House::with(&tenants(["acme", "globex"])).await;
    for user in ["acme", "globex", "gateway"] {
        house.stream(user, 1).await;
    }
    let all = ["acme", "globex", "nobody"].map(|caller| house.of(caller));
    let [acme, globex, nobody] = &all;
    let messages = fetched(acme, fetch(1)).await;
    assert_eq!(payload(&messages[0]), b"acme");
    for others in [globex, nobody] {
        let mine = fetched(others, fetch(1)).await;
        let foreign = vec![say(AckKind::Ack, &messages[0].ack_token)];
        let results = acknowledge(others, foreign).await;
        assert_eq!(
            item_reason(&results[0], Code::FailedPrecondition),
            "STALE_TOKEN"
        );
        let foreign = vec![say(AckKind::Ack, &mine[0].ack_token)];
        let results = acknowledge(acme, foreign).await;
        assert_eq!(
            item_reason(&results[0], Code::FailedPrecondition),
            "STALE_TOKEN"
        );
    }

    let mut wire = house.wire("acme").await;
    let pending = wire.consumer_info(STREAM, CONSUMER).await["num_ack_pending"].clone();
    assert_eq!(pending, 1);
    ack(acme, &messages).await;
    let pending = wire.consumer_info(STREAM, CONSUMER).await["num_ack_pending"].clone();
    assert_eq!(pending, 0);
}

#[tokio::test]
async fn a_token_is_no_other_tenants_of_the_same_account() {
    let both = [
        entry(
            "acme",
            "[tenant.nats]\nuser = \"acme\"\npassword = \"acme\"",
        ),
        entry(
            "globex",
            "[tenant.nats]\nuser = \"acme\"\npassword = \"acme\"",
        ),
    ];
    let house = House::with(&both.concat()).await;
    house.stream("acme", 1).await;
    let messages = fetched(&house.of("acme"), fetch(1)).await;
    let foreign = vec![say(AckKind::Ack, &messages[0].ack_token)];
    let results = acknowledge(&house.of("globex"), foreign).await;
    assert_eq!(
        item_reason(&results[0], Code::FailedPrecondition),
        "STALE_TOKEN"
    );
    ack(&house.of("acme"), &messages).await;
}

#[tokio::test]
async fn a_resume_token_is_good_for_its_own_tenant_only() {
    let house = House::with(&tenants(["acme", "globex"])).await;
    for user in ["acme", "globex", "gateway"] {
        house.stream(user, 2).await;
    }
    let mut session = Session::open(
        &house.of("acme"),
        subscribe_ordered(OrderedConsumer::default()),
    )
    .await;
    session.messages(2).await;
    let mut request = subscribe_ordered(OrderedConsumer::default());
    request.resume_token = session.token.clone();
    for other in ["globex", "nobody"] {
        let opened = Session::try_open(&house.of(other), request.clone())
            .await
            .map(|_| ());
        refused(opened, Code::InvalidArgument, "RESUME_TOKEN_MISMATCH");
    }
    Session::open(&house.of("acme"), request).await;
}

#[tokio::test]
async fn sessions_are_seen_and_ended_by_their_own_tenant_on_every_replica() {
    let house = House::with(&tenants(["acme", "globex"])).await;
    for user in ["acme", "globex", "gateway"] {
        house.stream(user, 0).await;
    }
    let replica = house.replica().await;
    let mut session = Session::open(&house.of("acme"), subscribe()).await;
    let id = session.opened.session_id.clone();
    for other in ["globex", "nobody"] {
        let other = house.of(other);
        // Its own replicas have met.
        assert!(listed(&other).await.is_empty());
        let ended = other.gateway().terminate_session(termination(&id)).await;
        refused(ended, Code::NotFound, "SESSION_NOT_FOUND");
    }
    let elsewhere = house.at(&replica, "acme");
    eventually(SOON, async || {
        (listed(&elsewhere).await == [id.clone()]).then_some(())
    })
    .await;
    elsewhere
        .gateway()
        .terminate_session(termination(&id))
        .await
        .unwrap();
    refused::<()>(Err(end(&mut session).await), Code::Unavailable, "DRAINING");
}

async fn listed(clients: &Clients) -> Vec<String> {
    let request = ListSessionsRequest::default();
    let page = clients.gateway().list_sessions(request).await.unwrap();
    let sessions = page.into_inner().sessions.into_iter();
    sessions.map(|session| session.session_id).collect()
}

fn termination(session_id: &str) -> TerminateSessionRequest {
    TerminateSessionRequest {
        session_id: session_id.to_owned(),
        ..TerminateSessionRequest::default()
    }
}

#[tokio::test]
async fn each_tenant_has_its_own_inboxes() {
    let house = House::with(&tenants(["acme", "globex"])).await;
    for tenant in ["acme", "globex"] {
        house.stream(tenant, 1).await;
        fetched(&house.of(tenant), fetch(1)).await;
        let own = [
            format!("_INBOX_{tenant}."),
            "$JS.EVENT.ADVISORY.".to_owned(),
        ];
        // One for requests and two for deliveries.
        let name = format!("jetgate-{tenant}");
        let connections = eventually(SOON, async || {
            let connections = house.connections(&name).await;
            (connections.len() == 3).then_some(connections)
        })
        .await;
        for subject in connections
            .iter()
            .flat_map(|it| it["subscriptions_list"].as_array())
            .flatten()
        {
            let subject = subject.as_str().unwrap();
            assert!(own.iter().any(|own| subject.starts_with(own)), "{subject}");
        }
    }
    for inbox in ["_INBOX_globex.x", "_INBOX_acme.x", "_INBOX.x"] {
        let status = refused(
            publish(&house.of("acme"), inbox).await,
            Code::InvalidArgument,
            "INVALID_REQUEST",
        );
        assert_eq!(violated_field(&status), "subject");
    }
}

#[tokio::test]
async fn dead_letters_are_collected_where_that_is_said_and_belong_to_the_tenant() {
    let entries = [
        entry(
            "acme",
            "dead_letters = true\n[tenant.nats]\nuser = \"acme\"\npassword = \"acme\"",
        ),
        super::tenant("globex"),
    ];
    let house = House::configured(&entries.concat(), configured).await;
    let mut wire = house.stream("acme", 1).await;
    // Without a call: the streams are made, and the advisory is taken.
    eventually(SOON, async || {
        wire.try_api("STREAM.INFO.ADVISORIES", serde_json::json!({}))
            .await
            .filter(|it| it["error"].is_null())
    })
    .await;
    terminate(&mut wire, 1, "hopeless").await;
    eventually(SOON, async || {
        (letters(&house.of("acme")).await.len() == 1).then_some(())
    })
    .await;
    assert!(letters(&house.of("nobody")).await.is_empty());
    let request = jetgate::proto::ListDeadLettersRequest::default();
    let listed = house
        .of("globex")
        .dead_letters()
        .list_dead_letters(request)
        .await;
    refused(
        listed,
        Code::FailedPrecondition,
        "DEAD_LETTERS_NOT_CONFIGURED",
    );
}

#[tokio::test]
async fn a_tenant_may_have_another_domain_by_the_gateways_login() {
    let nats = NatsServer::start_with(&format!("jetstream {{ domain: hub }}\n{ACCOUNTS}")).await;
    let leads = |name: &str, domain: &str| {
        let nats = format!("[tenant.nats]\ngateway_login = true\ndomain = \"{domain}\"");
        entry(name, &nats)
    };
    let entries = [leads("acme", "hub"), leads("globex", "elsewhere")];
    let house = House::on(nats, &entries.concat(), |_| ()).await;
    create_stream(&house.of("acme"), "S").await.unwrap();
    assert_eq!(house.wire("gateway").await.count("S").await, 0);
    let refusal = create_stream(&house.of("globex"), "T").await;
    refused(refusal, Code::FailedPrecondition, "JETSTREAM_NOT_ENABLED");
}
