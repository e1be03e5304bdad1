//! TLS on the public listener: who is let in, what is shown, and files that change under way.

use std::time::Duration;

use jetgate::app::App;
use jetgate::config::Config;
use jetgate::proto::gateway_service_client::GatewayServiceClient;
use jetgate::proto::publisher_service_client::PublisherServiceClient;
use jetgate::proto::subscribe_request::Source;
use jetgate::proto::subscribe_response::Event;
use jetgate::proto::subscriber_service_client::SubscriberServiceClient;
use jetgate::proto::{
    GetInfoRequest, OrderedConsumer, PublishRequest, SubscribeRequest, SubscribeResponse,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

use crate::support::pki::{Authority, Identity};
use crate::support::{Gateway, NatsServer, SOON, eventually, http_get};

const NAME: &str = "gateway.test";

fn with(config: &mut Config, identities: &[&Identity]) {
    let list = |path: fn(&Identity) -> &std::path::Path| {
        let paths: Vec<_> = identities
            .iter()
            .map(|identity| path(identity).to_str().unwrap())
            .collect();
        paths.join(",").parse().unwrap()
    };
    config.tls.cert_file = list(|identity| &identity.certificate);
    config.tls.key_file = list(|identity| &identity.key);
    config.tls.reload_interval = Duration::from_secs(1);
}

async fn gateway(
    nats: &NatsServer,
    identities: &[&Identity],
    change: impl FnOnce(&mut Config),
) -> Gateway {
    Gateway::start_unready(&nats.url(), |config| {
        with(config, identities);
        change(config);
    })
    .await
}

async fn asks(channel: Channel) -> Result<String, Code> {
    let answer = GatewayServiceClient::new(channel)
        .get_info(GetInfoRequest {})
        .await;
    answer
        .map(|answer| answer.into_inner().version)
        .map_err(|status| status.code())
}

async fn metric(gateway: &Gateway, name: &str) -> Option<u64> {
    let (_, text) = http_get(&gateway.admin_url("/metrics")).await?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The client sees a broken connection; the gateway knows that it refused so many.
async fn until_refused(gateway: &Gateway, why: &str, least: u64) {
    let refused = format!("jetgate_refused_connections_total{{why={why:?}}}");
    eventually(SOON, async || {
        (metric(gateway, &refused).await? >= least).then_some(())
    })
    .await;
}

#[tokio::test]
async fn serves_over_tls_and_nothing_else() {
    let nats = NatsServer::start().await;
    let authority = Authority::new();
    let identity = authority.issue("server", NAME);
    let gateway = gateway(&nats, &[&identity], |_| ()).await;

    let trusted = authority.client(None).channel(gateway.public(), NAME);
    assert!(asks(trusted).await.is_ok());

    let stranger = Authority::new().client(None);
    assert!(stranger.connect(gateway.public(), NAME).await.is_err());
    let plain = Channel::from_shared(format!("http://{}", gateway.public()))
        .unwrap()
        .connect_lazy();
    assert!(asks(plain).await.is_err());
    until_refused(&gateway, "handshake", 2).await;
}

#[tokio::test]
async fn clients_prove_who_they_are_where_that_is_asked() {
    let nats = NatsServer::start().await;
    let (servers, clients) = (Authority::new(), Authority::new());
    let identity = servers.issue("server", NAME);
    let gateway = gateway(&nats, &[&identity], |config| {
        config.tls.client_ca_file = Some(clients.file());
    })
    .await;
    let known = clients.issue("ada", "ada.test");
    let others = Authority::new();
    let unknown = others.issue("eve", "eve.test");

    let call = async |identity: Option<&Identity>| {
        asks(servers.client(identity).channel(gateway.public(), NAME)).await
    };
    assert!(call(Some(&known)).await.is_ok());
    assert!(call(None).await.is_err());
    assert!(call(Some(&unknown)).await.is_err());
    until_refused(&gateway, "certificate", 2).await;
}

#[tokio::test]
async fn a_certificate_may_be_optional_and_is_checked_all_the_same() {
    let nats = NatsServer::start().await;
    let (servers, clients) = (Authority::new(), Authority::new());
    let identity = servers.issue("server", NAME);
    let gateway = gateway(&nats, &[&identity], |config| {
        config.tls.client_ca_file = Some(clients.file());
        config.tls.require_client_cert = false;
    })
    .await;
    let others = Authority::new();
    let unknown = others.issue("eve", "eve.test");

    let call = async |identity: Option<&Identity>| {
        asks(servers.client(identity).channel(gateway.public(), NAME)).await
    };
    assert!(call(None).await.is_ok());
    assert!(call(Some(&unknown)).await.is_err());
    until_refused(&gateway, "certificate", 1).await;
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_for_the_name_it_asks_for() {
    let nats = NatsServer::start().await;
    let authority = Authority::new();
    let identities = [
        authority.issue("first", "first.test"),
        authority.issue("wild", "*.wild.test"),
    ];
    let gateway = gateway(&nats, &[&identities[0], &identities[1]], |_| ()).await;
    let client = authority.client(None);

    let first = client.shown(gateway.public(), "first.test").await;
    let wild = client.shown(gateway.public(), "any.wild.test").await;

    assert_ne!(first, wild);
    // Nothing fits: the first is shown, and the client says no.
    assert!(client.connect(gateway.public(), "else.test").await.is_err());
}

async fn until_message(stream: &mut Streaming<SubscribeResponse>, text: &str) {
    let arrival = async {
        loop {
            let event = stream.message().await.unwrap().unwrap().event.unwrap();
            if let Event::Messages(batch) = event
                && batch.messages.iter().any(|message| message.subject == text)
            {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, arrival).await.unwrap();
}

async fn publish(channel: &Channel, subject: &str) {
    let request = PublishRequest {
        subject: subject.to_owned(),
        ..PublishRequest::default()
    };
    PublisherServiceClient::new(channel.clone())
        .publish(request)
        .await
        .unwrap();
}

#[tokio::test]
async fn new_certificates_are_taken_over_and_open_streams_do_not_notice() {
    let nats = NatsServer::start().await;
    let authority = Authority::new();
    let identity = authority.issue("server", NAME);
    let gateway = gateway(&nats, &[&identity], |_| ()).await;
    nats.wire()
        .await
        .create_stream(json!({"name": "S", "subjects": ["s.>"]}))
        .await;
    let client = authority.client(None);
    let channel = client.channel(gateway.public(), NAME);
    let ordered = SubscribeRequest {
        stream: "S".into(),
        source: Some(Source::Ordered(OrderedConsumer::default())),
        ..SubscribeRequest::default()
    };
    let mut subscriber = SubscriberServiceClient::new(channel.clone());
    let mut stream = eventually(SOON, async || {
        subscriber.subscribe(ordered.clone()).await.ok()
    })
    .await
    .into_inner();
    publish(&channel, "s.before").await;
    until_message(&mut stream, "s.before").await;
    let before = client.shown(gateway.public(), NAME).await;

    authority.issue("server", NAME);

    eventually(SOON, async || {
        (client.shown(gateway.public(), NAME).await != before).then_some(())
    })
    .await;
    publish(&channel, "s.after").await;
    until_message(&mut stream, "s.after").await;
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing() {
    let nats = NatsServer::start().await;
    let authority = Authority::new();
    let identity = authority.issue("server", NAME);
    let gateway = gateway(&nats, &[&identity], |_| ()).await;
    let client = authority.client(None);
    let before = client.shown(gateway.public(), NAME).await;

    // The key of another certificate: what a reader in the middle of a rotation finds.
    let other = authority.issue("other", NAME);
    std::fs::copy(&other.key, &identity.key).unwrap();

    let failures = "jetgate_tls_reload_failures_total";
    eventually(SOON, async || {
        (metric(&gateway, failures).await? == 1).then_some(())
    })
    .await;
    assert_eq!(client.shown(gateway.public(), NAME).await, before);

    std::fs::copy(&other.certificate, &identity.certificate).unwrap();
    eventually(SOON, async || {
        (client.shown(gateway.public(), NAME).await != before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_end_of_the_certificate_is_a_metric() {
    let nats = NatsServer::start().await;
    let authority = Authority::new();
    let gateway = gateway(&nats, &[&authority.issue("server", NAME)], |_| ()).await;

    let expiry = metric(&gateway, "jetgate_tls_certificate_expiry_seconds").await;

    // Certificates that say nothing else end on the first of January 4096.
    assert_eq!(expiry, Some(67_090_118_400));
}

#[tokio::test]
async fn a_gateway_does_not_start_without_its_certificates() {
    let authority = Authority::new();
    let mut identity = authority.issue("server", NAME);
    identity.key = authority.issue("other", NAME).key;
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.admin.listen = ([127, 0, 0, 1], 0).into();
    with(&mut config, &[&identity]);
    assert!(App::bind(config.clone()).await.is_err());

    config.tls.cert_file = "/nowhere/server.pem".parse().unwrap();
    assert!(App::bind(config).await.is_err());
}

#[tokio::test]
async fn a_handshake_that_never_ends_holds_up_nobody() {
    let nats = NatsServer::start().await;
    let authority = Authority::new();
    let identity = authority.issue("server", NAME);
    let gateway = gateway(&nats, &[&identity], |config| {
        config.tls.handshake_timeout = Duration::from_secs(2);
        config.tls.max_handshakes = 2;
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(gateway.public()).await.unwrap());
    }

    for stream in &mut silent {
        let end = tokio::time::timeout(SOON, stream.read(&mut [0; 1])).await;
        assert_eq!(end.unwrap().unwrap_or(0), 0);
    }
    let channel = authority.client(None).channel(gateway.public(), NAME);
    assert!(asks(channel).await.is_ok());
}

#[tokio::test]
async fn those_that_say_nothing_more_keep_no_new_caller_waiting() {
    let nats = NatsServer::start().await;
    let authority = Authority::new();
    let identity = authority.issue("server", NAME);
    let gateway = gateway(&nats, &[&identity], |config| {
        config.tls.handshake_timeout = Duration::from_secs(600);
        config.tls.max_handshakes = 2;
    })
    .await;
    let client = authority.client(None);
    let hello = client.hello(NAME);
    let mut silent = Vec::new();
    // Nothing, a part of a ClientHello, and a whole one that is answered.
    for words in [&[][..], &hello[..hello.len() / 2], &hello] {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(gateway.public()).await.unwrap();
            stream.write_all(words).await.unwrap();
            silent.push(stream);
        }
    }

    let call = asks(client.channel(gateway.public(), NAME));
    let called = tokio::time::timeout(SOON, call).await;
    assert!(called.expect("a new caller waits").is_ok());
    for stream in &mut silent[100..] {
        let answer = tokio::time::timeout(SOON, stream.read(&mut [0; 1])).await;
        assert_eq!(answer.expect("a handshake is not begun").unwrap(), 1);
    }
}
