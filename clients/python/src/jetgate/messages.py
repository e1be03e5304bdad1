"""What is published: what a message may ask of its stream, and what became of it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from jetgate.v1 import publish_message_pb2, publisher_pb2, types_pb2

Payload = bytes | bytearray | memoryview | str
HeaderValue = str | bytes
Headers = Mapping[str, HeaderValue | Iterable[HeaderValue]] | Iterable[tuple[str, HeaderValue]]


class PublishResult(NamedTuple):
    """Where a message is stored."""

    stream: str
    """The stream that took the message."""
    sequence: int | None
    """Its sequence in the stream; of a duplicate, that of the first. None where the publisher is cumulative."""
    duplicate: bool = False
    """The stream had a message of this id already and stored nothing."""
    message_id: str = ""
    """The message's id, where the caller or the client gave it one."""
    domain: str = ""
    """The JetStream domain of the stream. Empty without domains."""
    counter_value: str = ""
    """The counter's value after the increment; empty for other messages."""


@dataclasses.dataclass(frozen=True)
class Expect:
    """Conditions under which a message is stored. One that does not hold is a ConditionFailedError."""

    stream: str = ""
    """The stream that must take the subject."""
    last_sequence: int | None = None
    """The sequence of the stream's last message; 0 is none."""
    last_subject_sequence: int | None = None
    """The sequence of the last message of this subject, or of `subject`; 0 is none."""
    last_message_id: str = ""
    """The message id of the stream's last message."""
    subject: str = ""
    """The subject, wildcards allowed, that last_subject_sequence speaks of, instead of the message's own."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """When a stream produces messages from a stored one, and where. One of `at`, `every` and `cron` is required."""

    target: str
    at: datetime.datetime | None = None
    every: datetime.timedelta | None = None
    cron: str = ""
    time_zone: str = ""
    ttl: datetime.timedelta | None = None
    source: str = ""


@dataclasses.dataclass(frozen=True)
class OutgoingMessage:
    """A message to publish."""

    subject: str
    payload: Payload = b""
    headers: Headers = ()
    """Names and values, in order; a value may be a list of values."""
    message_id: str = ""
    """The stream stores one message per id while its duplicate window lasts. Best is the id of the business event."""
    expect: Expect | None = None
    ttl: datetime.timedelta | Literal["never"] | None = None
    """How long the message is kept. Needs a stream with allow_msg_ttl."""
    rollup: Literal["subject", "all"] | None = None
    """Which older messages this one replaces. Needs a stream with allow_rollup_hdrs."""
    counter_increment: str = ""
    """Adds this whole number to the subject's counter. Needs a stream with allow_msg_counter."""
    schedule: Schedule | None = None

    def envelope(self) -> publish_message_pb2.PublishRequest:
        """The message without its payload, as the contract has it."""
        request = publish_message_pb2.PublishRequest(
            subject=self.subject,
            headers=header_list(self.headers),
            message_id=self.message_id,
            counter_increment=self.counter_increment,
        )
        if self.expect is not None:
            request.expect.CopyFrom(_expectation(self.expect))
        if self.ttl == "never":
            request.never_expires = True
        elif self.ttl is not None:
            request.ttl.FromTimedelta(self.ttl)
        if self.rollup is not None:
            is_all = self.rollup == "all"
            request.rollup = publish_message_pb2.ROLLUP_ALL if is_all else publish_message_pb2.ROLLUP_SUBJECT
        if self.schedule is not None:
            request.schedule.CopyFrom(_schedule(self.schedule))
        return request

    def request(self) -> publish_message_pb2.PublishRequest:
        """The whole message."""
        request = self.envelope()
        request.data = payload_bytes(self.payload)
        return request


def payload_bytes(payload: Payload) -> bytes:
    if isinstance(payload, bytes):
        return payload
    return payload.encode() if isinstance(payload, str) else bytes(payload)


def header_list(headers: Headers) -> list[types_pb2.Header]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    listed = []
    for name, values in pairs:
        for value in [values] if isinstance(values, (str, bytes)) else values:
            if isinstance(value, str):
                listed.append(types_pb2.Header(name=name, value=value))
            else:
                listed.append(types_pb2.Header(name=name, binary_value=value))
    return listed


def result_of(response: publisher_pb2.PublishResponse) -> PublishResult:
    return PublishResult(
        response.stream,
        response.sequence,
        response.duplicate,
        response.message_id,
        response.domain,
        response.counter_value,
    )


def _expectation(expect: Expect) -> publish_message_pb2.Expectation:
    return publish_message_pb2.Expectation(
        stream=expect.stream,
        last_sequence=expect.last_sequence,
        last_subject_sequence=expect.last_subject_sequence,
        last_message_id=expect.last_message_id,
        last_subject_sequence_subject=expect.subject,
    )


def _schedule(schedule: Schedule) -> publish_message_pb2.Schedule:
    made = publish_message_pb2.Schedule(
        target=schedule.target, cron=schedule.cron, time_zone=schedule.time_zone, source=schedule.source
    )
    if schedule.at is not None:
        made.at.FromDatetime(schedule.at)
    if schedule.every is not None:
        made.every.FromTimedelta(schedule.every)
    if schedule.ttl is not None:
        made.ttl.FromTimedelta(schedule.ttl)
    return made
