//! Streams and consumers: making, changing, reading and deleting them.

mod messages;

use std::time::Duration;

use crate::client::Client;
use crate::error::Error;
use crate::v1;
use crate::v1::consumer_service_client::ConsumerServiceClient;
use crate::v1::gateway_service_client::GatewayServiceClient;
use crate::v1::stream_service_client::StreamServiceClient;

/// The answer lacks what it is for.
fn empty() -> Error {
    Error::new(tonic::Code::Internal, "the gateway's answer is empty")
}

/// Streams.
impl Client {
    /// Makes a stream. Where an equal one exists it is returned; a different one is `STREAM_EXISTS`.
    pub async fn create_stream(&self, config: v1::StreamConfig) -> Result<v1::Stream, Error> {
        let request = v1::CreateStreamRequest {
            config: Some(config),
        };
        let answer = self.call(request, |connection, request| async move {
            StreamServiceClient::new(connection)
                .create_stream(request)
                .await
        });
        answer.await?.stream.ok_or_else(empty)
    }

    /// Makes the stream, or changes it to this configuration, and says which it did.
    pub async fn apply_stream(
        &self,
        config: v1::StreamConfig,
    ) -> Result<v1::ApplyStreamResponse, Error> {
        let request = v1::ApplyStreamRequest {
            config: Some(config),
            ..Default::default()
        };
        let answer = self.call(request, |connection, request| async move {
            StreamServiceClient::new(connection)
                .apply_stream(request)
                .await
        });
        answer.await
    }

    /// A stream's configuration and state.
    pub async fn stream(&self, stream: impl Into<String>) -> Result<v1::Stream, Error> {
        let request = v1::GetStreamRequest {
            stream: stream.into(),
        };
        let answer = self.call(request, |connection, request| async move {
            StreamServiceClient::new(connection)
                .get_stream(request)
                .await
        });
        answer.await?.stream.ok_or_else(empty)
    }

    /// Every stream whose name matches; `*` stands for any characters, and an empty text for all.
    pub async fn streams(&self, name: impl Into<String>) -> Result<Vec<v1::Stream>, Error> {
        let mut request = v1::ListStreamsRequest {
            name: name.into(),
            ..Default::default()
        };
        let mut all = Vec::new();
        loop {
            let answer = self.call(request.clone(), |connection, request| async move {
                StreamServiceClient::new(connection)
                    .list_streams(request)
                    .await
            });
            let page = answer.await?;
            all.extend(page.streams);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Removes a stream with all its messages and consumers.
    pub async fn delete_stream(&self, stream: impl Into<String>) -> Result<(), Error> {
        let request = v1::DeleteStreamRequest {
            stream: stream.into(),
        };
        let answer = self.call(request, |connection, request| async move {
            StreamServiceClient::new(connection)
                .delete_stream(request)
                .await
        });
        answer.await.map(|_| ())
    }
}

/// Consumers.
impl Client {
    /// Makes a consumer. Where an equal one exists it is returned; a different one is `CONSUMER_EXISTS`.
    pub async fn create_consumer(
        &self,
        stream: impl Into<String>,
        config: v1::ConsumerConfig,
    ) -> Result<v1::Consumer, Error> {
        let request = v1::CreateConsumerRequest {
            stream: stream.into(),
            config: Some(config),
        };
        let answer = self.call(request, |connection, request| async move {
            ConsumerServiceClient::new(connection)
                .create_consumer(request)
                .await
        });
        answer.await?.consumer.ok_or_else(empty)
    }

    /// Makes the consumer, or changes it to this configuration, and says which it did.
    pub async fn apply_consumer(
        &self,
        stream: impl Into<String>,
        config: v1::ConsumerConfig,
    ) -> Result<v1::ApplyConsumerResponse, Error> {
        let request = v1::ApplyConsumerRequest {
            stream: stream.into(),
            config: Some(config),
            ..Default::default()
        };
        let answer = self.call(request, |connection, request| async move {
            ConsumerServiceClient::new(connection)
                .apply_consumer(request)
                .await
        });
        answer.await
    }

    /// A consumer's configuration and state.
    pub async fn consumer_info(
        &self,
        stream: impl Into<String>,
        consumer: impl Into<String>,
    ) -> Result<v1::Consumer, Error> {
        let request = v1::GetConsumerRequest {
            stream: stream.into(),
            consumer: consumer.into(),
        };
        let answer = self.call(request, |connection, request| async move {
            ConsumerServiceClient::new(connection)
                .get_consumer(request)
                .await
        });
        answer.await?.consumer.ok_or_else(empty)
    }

    /// Every consumer of a stream.
    pub async fn consumers(&self, stream: impl Into<String>) -> Result<Vec<v1::Consumer>, Error> {
        let mut request = v1::ListConsumersRequest {
            stream: stream.into(),
            ..Default::default()
        };
        let mut all = Vec::new();
        loop {
            let answer = self.call(request.clone(), |connection, request| async move {
                ConsumerServiceClient::new(connection)
                    .list_consumers(request)
                    .await
            });
            let page = answer.await?;
            all.extend(page.consumers);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Lets a consumer deliver nothing for this time; its sessions stay open.
    pub async fn pause_consumer(
        &self,
        stream: impl Into<String>,
        consumer: impl Into<String>,
        time: Duration,
    ) -> Result<v1::PauseConsumerResponse, Error> {
        let end = v1::pause_consumer_request::End::PauseFor(crate::duration(time));
        let request = v1::PauseConsumerRequest {
            stream: stream.into(),
            consumer: consumer.into(),
            end: Some(end),
        };
        let answer = self.call(request, |connection, request| async move {
            ConsumerServiceClient::new(connection)
                .pause_consumer(request)
                .await
        });
        answer.await
    }

    /// Ends a consumer's pause.
    pub async fn resume_consumer(
        &self,
        stream: impl Into<String>,
        consumer: impl Into<String>,
    ) -> Result<(), Error> {
        let request = v1::ResumeConsumerRequest {
            stream: stream.into(),
            consumer: consumer.into(),
        };
        let answer = self.call(request, |connection, request| async move {
            ConsumerServiceClient::new(connection)
                .resume_consumer(request)
                .await
        });
        answer.await.map(|_| ())
    }

    /// Removes a consumer; what it has not acknowledged stays in its stream.
    pub async fn delete_consumer(
        &self,
        stream: impl Into<String>,
        consumer: impl Into<String>,
    ) -> Result<(), Error> {
        let request = v1::DeleteConsumerRequest {
            stream: stream.into(),
            consumer: consumer.into(),
        };
        let answer = self.call(request, |connection, request| async move {
            ConsumerServiceClient::new(connection)
                .delete_consumer(request)
                .await
        });
        answer.await.map(|_| ())
    }

    /// The gateway's version, its NATS connection and its limits.
    pub async fn info(&self) -> Result<v1::GetInfoResponse, Error> {
        let answer = self.call(v1::GetInfoRequest {}, |connection, request| async move {
            GatewayServiceClient::new(connection)
                .get_info(request)
                .await
        });
        answer.await
    }
}
