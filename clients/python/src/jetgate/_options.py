"""How consumers and readers are opened, and the first frame that this makes."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jetgate._link import HEARTBEAT
from jetgate.v1 import consume_pb2, consumer_config_pb2, source_pb2

# Batches may be as large as a channel takes.
_MAX_RESPONSE_BYTES = 3 * 1024 * 1024

_DELIVER = {
    "all": consumer_config_pb2.DELIVER_POLICY_ALL,
    "last": consumer_config_pb2.DELIVER_POLICY_LAST,
    "new": consumer_config_pb2.DELIVER_POLICY_NEW,
    "last_per_subject": consumer_config_pb2.DELIVER_POLICY_LAST_PER_SUBJECT,
}


@dataclass(frozen=True)
class ConsumerOptions:
    """How a consumer is opened."""

    max_outstanding: int = 1000
    """How many messages may be delivered and not settled."""
    max_outstanding_bytes: int | None = None
    """How many bytes; None is the gateway's default, 8 MiB."""
    lease: float = 600.0
    """For how long, in seconds, a message that is worked on is kept from others, however short the consumer's ack_wait
    is. 0: it comes again after ack_wait, unless `in_progress` is called."""
    open_timeout: float = 30.0
    """How long opening may take, in seconds."""
    name: str = ""
    """Who consumes, for the gateway's lists and log."""

    def open(self, stream: str, consumer: str) -> consume_pb2.ConsumeOpen:
        if self.max_outstanding < 1:
            raise ValueError("max_outstanding must be at least 1")
        open = _open(stream, self.name)
        open.consumer = consumer
        open.flow.max_outstanding_messages = self.max_outstanding
        if self.max_outstanding_bytes is not None:
            open.flow.max_outstanding_bytes = self.max_outstanding_bytes
        if self.lease > 0:
            open.lease.auto_extend = True
            open.lease.max.FromMilliseconds(int(self.lease * 1000))
        return open


@dataclass(frozen=True)
class ReaderOptions:
    """What an ordered read reads, from where to where."""

    filter_subjects: Sequence[str] = ()
    """Only messages whose subject matches one of these; empty is all."""
    from_sequence: int | None = None
    """Begin with the message of this sequence, or the next one that there is."""
    from_time: datetime.datetime | None = None
    """Begin with the first message that was stored at this time or later."""
    deliver: Literal["all", "last", "new", "last_per_subject"] = "all"
    """Where to begin otherwise."""
    until: Literal["last"] | int | datetime.datetime | None = None
    """Where to end: with the last message that there is at the beginning, a sequence, or a time. None is never."""
    resume: str = ""
    """The `position` of an earlier read of the same: go on behind it."""
    on_gap: Literal["fail", "report"] = "fail"
    """What to do where the stream no longer has the next messages: raise a ConditionFailedError, or go on with what
    there is and note it in `gaps`."""
    headers_only: bool = False
    """Read headers without payloads."""
    buffer: int = 2000
    """How many messages may wait here to be read."""
    open_timeout: float = 30.0
    """How long opening may take, in seconds."""
    name: str = ""
    """Who reads, for the gateway's lists and log."""

    def open(self, stream: str) -> consume_pb2.ConsumeOpen:
        open = _open(stream, self.name)
        ordered = open.ordered
        ordered.SetInParent()
        ordered.filter_subjects.extend(self.filter_subjects)
        ordered.headers_only = self.headers_only
        if self.from_sequence is not None:
            ordered.deliver_policy = consumer_config_pb2.DELIVER_POLICY_BY_START_SEQUENCE
            ordered.opt_start_seq = self.from_sequence
        elif self.from_time is not None:
            ordered.deliver_policy = consumer_config_pb2.DELIVER_POLICY_BY_START_TIME
            ordered.opt_start_time.FromDatetime(self.from_time)
        else:
            ordered.deliver_policy = _DELIVER[self.deliver]
        fails = self.on_gap == "fail"
        open.on_gap = source_pb2.GAP_POLICY_FAIL if fails else source_pb2.GAP_POLICY_REPORT
        if self.until == "last":
            open.stop_at.last = True
        elif isinstance(self.until, int):
            open.stop_at.sequence = self.until
        elif isinstance(self.until, datetime.datetime):
            open.stop_at.time.FromDatetime(self.until)
        return open


def _open(stream: str, name: str) -> consume_pb2.ConsumeOpen:
    open = consume_pb2.ConsumeOpen(stream=stream, client_name=name, max_response_bytes=_MAX_RESPONSE_BYTES)
    open.heartbeat_interval.FromMilliseconds(int(HEARTBEAT * 1000))
    return open
