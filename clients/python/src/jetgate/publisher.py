"""A publisher for programs with threads: batches what is published and says what became of each message."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from jetgate import _frames
from jetgate._ledger import OVERHEAD, Entry, Outcome, Settled
from jetgate._publishing import PublisherOptions, Publishing
from jetgate._transport import Transport
from jetgate.messages import OutgoingMessage, Payload, PublishResult, payload_bytes

log = logging.getLogger("jetgate")

__all__ = ["PublishFuture", "Publisher", "PublisherOptions"]


class PublishFuture(Entry):
    """What will become of one message. Made by `Publisher.publish`."""

    __slots__ = ("_callbacks", "_outcome", "_publisher")

    def __init__(self, publisher: Publisher, head: bytes, payload: bytes, message_id: str, expires: float) -> None:
        # The fields of Entry, set here: a call for each message would be felt.
        self.head = head
        self.payload = payload
        self.message_id = message_id
        self.expires = expires
        self.size = len(head) + len(payload) + OVERHEAD
        self.sent_at = 0.0
        self.in_doubt = False
        self._publisher = publisher
        self._outcome: Outcome | None = None
        self._callbacks: list[Callable[[PublishFuture], object]] | None = None

    def done(self) -> bool:
        return self._outcome is not None

    def result(self, timeout: float | None = None) -> PublishResult:
        """Where the message is stored. Waits for it, and raises what kept it from being stored.

        TimeoutError when that is not known after `timeout` seconds; the publisher goes on trying all the same.
        """
        outcome = self._wait(timeout)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What kept the message from being stored; None where it is stored."""
        outcome = self._wait(timeout)
        return outcome if isinstance(outcome, BaseException) else None

    def add_done_callback(self, callback: Callable[[PublishFuture], object]) -> None:
        """Calls `callback` with this future once it is done, in a thread of the publisher; keep it short."""
        with self._publisher._answered:
            if self._outcome is None:
                self._callbacks = [*(self._callbacks or ()), callback]
                return
        callback(self)

    def _call_back(self) -> None:
        for callback in self._callbacks or ():
            try:
                callback(self)
            except Exception:  # of the program; other messages are none of its business
                log.exception("a callback of a published message failed")

    def _wait(self, timeout: float | None) -> Outcome:
        if self._outcome is None:
            self._publisher._wait_for(self, timeout)
        if self._outcome is None:
            raise TimeoutError("the message is not answered yet")
        return self._outcome


class Publisher:
    """Publishes many messages over one stream. Safe for threads; leave it by `close`, or use it in a `with`.

    Messages have ids made of their numbers, so that what is sent again after a lost connection is stored once.
    """

    def __init__(self, transport: Transport, options: PublisherOptions) -> None:
        self._engine = Publishing(transport, options, self._take)
        self._timeout = options.timeout
        self._answered = threading.Condition(threading.Lock())
        self._waiters = 0

    def publish(self, subject: str, payload: Payload = b"", *, message_id: str = "", **more: Any) -> PublishFuture:
        """Takes one message. Waits while too much is unanswered, and not for the message to be stored.

        `more` are the other fields of an OutgoingMessage: headers, expect, ttl, rollup and so on.
        """
        if message_id or more:
            return self.publish_message(OutgoingMessage(subject, payload, message_id=message_id, **more))
        data = payload if type(payload) is bytes else payload_bytes(payload)
        return self._add(_frames.plain_head(subject), data, "")

    def publish_message(self, message: OutgoingMessage) -> PublishFuture:
        """The same with a message that was put together before."""
        return self._add(_frames.head_of(message.envelope()), payload_bytes(message.payload), message.message_id)

    def flush(self, timeout: float | None = None) -> None:
        """Waits until nothing is unanswered. TimeoutError when that takes longer than `timeout` seconds."""
        if not self._engine.flush(timeout):
            raise TimeoutError("not everything is answered yet")

    def close(self, timeout: float | None = None) -> None:
        """Waits for what is unanswered and ends the stream; what is left after `timeout` fails."""
        self._engine.close(timeout)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, head: bytes, payload: bytes, message_id: str) -> PublishFuture:
        future = PublishFuture(self, head, payload, message_id, time.monotonic() + self._timeout)
        self._engine.add(future)
        return future

    def _take(self, settled: Settled) -> None:
        """Completes futures; called by the engine."""
        with self._answered:
            for entry, outcome in settled:
                assert isinstance(entry, PublishFuture)
                entry._outcome = outcome
            if self._waiters:
                self._answered.notify_all()
        for entry, _ in settled:
            if isinstance(entry, PublishFuture) and entry._callbacks is not None:
                entry._call_back()

    def _wait_for(self, future: PublishFuture, timeout: float | None) -> None:
        self._engine.hurry()
        with self._answered:
            self._waiters += 1
            try:
                self._answered.wait_for(future.done, timeout)
            finally:
                self._waiters -= 1
