"""The unary calls: what each asks, what it answers, and whether it may be repeated. No I/O."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from google.protobuf.message import Message

from jetgate import errors
from jetgate._convert import from_proto, to_proto
from jetgate.config import (
    AppliedConsumer,
    AppliedStream,
    ConsumerConfig,
    ConsumerInfo,
    StreamConfig,
    StreamInfo,
)
from jetgate.errors import JetgateError
from jetgate.message import StoredMessage
from jetgate.messages import OutgoingMessage, PublishResult, result_of
from jetgate.v1 import (
    consumer_config_pb2,
    consumer_pb2,
    error_pb2,
    gateway_pb2,
    publisher_pb2,
    session_pb2,
    stream_config_pb2,
    stream_message_pb2,
    stream_pb2,
    subscriber_pb2,
)

T = TypeVar("T")

BatchMode = Literal["independent", "ordered", "atomic"]

_MODES = {
    "independent": publisher_pb2.PUBLISH_BATCH_MODE_INDEPENDENT,
    "ordered": publisher_pb2.PUBLISH_BATCH_MODE_ORDERED_STOP_ON_ERROR,
    "atomic": publisher_pb2.PUBLISH_BATCH_MODE_ATOMIC,
}


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call to make."""

    method: str
    request: Message
    response: type[Message]
    read: Callable[[Any], T]
    repeatable: bool = True
    """Whether it may be sent again when nobody knows what became of it."""
    publishes: bool = False
    """Whether it is an error of its own that nobody knows what became of it."""


def publish(message: OutgoingMessage) -> Call[PublishResult]:
    # Only an id of the caller's own makes repeating safe.
    if not message.message_id and not message.counter_increment:
        message = replace(message, message_id=uuid.uuid4().hex)
    return Call(
        "PublisherService/Publish",
        message.request(),
        publisher_pb2.PublishResponse,
        result_of,
        repeatable=bool(message.message_id),
        publishes=True,
    )


def publish_batch(messages: Iterable[OutgoingMessage], mode: BatchMode) -> Call[list[PublishResult | JetgateError]]:
    request = publisher_pb2.PublishBatchRequest(messages=[message.request() for message in messages], mode=_MODES[mode])
    repeatable = mode == "independent" and all(message.message_id for message in request.messages)
    response = publisher_pb2.PublishBatchResponse
    return Call("PublisherService/PublishBatch", request, response, _batch_results, repeatable, publishes=True)


def create_stream(config: StreamConfig) -> Call[StreamInfo]:
    request = stream_pb2.CreateStreamRequest(config=_stream_config(config))
    return Call("StreamService/CreateStream", request, stream_pb2.CreateStreamResponse, _stream)


def apply_stream(config: StreamConfig, validate_only: bool, etag: str) -> Call[AppliedStream]:
    request = stream_pb2.ApplyStreamRequest(config=_stream_config(config), validate_only=validate_only, etag=etag)
    response = stream_pb2.ApplyStreamResponse
    return Call("StreamService/ApplyStream", request, response, lambda said: from_proto(said, AppliedStream), not etag)


def get_stream(stream: str) -> Call[StreamInfo]:
    request = stream_pb2.GetStreamRequest(stream=stream)
    return Call("StreamService/GetStream", request, stream_pb2.GetStreamResponse, _stream)


def list_streams(subject: str, name: str, token: str) -> Call[tuple[list[StreamInfo], str]]:
    request = stream_pb2.ListStreamsRequest(subject=subject, name=name, page_token=token)
    return Call("StreamService/ListStreams", request, stream_pb2.ListStreamsResponse, _streams)


def delete_stream(stream: str) -> Call[None]:
    request = stream_pb2.DeleteStreamRequest(stream=stream)
    return Call("StreamService/DeleteStream", request, stream_pb2.DeleteStreamResponse, _nothing, repeatable=False)


def purge_stream(stream: str, subject: str, up_to_sequence: int | None, keep: int | None) -> Call[int]:
    request = stream_message_pb2.PurgeStreamRequest(stream=stream, filter=subject)
    if up_to_sequence is not None:
        request.up_to_sequence = up_to_sequence
    elif keep is not None:
        request.keep = keep
    response = stream_message_pb2.PurgeStreamResponse
    return Call("StreamService/PurgeStream", request, response, lambda said: int(said.purged), repeatable=False)


