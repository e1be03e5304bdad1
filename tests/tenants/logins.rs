//! Every way in which a tenant logs in to NATS, with what is right and with what is not.

use nkeys::KeyPair;

use super::login::assert_others_are_served;
use super::operator::Operator;
use super::{ACCOUNTS, House, create_stream, entry, info, not_let_in, publish, tenant};
use crate::support::{File, NatsServer, SOON, eventually, metadata};

/// What a tenant's `[tenant.nats]` has, right and wrong.
struct Ways {
    right: String,
    wrong: String,
}

/// Tries the wrong way first, which only its tenant notices, and then the right one.
async fn assert_lets_in_only_the_right(nats: NatsServer, ways: Ways) {
    let acme = |login: &str| entry("acme", &format!("[tenant.nats]\n{login}"));
    let tenants = |login: &str| [acme(login), tenant("globex")].concat();
    let house = House::on(nats, &tenants(&ways.wrong), |_| ()).await;
    let status = not_let_in(info(&house.of("acme")).await);
    assert_eq!(metadata(&status, "tenant").as_deref(), Some("acme"));
    not_let_in(publish(&house.of("acme"), "s.x").await);
    let failures = "jetgate_tenant_login_failures_total{tenant=\"acme\"}";
    assert!(house.metric(failures).await > 0);
    let refused = "jetgate_tenant_refused_calls_total{tenant=\"acme\",why=\"login_failed\"}";
    assert_eq!(house.metric(refused).await, 2);
    assert_others_are_served(&house).await;

    house.tenants.write(&tenants(&ways.right));
    eventually(SOON, async || info(&house.of("acme")).await.ok()).await;
    create_stream(&house.of("acme"), "s").await.unwrap();
    let stored = publish(&house.of("acme"), "s.x").await.unwrap();
    assert_eq!(stored.sequence, 1);
    // It is another account than that of others.
    create_stream(&house.of("globex"), "s").await.unwrap();
    let stored = publish(&house.of("globex"), "s.x").await.unwrap();
    assert_eq!(stored.sequence, 1);
    assert_others_are_served(&house).await;
}

#[tokio::test]
async fn by_an_nkey() {
    let (user, other) = (KeyPair::new_user(), KeyPair::new_user());
    let account = format!(
        "KEYS: {{ jetstream: enabled, users: [{{ nkey: {} }}] }}\n  BARE:",
        user.public_key()
    );
    let nats = NatsServer::start_with(&ACCOUNTS.replace("BARE:", &account)).await;
    let seed = |pair: &KeyPair| format!("nkey_seed = \"{}\"", pair.seed().unwrap());
    let ways = Ways {
        right: seed(&user),
        wrong: seed(&other),
    };
    assert_lets_in_only_the_right(nats, ways).await;
}

#[tokio::test]
async fn by_a_token() {
    // A server of its own: one that has accounts has no tokens.
    let other = NatsServer::start_with("authorization { token: \"right\" }\n").await;
    let login = |token| format!("url = \"{}\"\ntoken = \"{token}\"", other.url());
    let ways = Ways {
        right: login("right"),
        wrong: login("wrong"),
    };
    assert_lets_in_only_the_right(NatsServer::start_with(ACCOUNTS).await, ways).await;
}

#[tokio::test]
async fn by_credentials_of_an_operators_user() {
    let (operator, stranger) = (Operator::new(), Operator::new());
    let other = NatsServer::start_with(&operator.config()).await;
    let files = [&operator, &stranger].map(|it| File::with(&it.credentials()));
    let [right, wrong] = files.each_ref().map(|file| {
        format!(
            "url = {:?}\ncredentials_file = {:?}",
            other.url(),
            file.path()
        )
    });
    let ways = Ways { right, wrong };
    assert_lets_in_only_the_right(NatsServer::start_with(ACCOUNTS).await, ways).await;
}
