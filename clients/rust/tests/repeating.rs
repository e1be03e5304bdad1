//! Messages whose answers are lost: which are published again, and what is said of the others.

use std::time::Duration;

use jetgate_client::{
    Ack, Client, Error, ErrorReason, Message, Published, Publisher, duration, v1,
};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::proxy::{Proxy, Way};
use super::world::World;

const SOON: Duration = Duration::from_secs(60);

/// A stream behind a way that a test can cut.
struct Cut {
    _world: World,
    proxy: Proxy,
    /// Over the way.
    client: Client,
    /// Beside it.
    beside: Client,
}

impl Cut {
    async fn start(window: Duration, call_timeout: Duration) -> Self {
        let world = World::start(json!({})).await;
        let proxy = Proxy::start(&world.gateways()[0]).await;
        let builder = world.builder(&proxy.addresses(), None);
        let cut = Self {
            client: builder.call_timeout(call_timeout).connect().unwrap(),
            beside: world.client(),
            proxy,
            _world: world,
        };
        cut.make_stream(window).await;
        cut
    }

    async fn make_stream(&self, window: Duration) {
        let stream = v1::StreamConfig {
            name: "EVENTS".into(),
            subjects: vec!["events.*".into()],
            duplicate_window: Some(duration(window)),
            ..Default::default()
        };
        self.beside.create_stream(stream).await.unwrap();
    }

    async fn stored(&self) -> u64 {
        let stream = self.beside.stream("EVENTS").await.unwrap();
        stream.state.unwrap().messages
    }

    async fn until_stored(&self, messages: u64) {
        let stored = async {
            while self.stored().await < messages {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, stored).await.unwrap();
    }

    /// A message that is stored, and whose answer is lost with its connection.
    async fn unanswered(&self, publisher: &Publisher) -> Ack {
        let before = publisher.publish(("events.new", "before")).await.unwrap();
        before.await.unwrap();
        self.proxy.set(Way::Mute);
        let unanswered = publisher.publish(("events.new", "it")).await.unwrap();
        self.until_stored(2).await;
        self.proxy.set(Way::Cut);
        unanswered
    }

    /// A call whose message is stored, and whose answer is not heard.
    async fn unheard(&self) -> JoinHandle<Result<Published, Error>> {
        self.client.info().await.unwrap();
        self.proxy.set(Way::Mute);
        let client = self.client.clone();
        let publishing = async move { client.publish(("events.new", "it")).await };
        let publishing = tokio::spawn(publishing);
        self.until_stored(1).await;
        publishing
    }

    /// Waits until the ids of all that is stored are forgotten.
    async fn until_forgotten(&self) {
        let probe = || Message::new("events.probe", "").message_id("probe");
        self.beside.publish(probe()).await.unwrap();
        let forgotten = async {
            while self.beside.publish(probe()).await.unwrap().duplicate() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(SOON, forgotten).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_stream_knows_is_published_again_and_stored_once() {
    let cut = Cut::start(2 * SOON, SOON).await;
    let publisher = cut.client.publisher().stream("EVENTS").start();
    let unanswered = cut.unanswered(&publisher).await;
    cut.proxy.set(Way::Open);
    let published = unanswered.await.unwrap();
    assert_eq!((published.sequence(), published.duplicate()), (2, true));
    assert_eq!(cut.stored().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_stream_has_forgotten_is_not_published_again() {
    let cut = Cut::start(Duration::from_secs(1), SOON).await;
    let publisher = cut.client.publisher().stream("EVENTS").start();
    let unanswered = cut.unanswered(&publisher).await;
    cut.until_forgotten().await;
    let never_sent = publisher.publish(("events.new", "later")).await.unwrap();
    let before = cut.stored().await;
    cut.proxy.set(Way::Open);
    assert!(unanswered.await.unwrap_err().is_outcome_unknown());
    never_sent.await.unwrap();
    assert_eq!(cut.stored().await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_made_known_by_its_id() {
    let cut = Cut::start(2 * SOON, SOON).await;
    let publisher = cut.client.publisher().stream("EVENTS");
    let publisher = publisher.timeout(Duration::from_secs(10)).start();
    let failed = cut.unanswered(&publisher).await.await.unwrap_err();
    assert!(failed.is_outcome_unknown(), "{failed}");
    let id = failed.metadata()["message_id"].clone();
    let again = Message::new("events.new", "it").message_id(id);
    let published = cut.beside.publish(again).await.unwrap();
    assert_eq!((published.sequence(), published.duplicate()), (2, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_repeated_stores_its_message_once() {
    let cut = Cut::start(2 * SOON, SOON).await;
    let publishing = cut.unheard().await;
    cut.proxy.set(Way::Cut);
    cut.proxy.set(Way::Open);
    let published = publishing.await.unwrap().unwrap();
    assert_eq!((published.sequence(), published.duplicate()), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_attempt_does_not_hide_that_an_earlier_one_has_stored_the_message() {
    let cut = Cut::start(2 * SOON, SOON).await;
    let publishing = cut.unheard().await;
    cut.beside.delete_stream("EVENTS").await.unwrap();
    cut.proxy.set(Way::Cut);
    cut.proxy.set(Way::Open);
    let failed = publishing.await.unwrap().unwrap_err();
    assert!(failed.is_outcome_unknown(), "{failed}");
    // Once it can go well, a retry with the same id makes it known.
    let id = failed.metadata()["message_id"].clone();
    cut.make_stream(2 * SOON).await;
    let again = Message::new("events.new", "it").message_id(id);
    let published = cut.client.publish(again).await.unwrap();
    assert_eq!((published.sequence(), published.duplicate()), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_gone_does_not_hide_that_it_has_stored_the_message() {
    let cut = Cut::start(2 * SOON, Duration::from_secs(8)).await;
    let publishing = cut.unheard().await;
    let Cut {
        client,
        beside,
        proxy,
        _world,
    } = cut;
    drop(proxy);
    let failed = publishing.await.unwrap().unwrap_err();
    assert!(failed.is_outcome_unknown(), "{failed}");
    let id = failed.metadata()["message_id"].clone();
    let again = Message::new("events.new", "it").message_id(id);
    let published = beside.publish(again).await.unwrap();
    assert_eq!((published.sequence(), published.duplicate()), (1, true));
    // Where nothing was sent, nothing is unknown.
    let unsent = client.publish(("events.new", "other")).await.unwrap_err();
    assert!(!unsent.is_outcome_unknown(), "{unsent}");
    assert_eq!(unsent.reason(), ErrorReason::Unspecified);
}
