//! `jetgate policy test` and `jetgate config check`: what the rules say, without a gateway.

use super::{File, rule};
use crate::support::Jetgate;

const NO_PERMISSION: Option<i32> = Some(77);

fn jetgate() -> Jetgate {
    Jetgate::at(([127, 0, 0, 1], 1).into())
}

#[tokio::test]
async fn a_decision_is_explained_by_its_rule_and_line() {
    let deny = "[[rule]]\nname = \"no secrets\"\neffect = \"deny\"\ncallers = [\"*\"]\npublish = [\"orders.secret.>\"]\n";
    let rules = File::with(&format!(
        "{}{deny}",
        rule(
            "ada",
            "publish = [\"orders.>\"]\nconsume = [{ streams = [\"ORDERS\"] }]"
        )
    ));
    let file = rules.path();
    let file = file.to_str().unwrap();
    let ask = async |caller: &str, deed: &str| {
        let line = format!("jetgate policy test --policy {file} --as {caller} {deed}");
        jetgate().shell(&line).await
    };

    let said = ask("ada", "publish orders.eu.1").await.ok();
    assert_eq!(said, format!("allowed by rule \"ada\" ({file}:4)\n"));
    let ran = ask("ada", "consume ORDERS --filter orders.eu.*").await;
    assert_eq!(ran.code(), Some(0));
    for (caller, deed, expected) in [
        (
            "ada",
            "publish orders.secret.1",
            "denied by rule \"no secrets\"",
        ),
        (
            "ada",
            "streams delete ORDERS",
            "denied: no rule allows streams.delete here; the rules about this caller are",
        ),
        (
            "bob",
            "publish orders.eu.1",
            "denied: no rule allows publish here; the rules about this caller are [\"no secrets\"]",
        ),
    ] {
        let ran = ask(caller, deed).await;
        assert_eq!(ran.code(), NO_PERMISSION, "{ran:?}");
        let said = format!("{ran:?}");
        assert!(said.contains(&expected.replace('"', "\\\"")), "{said}");
    }
    ask("ada", "streams look").await.failed(64);
}

#[tokio::test]
async fn the_check_of_a_configuration_reads_the_rules() {
    let rules = File::with("[[rule]]\nname = \"a\"\ncallers = [\"x\"]\npublish = [\"a.>.b\"]\n");
    let config = File::with(&format!("[auth]\npolicy_file = {:?}\n", rules.path()));
    let line = format!("jetgate config check --config {}", config.path().display());
    let (_, said) = jetgate().shell(&line).await.failed(64);
    assert!(
        said.contains("auth.policy_file") && said.contains("line 4"),
        "{said}"
    );

    rules.write("[[rule]]\nname = \"a\"\ncallers = [\"x\"]\npublish = [\"a.>\"]\n");
    jetgate().shell(&line).await.ok();
}
