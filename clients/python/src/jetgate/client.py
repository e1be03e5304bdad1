"""The client for programs with threads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

from jetgate import _calls
from jetgate._attempts import perform
from jetgate._calls import BatchMode, Call
from jetgate._transport import DEFAULT_URL, Transport, targets_of
from jetgate.config import (
    AppliedConsumer,
    AppliedStream,
    ConsumerConfig,
    ConsumerInfo,
    StreamConfig,
    StreamInfo,
)
from jetgate.consumer import Consumer, ConsumerOptions
from jetgate.credentials import Credentials
from jetgate.errors import JetgateError
from jetgate.message import StoredMessage
from jetgate.messages import OutgoingMessage, Payload, PublishResult
from jetgate.publisher import Publisher, PublisherOptions
from jetgate.reader import Reader, ReaderOptions
from jetgate.v1 import gateway_pb2

T = TypeVar("T")


def connect(
    target: str | Iterable[str] | None = None,
    credentials: Credentials | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
) -> Client:
    """A client of the gateways at these addresses: URLs or host:port, several as a list or separated by commas.

    Without a target that is JETGATE_URL, or http://127.0.0.1:50051; without credentials, the key in JETGATE_API_KEY if
    there is one. `https://` is TLS, and so is host:port where the credentials have a certificate (`ca` or `cert`).
    `metadata` goes with every call. Connections are made when they are needed.
    """
    return Client(transport(target, credentials, metadata))


def transport(
    target: str | Iterable[str] | None, credentials: Credentials | None, metadata: Mapping[str, str] | None
) -> Transport:
    targets = targets_of(target if target is not None else os.environ.get("JETGATE_URL") or DEFAULT_URL)
    if credentials is None:
        credentials = Credentials(api_key=os.environ.get("JETGATE_API_KEY") or None)
    return Transport(targets, credentials, tuple((metadata or {}).items()))


class Client:
    """Calls gateways: whichever answers. Safe for threads. Made by `connect`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def publish(
        self, subject: str, payload: Payload = b"", *, message_id: str = "", timeout: float | None = None, **more: Any
    ) -> PublishResult:
        """Publishes one message and returns where it is stored. For many messages, a `publisher` is much faster.

        A message without an id gets one, so that it is stored once however often it has to be sent.
        """
        return self.publish_message(OutgoingMessage(subject, payload, message_id=message_id, **more), timeout)

    def publish_message(self, message: OutgoingMessage, timeout: float | None = None) -> PublishResult:
        """The same with a message that was put together before."""
        return self._do(_calls.publish(message), timeout)

    def publish_batch(
        self, messages: Iterable[OutgoingMessage], mode: BatchMode = "independent", timeout: float | None = None
    ) -> list[PublishResult | JetgateError]:
        """Publishes up to 1,000 messages in one call and says of each what became of it, in their order.

        "independent": each for itself. "ordered": one after the other, until one fails. "atomic": all or none; what
        keeps them from being stored is raised.
        """
        return self._do(_calls.publish_batch(messages, mode), timeout)

    def publisher(self, options: PublisherOptions | None = None, **more: Any) -> Publisher:
        """A publisher for many messages. `more` are fields of PublisherOptions."""
        return Publisher(self._transport, options or PublisherOptions(**more))

    def consume(self, stream: str, consumer: str, options: ConsumerOptions | None = None, **more: Any) -> Consumer:
        """Opens a consumer that exists. `more` are fields of ConsumerOptions."""
        return Consumer(self._transport, stream, consumer, options or ConsumerOptions(**more))

    def read(self, stream: str, options: ReaderOptions | None = None, **more: Any) -> Reader:
        """Opens an ordered read of a stream. `more` are fields of ReaderOptions."""
        return Reader(self._transport, stream, options or ReaderOptions(**more))

    def create_stream(self, config: StreamConfig, timeout: float | None = None) -> StreamInfo:
        """Creates a stream; an equal one that exists is returned, another one is an AlreadyExistsError."""
        return self._do(_calls.create_stream(config), timeout)

    def apply_stream(
        self, config: StreamConfig, *, validate_only: bool = False, etag: str = "", timeout: float | None = None
    ) -> AppliedStream:
        """Creates a stream, or changes the one that exists to this configuration."""
        return self._do(_calls.apply_stream(config, validate_only, etag), timeout)

    def stream_info(self, stream: str, timeout: float | None = None) -> StreamInfo:
        return self._do(_calls.get_stream(stream), timeout)

    def streams(self, *, subject: str = "", name: str = "", timeout: float | None = None) -> Iterator[StreamInfo]:
        """All streams, or those that take a subject and whose name matches ("ORDERS_*")."""
        token = ""
        while True:
            page, token = self._do(_calls.list_streams(subject, name, token), timeout)
            yield from page
            if not token:
                return

    def delete_stream(self, stream: str, timeout: float | None = None) -> None:
        """Deletes a stream with its messages and consumers."""
        self._do(_calls.delete_stream(stream), timeout)

    def purge_stream(
        self,
        stream: str,
        *,
        subject: str = "",
        up_to_sequence: int | None = None,
        keep: int | None = None,
        timeout: float | None = None,
    ) -> int:
        """Removes messages, all or fewer, and returns how many: of a subject, before a sequence, all but the newest."""
        return self._do(_calls.purge_stream(stream, subject, up_to_sequence, keep), timeout)

    def get_message(
        self,
        stream: str,
        *,
        sequence: int | None = None,
        last_by_subject: str | None = None,
        timeout: float | None = None,
    ) -> StoredMessage:
        """One stored message: by its sequence, or the last one of a subject."""
        return self._do(_calls.get_message(stream, sequence, last_by_subject), timeout)

    def delete_message(
        self, stream: str, sequence: int, *, no_erase: bool = False, timeout: float | None = None
    ) -> None:
        """Removes one message, and overwrites it on disk unless `no_erase`."""
        self._do(_calls.delete_message(stream, sequence, no_erase), timeout)

    def create_consumer(self, stream: str, config: ConsumerConfig, timeout: float | None = None) -> ConsumerInfo:
        """Creates a consumer; an equal one that exists is returned, another one is an AlreadyExistsError."""
        return self._do(_calls.create_consumer(stream, config), timeout)

    def apply_consumer(
        self,
        stream: str,
        config: ConsumerConfig,
        *,
        validate_only: bool = False,
        etag: str = "",
        timeout: float | None = None,
    ) -> AppliedConsumer:
        """Creates a consumer, or changes the one that exists to this configuration."""
        return self._do(_calls.apply_consumer(stream, config, validate_only, etag), timeout)

    def consumer_info(self, stream: str, consumer: str, timeout: float | None = None) -> ConsumerInfo:
        return self._do(_calls.get_consumer(stream, consumer), timeout)

    def consumers(
        self, stream: str, *, subject: str = "", name: str = "", timeout: float | None = None
    ) -> Iterator[ConsumerInfo]:
        """All consumers of a stream, or those that take a subject and whose name matches."""
        token = ""
        while True:
            page, token = self._do(_calls.list_consumers(stream, subject, name, token), timeout)
            yield from page
            if not token:
                return

    def delete_consumer(self, stream: str, consumer: str, timeout: float | None = None) -> None:
        self._do(_calls.delete_consumer(stream, consumer), timeout)

    def info(self, timeout: float | None = None) -> gateway_pb2.GetInfoResponse:
        """What the gateway is and how it stands, as the contract has it."""
        return self._do(_calls.get_info(), timeout)

    def close(self) -> None:
        """Closes all connections. Close publishers and consumers before."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _do(self, call: Call[T], timeout: float | None) -> T:
        return perform(self._transport, call, timeout)
