//! Callers whose addresses the proxy tells, by the PROXY protocol.

use std::net::IpAddr;

use super::*;

/// What is shipped, with the words that the file itself says to add.
#[tokio::test]
async fn haproxy_tells_whose_connections_it_passes_on() {
    let (nats, _wire) = start_nats().await;
    let gateway = Gateway::start_unready(&nats.url(), |config| {
        config.server.proxy_protocol_from = "127.0.0.1".parse().unwrap();
        config.limits.max_sessions = 1;
    })
    .await;
    let Some(edge) = Edge::start(Proxy::HaproxyTelling, &[&gateway], LONG).await else {
        return;
    };
    let from = |last: u8| edge.clients_from(IpAddr::from([127, 0, 0, last]));

    let _first = Session::open(&from(2), subscribe()).await;

    // Callers that show nothing are told apart by their addresses, and this one has what it may have.
    let second = from(2).subscriber().subscribe(subscribe()).await;
    refused(second, Code::ResourceExhausted, "CALLER_LIMIT");
    let _other = Session::open(&from(3), subscribe()).await;

    // Nobody else speaks for others: HTTP/2 alone is no header.
    let direct = Clients::over(
        tonic::transport::Endpoint::from_shared(format!("http://{}", gateway.public()))
            .unwrap()
            .connect_lazy(),
    );
    direct.publisher().publish(order("1")).await.unwrap_err();
    let refused = "jetgate_refused_connections_total{why=\"proxy_header\"} ";
    eventually(SOON, async || {
        let (_, text) = http_get(&gateway.admin_url("/metrics")).await?;
        text.contains(refused).then_some(())
    })
    .await;
}
