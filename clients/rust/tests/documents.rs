//! The README's snippets, as they stand there, and the examples.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use jetgate_client::{Client, Error, ErrorReason, Message, Received, duration, v1};
use serde_json::json;
use tokio::process::Command;

use super::consuming::{SOON, is_all_settled, until_all_is_settled};
use super::world::World;

const README: &str = include_str!("../README.md");
const QUICKSTART: &str = include_str!("../examples/quickstart.rs");
const HERE: &str = include_str!("documents.rs");

#[test]
fn every_snippet_of_the_readme_is_run() {
    let blocks: Vec<_> = README
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 6, "{} snippets", blocks.len());
    assert!(QUICKSTART.ends_with(blocks[0]));
    let here: String = HERE
        .lines()
        .map(|line| format!("{}\n", line.trim_start()))
        .collect();
    for block in &blocks[1..] {
        let block: String = block
            .lines()
            .map(|line| format!("{}\n", line.trim_start()))
            .collect();
        assert!(here.contains(&block), "nothing runs this:\n{block}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn snippets_do_what_they_say() {
    let world = World::start(json!({})).await;
    let client = world.with_users(Duration::from_secs(30)).await;
    let missing = connecting().unwrap_err();
    assert!(
        missing.message().contains("/etc/jetgate/ca.crt"),
        "{missing:?}"
    );
    publishing(&client).await.unwrap();
    assert_eq!(
        client
            .stream("USERS")
            .await
            .unwrap()
            .state
            .unwrap()
            .messages,
        1_000
    );
    let begun = Instant::now();
    // What half a second was too short for was given back.
    while !is_all_settled(&client).await {
        assert!(begun.elapsed() < SOON, "not all is settled");
        handling(&client).await.unwrap();
    }
    client.publish(("users.login", "precious")).await.unwrap();
    settling(&client).await.unwrap();
    until_all_is_settled(&client).await;
    consuming_for_itself(&client).await.unwrap();
    client.publish(("users.login", "fetched")).await.unwrap();
    fetching(&client).await.unwrap();
    reading(&client).await.unwrap();
    administering(&client).await;
    maintaining(&client).await.unwrap();
}

fn connecting() -> Result<Client, Error> {
    let client = Client::builder("gateway-1:50051,gateway-2:50051")
        .ca_file("/etc/jetgate/ca.crt")
        .api_key(std::env::var("JETGATE_API_KEY").unwrap_or_default())
        .connect()?;
    Ok(client)
}

async fn publishing(client: &Client) -> Result<(), Error> {
    let publisher = client.publisher().max_in_flight(10_000).start();
    let mut acks = Vec::new();
    for number in 0..1_000 {
        let message = Message::new("users.login", format!("{{\"user\": {number}}}"))
            .message_id(format!("login-{number}"))
            .header("source", "web");
        acks.push(publisher.publish(message).await?);
    }
    for ack in acks {
        match ack.await {
            Ok(published) => println!("{} {}", published.sequence(), published.duplicate()),
            Err(error) if error.is_outcome_unknown() => {
                println!("again: {:?}", error.metadata().get("message_id"))
            }
            Err(error) => println!("{}: {error}", error.reason_name()),
        }
    }
    publisher.close().await?;
    Ok(())
}

async fn handling(client: &Client) -> Result<(), Error> {
    let consumer = client
        .consumer("USERS", "worker")
        .max_outstanding(500)
        .open()
        .await?;
    let stop = tokio::time::sleep(Duration::from_millis(500)); // SIGTERM, usually
    let handle = |message: Received| async move {
        println!("{}: {}", message.subject(), message.text());
        Ok::<_, Infallible>(()) // acknowledged; with an error it comes again after a second
    };
    consumer.for_each_concurrent(8, stop, handle).await?;
    Ok(())
}

async fn settling(client: &Client) -> Result<(), Error> {
    let mut consumer = client.consumer("USERS", "worker").open().await?;
    while let Some(message) = consumer.next().await {
        let message = message?;
        match &*message.text() {
            "poison" => message.term("it can never succeed"),
            "later" => message.nak(Duration::from_secs(30)),
            "precious" => message.ack_confirmed().await?, // JetStream has it
            _ => message.ack(),                           // sent in batches
        }
        if message.pending() == 0 {
            break;
        }
    }
    consumer.drain(Duration::from_secs(30)).await;
    Ok(())
}

async fn consuming_for_itself(client: &Client) -> Result<(), Error> {
    let config = v1::EphemeralConsumer {
        filter_subjects: vec!["users.*".into()],
        ..Default::default()
    };
    let mut consumer = client
        .ephemeral("USERS", config)
        .until_last()
        .open()
        .await?;
    while let Some(message) = consumer.next().await {
        message?.ack();
    }
    Ok(())
}

async fn fetching(client: &Client) -> Result<(), Error> {
    for message in client
        .fetch("USERS", "worker", 100, Duration::from_secs(5))
        .await?
    {
        println!("{} {}", message.sequence(), message.text());
        message.ack().await?; // or all of them by client.acknowledge
    }
    Ok(())
}

async fn reading(client: &Client) -> Result<(), Error> {
    let mut reader = client
        .reader("USERS")
        .filter("users.*")
        .until_last()
        .open()
        .await?;
    while let Some(message) = reader.next().await {
        let message = message?;
        println!("{} {}", message.sequence(), message.subject());
    }
    let position = reader.position().to_string();
    let later = client
        .reader("USERS")
        .filter("users.*")
        .resume(position.parse()?)
        .open()
        .await?;
    assert_eq!(later.position().to_string(), position);
    Ok(())
}

async fn maintaining(client: &Client) -> Result<(), Error> {
    let stored = client.last_message("USERS", "users.login").await?;
    client.delete_message("USERS", stored.sequence).await?;
    client
        .pause_consumer("USERS", "worker", Duration::from_secs(60))
        .await?;
    client.resume_consumer("USERS", "worker").await?;
    let purge = v1::PurgeStreamRequest {
        stream: "USERS".into(),
        filter: "users.login".into(),
        ..Default::default()
    };
    println!("{} messages are gone", client.purge_stream(purge).await?);
    Ok(())
}

async fn administering(client: &Client) {
    let config = v1::StreamConfig {
        name: "USERS".into(),
        subjects: vec!["people.*".into()],
        max_age: Some(duration(Duration::from_secs(3600))),
        ..Default::default()
    };
    let error = client.create_stream(config).await.unwrap_err();
    assert_eq!(error.reason(), ErrorReason::StreamExists);
    println!("{:?} {:?}", error.retry(), error.metadata()); // Never {"differs": ...}
}

/// Cargo builds the examples with the tests.
fn example(name: &str, world: &World) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let mut command = Command::new(path.join("examples").join(name));
    command
        .env("JETGATE_URL", format!("http://{}", world.gateways()[0]))
        .env("STREAM_NAME", "USERS")
        .env("CONSUMER_NAME", "worker");
    command.stdout(Stdio::piped()).kill_on_drop(true);
    command
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_work_together() {
    let world = World::start(json!({})).await;
    let client = world.with_users(Duration::from_secs(30)).await;
    let quick = said(example("quickstart", &world).output().await.unwrap());
    assert_eq!(quick, "USERS #1\n");
    for known in [0, 100] {
        let published = said(example("publisher", &world).output().await.unwrap());
        assert_eq!(
            published,
            format!("published 100 events, {known} of them known before\n")
        );
    }
    let consumer = example("consumer", &world).spawn().unwrap();
    let settled = async {
        while client
            .consumer_info("USERS", "worker")
            .await
            .unwrap()
            .state
            .unwrap()
            .ack_floor
            .unwrap_or_default()
            .stream_sequence
            < 101
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), settled)
        .await
        .unwrap();
    let id = consumer.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .unwrap()
            .success()
    );
    let lines = said(consumer.wait_with_output().await.unwrap());
    assert_eq!(
        lines
            .lines()
            .filter(|line| line.contains("users.login #"))
            .count(),
        101,
        "{lines}"
    );
    let traced = said(example("tracing", &world).output().await.unwrap());
    assert!(traced.contains("ada goes on in 00-"), "{traced}");
    let folder = env::temp_dir().join(format!("jetgate-ledger-{}", fastrand::u64(..)));
    fs::create_dir(&folder).unwrap();
    let pay = async || {
        let mut program = example("exactly_once", &world);
        program.env("STREAM_NAME", "PAYMENTS");
        program.env("CONSUMER_NAME", "ledger");
        program.env("LEDGER", folder.join("ledger.txt"));
        said(program.output().await.unwrap())
    };
    // Started again it books nothing again.
    assert_eq!(pay().await, "booked 2 payments, the balance is 200\n");
    assert_eq!(pay().await, "booked 0 payments, the balance is 200\n");
    fs::remove_dir_all(&folder).unwrap();
}
