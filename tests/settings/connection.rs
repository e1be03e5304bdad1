//! The connections to NATS: their subjects, name and number.

use jetgate::config::Config;
use jetgate::proto::{GetInfoRequest, PublishRequest};
use serde_json::Value;
use tonic::Code;

use super::{monitored, reaches};
use crate::support::{NatsServer, Port, SOON, eventually, refused, violated_field};

/// A server whose user `gateway` has these permissions.
async fn start_with_permissions(permissions: &str) -> NatsServer {
    let user = format!("{{ user: gateway, password: p, permissions: {{ {permissions} }} }}");
    let config = format!("authorization {{ users [{user}] }}");
    NatsServer::start_with(&config).await
}

fn as_gateway(config: &mut Config) {
    config.nats.user = Some("gateway".to_owned());
    config.nats.password = Some(jetgate::config::Secret::new("p"));
}

#[tokio::test]
async fn a_domain_is_reached_through_a_server_of_another() {
    // The servers' own file of ports does not name this kind.
    let port = Port::reserve();
    let address = port.address();
    let hub = format!("jetstream {{ domain: hub }}\nleafnodes {{ listen: \"{address}\" }}");
    let hub = NatsServer::start_with(&hub).await;
    let leaf = format!(
        "jetstream {{ domain: leaf }}\nleafnodes {{ remotes [{{ url: \"nats://{address}\" }}] }}"
    );
    let leaf = NatsServer::start_with(&leaf).await;

    let gateway = reaches(&leaf, |config| config.nats.domain = Some("hub".to_owned())).await;

    let info = gateway.gateway().get_info(GetInfoRequest {}).await.unwrap();
    assert_eq!(info.into_inner().nats.unwrap().domain, "hub");
    hub.wire().await.stream_info("REACHED").await;
    let missing = leaf
        .wire()
        .await
        .try_api("STREAM.INFO.REACHED", Value::Null)
        .await;
    assert_eq!(missing.unwrap()["error"]["err_code"], 10059);
}

#[tokio::test]
async fn answers_come_below_the_inbox_prefix_and_callers_cannot_publish_there() {
    let permissions = r#"subscribe: { allow: ["_INBOX_gateway.>", "$JS.EVENT.>"] }"#;
    let nats = start_with_permissions(permissions).await;

    let gateway = reaches(&nats, |config| {
        as_gateway(config);
        config.nats.inbox_prefix = "_INBOX_gateway".to_owned();
    })
    .await;

    let request = PublishRequest {
        subject: "_INBOX_gateway.jetgate.all.hello".to_owned(),
        ..PublishRequest::default()
    };
    let answer = gateway.publisher().publish(request).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(violated_field(&status), "subject");
}

#[tokio::test]
async fn the_server_sees_its_name_and_as_many_connections_as_configured() {
    let nats = NatsServer::start().await;
    let _gateway = reaches(&nats, |config| {
        config.nats.name = "gateway-7".to_owned();
        config.nats.publish_connections = 2;
        config.nats.consume_connections = 3;
    })
    .await;

    eventually(SOON, async || {
        let connections = monitored(&nats, "connz").await["connections"].take();
        let names = connections.as_array().unwrap().iter();
        (names.filter(|it| it["name"] == "gateway-7").count() == 5).then_some(())
    })
    .await;
}
