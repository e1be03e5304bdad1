//! A caller that means no harm, and how long its calls take.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jetgate::proto::{GetInfoRequest, PublishRequest};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::House;
use crate::support::{SOON, eventually};

/// The calls of one phase.
type Times = Arc<Mutex<Vec<Duration>>>;

pub(super) struct Bystander {
    times: Times,
    task: JoinHandle<()>,
}

impl Bystander {
    pub(super) fn start(house: &House) -> Self {
        let ada = house.ada.clone();
        let times = Times::default();
        let taken = times.clone();
        let calls = async move {
            loop {
                let began = Instant::now();
                let clients = ada.clients();
                let (mut gateway, mut publisher) = (clients.gateway(), clients.publisher());
                let mut info = tonic::Request::new(GetInfoRequest {});
                info.set_timeout(SOON);
                let answer = timeout(SOON, gateway.get_info(info)).await;
                answer.expect("a caller waits to be let in").unwrap();
                let between = Instant::now();
                let message = PublishRequest {
                    subject: "orders.x".to_owned(),
                    ..PublishRequest::default()
                };
                publisher.publish(message).await.unwrap();
                let mut times = taken.lock().unwrap();
                times.extend([between - began, between.elapsed()]);
            }
        };
        let task = tokio::spawn(calls);
        Self { times, task }
    }

    /// Forgets the calls until now.
    pub(super) fn begin(&self) {
        self.times.lock().unwrap().clear();
    }

    /// What 99 of 100 calls do not exceed, once those that are under way have ended.
    pub(super) async fn p99(&self) -> Duration {
        let before = self.times.lock().unwrap().len();
        let mut times = eventually(2 * SOON, async || {
            assert!(!self.task.is_finished(), "a call has failed");
            let times = self.times.lock().unwrap();
            (times.len() > before).then(|| times.clone())
        })
        .await;
        times.sort();
        times[(times.len() - 1) * 99 / 100]
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.task.abort();
    }
}