def get_message(stream: str, sequence: int | None, last_by_subject: str | None) -> Call[StoredMessage]:
    request = stream_message_pb2.GetMessageRequest(stream=stream)
    if sequence is not None:
        request.sequence = sequence
    elif last_by_subject is not None:
        request.last_by_subject = last_by_subject
    response = stream_message_pb2.GetMessageResponse
    return Call("StreamService/GetMessage", request, response, lambda said: StoredMessage(said.message))


def delete_message(stream: str, sequence: int, no_erase: bool) -> Call[None]:
    request = stream_message_pb2.DeleteMessageRequest(stream=stream, sequence=sequence, no_erase=no_erase)
    response = stream_message_pb2.DeleteMessageResponse
    return Call("StreamService/DeleteMessage", request, response, _nothing, repeatable=False)


def create_consumer(stream: str, config: ConsumerConfig) -> Call[ConsumerInfo]:
    request = consumer_pb2.CreateConsumerRequest(stream=stream, config=_consumer_config(config))
    return Call("ConsumerService/CreateConsumer", request, consumer_pb2.CreateConsumerResponse, _consumer)


def apply_consumer(stream: str, config: ConsumerConfig, validate_only: bool, etag: str) -> Call[AppliedConsumer]:
    request = consumer_pb2.ApplyConsumerRequest(
        stream=stream, config=_consumer_config(config), validate_only=validate_only, etag=etag
    )
    response = consumer_pb2.ApplyConsumerResponse
    read: Callable[[Any], AppliedConsumer] = lambda said: from_proto(said, AppliedConsumer)  # noqa: E731
    return Call("ConsumerService/ApplyConsumer", request, response, read, not etag)


def get_consumer(stream: str, consumer: str) -> Call[ConsumerInfo]:
    request = consumer_pb2.GetConsumerRequest(stream=stream, consumer=consumer)
    return Call("ConsumerService/GetConsumer", request, consumer_pb2.GetConsumerResponse, _consumer)


def list_consumers(stream: str, subject: str, name: str, token: str) -> Call[tuple[list[ConsumerInfo], str]]:
    request = consumer_pb2.ListConsumersRequest(stream=stream, subject=subject, name=name, page_token=token)
    return Call("ConsumerService/ListConsumers", request, consumer_pb2.ListConsumersResponse, _consumers)


def delete_consumer(stream: str, consumer: str) -> Call[None]:
    request = consumer_pb2.DeleteConsumerRequest(stream=stream, consumer=consumer)
    response = consumer_pb2.DeleteConsumerResponse
    return Call("ConsumerService/DeleteConsumer", request, response, _nothing, repeatable=False)


def acknowledge(items: Sequence[session_pb2.Acknowledgement]) -> Call[Sequence[error_pb2.ItemStatus]]:
    request = subscriber_pb2.AcknowledgeRequest(acknowledgements=items, confirm=True)
    response = subscriber_pb2.AcknowledgeResponse
    return Call("SubscriberService/Acknowledge", request, response, lambda said: said.results)


def get_info() -> Call[gateway_pb2.GetInfoResponse]:
    request = gateway_pb2.GetInfoRequest()
    return Call("GatewayService/GetInfo", request, gateway_pb2.GetInfoResponse, lambda said: said)


def _stream_config(config: StreamConfig) -> stream_config_pb2.StreamConfig:
    made: stream_config_pb2.StreamConfig = to_proto(config, stream_config_pb2.StreamConfig())
    return made


def _consumer_config(config: ConsumerConfig) -> consumer_config_pb2.ConsumerConfig:
    made: consumer_config_pb2.ConsumerConfig = to_proto(config, consumer_config_pb2.ConsumerConfig())
    return made


def _stream(response: Any) -> StreamInfo:
    return from_proto(response.stream, StreamInfo)


def _consumer(response: Any) -> ConsumerInfo:
    return from_proto(response.consumer, ConsumerInfo)


def _streams(response: stream_pb2.ListStreamsResponse) -> tuple[list[StreamInfo], str]:
    return [from_proto(stream, StreamInfo) for stream in response.streams], response.next_page_token


def _consumers(response: consumer_pb2.ListConsumersResponse) -> tuple[list[ConsumerInfo], str]:
    return [from_proto(consumer, ConsumerInfo) for consumer in response.consumers], response.next_page_token


def _batch_results(response: publisher_pb2.PublishBatchResponse) -> list[PublishResult | JetgateError]:
    return [
        errors.from_item(result.status) if result.status.code else result_of(result.published)
        for result in response.results
    ]


def _nothing(response: Any) -> None:
    return None
