"""Messages as they are received."""

from __future__ import annotations

import datetime
import json
from typing import Any

from jetgate.v1 import session_pb2, stream_message_pb2


class ReceivedMessage:
    """A message that was received. Its fields are read when they are asked for."""

    __slots__ = ("_raw",)

    def __init__(self, raw: session_pb2.ReceivedMessage) -> None:
        self._raw = raw

    @property
    def subject(self) -> str:
        return self._raw.subject

    @property
    def payload(self) -> bytes:
        return self._raw.data

    @property
    def text(self) -> str:
        """The payload as UTF-8 text."""
        return self._raw.data.decode()

    def json(self) -> Any:
        """The payload as a JSON value."""
        return json.loads(self._raw.data)

    @property
    def headers(self) -> list[tuple[str, str | bytes]]:
        """Names and values; a value is bytes where a publisher wrote what is no text."""
        return header_pairs(self._raw.headers)

    def header(self, name: str) -> str | None:
        """The first value of a header, where it is text."""
        return next((header.value for header in self._raw.headers if header.name == name), None)

    @property
    def message_id(self) -> str:
        """The id that the message was published with. Empty without."""
        return self._raw.message_id

    @property
    def stream(self) -> str:
        return self._raw.stream

    @property
    def consumer(self) -> str:
        return self._raw.consumer

    @property
    def sequence(self) -> int:
        """The message's sequence in the stream."""
        return self._raw.stream_sequence

    @property
    def attempt(self) -> int:
        """1 for the first delivery of the message by this consumer, 2 for the first repetition, and so on."""
        return self._raw.delivery_attempt

    @property
    def publish_time(self) -> datetime.datetime:
        """When the message was stored."""
        return self._raw.publish_time.ToDatetime(tzinfo=datetime.timezone.utc)

    @property
    def ack_deadline(self) -> datetime.datetime | None:
        """Until when to settle it, without extensions. None where nothing is acknowledged."""
        if not self._raw.HasField("ack_deadline"):
            return None
        return self._raw.ack_deadline.ToDatetime(tzinfo=datetime.timezone.utc)

    @property
    def pending(self) -> int:
        """How many messages waited for the consumer after this one."""
        return self._raw.pending

    def __repr__(self) -> str:
        name = type(self).__name__
        return (
            f"<{name} {self.stream}:{self.sequence} {self.subject} attempt {self.attempt}, {len(self.payload)} bytes>"
        )


class StoredMessage:
    """A message as its stream keeps it, JetStream's own headers included."""

    def __init__(self, raw: stream_message_pb2.StoredMessage) -> None:
        self.stream = raw.stream
        self.subject = raw.subject
        self.sequence = raw.sequence
        self.time = raw.time.ToDatetime(tzinfo=datetime.timezone.utc)
        self.message_id = raw.message_id
        self.headers = header_pairs(raw.headers)
        self.payload = raw.data


def header_pairs(headers: Any) -> list[tuple[str, str | bytes]]:
    return [(header.name, header.binary_value or header.value) for header in headers]
