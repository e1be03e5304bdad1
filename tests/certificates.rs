//! Callers that show certificates: whom the gateway takes them for, what rules say of them, and what is refused.

mod expiry;

use std::time::{Duration, SystemTime};

use jetgate::auth::NewKey;
use jetgate::config::Config;
use jetgate::proto::GetInfoRequest;
use jetgate::proto::gateway_service_client::GatewayServiceClient;
use rcgen::SanType;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::{Code, Request, Status};

use crate::support::pki::{Authority, Identity};
use crate::support::{File, Gateway, NatsServer, SOON, http_get, refused};

const NAME: &str = "gateway.test";

/// A gateway with TLS that knows the callers of one authority.
struct House {
    nats: NatsServer,
    authority: Authority,
    gateway: Gateway,
}

impl House {
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let nats = NatsServer::start().await;
        let authority = Authority::new();
        let server = authority.issue("server", NAME);
        let gateway = Gateway::start_unready(&nats.url(), |config| {
            config.tls.cert_file = server.certificate.to_str().unwrap().parse().unwrap();
            config.tls.key_file = server.key.to_str().unwrap().parse().unwrap();
            config.tls.client_ca_file = Some(authority.file());
            change(config);
        })
        .await;
        Self {
            nats,
            authority,
            gateway,
        }
    }

    /// Whom the gateway takes the caller for that shows this.
    async fn identity(&self, shown: Option<&Identity>, key: &str) -> Result<String, Status> {
        let client = self.authority.client(shown);
        let channel = client.channel(self.gateway.public(), NAME);
        let mut request = Request::new(GetInfoRequest {});
        if !key.is_empty() {
            let value = key.parse().unwrap();
            request.metadata_mut().insert("x-api-key", value);
        }
        let answer = GatewayServiceClient::new(channel).get_info(request).await?;
        Ok(answer.into_inner().identity)
    }
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[tokio::test]
async fn a_caller_is_its_first_uri_else_its_first_dns_name_else_its_subject() {
    let house = House::with(|_| ()).await;
    let of = async |file: &str, names: Vec<SanType>| {
        let shown = house.authority.issue_with(file, names);
        house.identity(Some(&shown), "").await.unwrap()
    };
    let spiffe = "spiffe://example.org/orders/1";

    let names = vec![dns("orders.test"), uri(spiffe), uri("spiffe://else")];
    assert_eq!(of("orders", names).await, spiffe);
    let names = vec![dns("orders.test"), dns("else.test")];
    assert_eq!(of("orders", names).await, "orders.test");
    assert!(of("ada", Vec::new()).await.contains("CN=ada"));
}

#[tokio::test]
async fn rules_know_callers_by_spiffe_ids_and_by_how_they_came() {
    const ORDERS: &str = "spiffe://example.org/orders/1";
    // An API key under the name of a workload is not that workload.
    let key = NewKey::make(ORDERS);
    let keys = File::with(&key.entry());
    let rules = File::with(
        "[[rule]]\nname = \"workloads\"\ncallers = [\"spiffe://example.org/orders/*\"]\n\
         by = [\"certificate\"]\ngateway = [\"info\"]\n",
    );
    let house = House::with(|config| {
        config.auth.api_keys_file = Some(keys.path());
        config.auth.policy_file = Some(rules.path());
        config.tls.require_client_cert = false;
    })
    .await;
    let orders = house.authority.issue_with("orders", vec![uri(ORDERS)]);
    let billing = "spiffe://example.org/billing/1";
    let billing = house.authority.issue_with("billing", vec![uri(billing)]);

    assert_eq!(house.identity(Some(&orders), "").await.unwrap(), ORDERS);
    for answer in [
        house.identity(Some(&billing), "").await,
        house.identity(None, key.secret()).await,
    ] {
        refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn certificates_that_have_expired_or_are_of_strangers_are_refused() {
    let house = House::with(|_| ()).await;
    let yesterday = SystemTime::now() - Duration::from_hours(24);
    let expired = house.authority.issue_until("old", "ada.test", yesterday);
    let others = Authority::new();
    let stranger = others.issue("ada", "ada.test");
    let good = house.authority.issue("good", "ada.test");

    for shown in [Some(&expired), Some(&stranger), None] {
        house.identity(shown, "").await.unwrap_err();
    }
    let answer = house.identity(Some(&good), "").await;
    assert_eq!(answer.unwrap(), "ada.test");
    let (_, metrics) = http_get(&house.gateway.admin_url("/metrics"))
        .await
        .unwrap();
    let refused = "jetgate_refused_connections_total{why=\"certificate\"} 3";
    assert!(metrics.lines().any(|line| line == refused), "{metrics}");
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_nothing_older() {
    let house = House::with(|config| config.tls.require_client_cert = false).await;
    let address = house.gateway.public();
    let client = house.authority.client(None);
    for version in [&TLS12, &TLS13] {
        let stream = client.of_version(version).connect(address, NAME).await;
        let spoken = stream.unwrap().get_ref().1.protocol_version();
        assert_eq!(spoken, Some(version.version));
    }

    let mut old = TcpStream::connect(address).await.unwrap();
    old.write_all(&hello_of_tls_1_1()).await.unwrap();
    let mut alert = [0; 7];
    let answer = old.read_exact(&mut alert);
    tokio::time::timeout(SOON, answer).await.unwrap().unwrap();
    // A fatal alert: protocol_version (RFC 8446, section 6.2).
    assert_eq!((alert[0], alert[5], alert[6]), (21, 2, 70));
}

/// A ClientHello (RFC 4346, section 7.4.1.2), with the extension that servers of today insist on.
fn hello_of_tls_1_1() -> Vec<u8> {
    let version = [3, 2];
    let mut hello = version.to_vec();
    hello.extend([7; 32]);
    // No session, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression.
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    // signature_algorithms: ecdsa_secp256r1_sha256.
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = |bytes: usize| u8::try_from(bytes).unwrap();
    let mut record = vec![22, 3, 1, 0, length(hello.len() + 4)];
    record.extend([1, 0, 0, length(hello.len())]);
    record.extend(hello);
    record
}
