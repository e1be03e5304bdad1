"""A publisher for asyncio: batches what is published and says what became of each message."""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Any

from jetgate import _frames
from jetgate._ledger import Entry, Settled
from jetgate._publishing import PublisherOptions, Publishing
from jetgate._transport import Transport
from jetgate.aio._signal import Signal
from jetgate.messages import OutgoingMessage, Payload, PublishResult, payload_bytes

__all__ = ["Publisher", "PublisherOptions"]


class _Entry(Entry):
    """A message and the future of its result."""

    __slots__ = ("future",)

    future: asyncio.Future[PublishResult]


class Publisher:
    """Publishes many messages over one stream. For the tasks of one event loop; use it in an `async with`.

    Messages have ids made of their numbers, so that what is sent again after a lost connection is stored once.
    """

    def __init__(self, transport: Transport, options: PublisherOptions) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = Signal(self._loop)
        self._answered = asyncio.Event()
        self._engine = Publishing(transport, options, self._take, self._room.send)
        self._timeout = options.timeout
        self._unanswered = 0

    async def publish(
        self, subject: str, payload: Payload = b"", *, message_id: str = "", **more: Any
    ) -> asyncio.Future[PublishResult]:
        """Takes one message and returns a future of where it is stored.

        Waits while too much is unanswered, and not for the message to be stored. `more` are the other fields of an
        OutgoingMessage: headers, expect, ttl, rollup and so on.
        """
        if message_id or more:
            return await self.publish_message(OutgoingMessage(subject, payload, message_id=message_id, **more))
        data = payload if type(payload) is bytes else payload_bytes(payload)
        return await self._add(_frames.plain_head(subject), data, "")

    async def publish_message(self, message: OutgoingMessage) -> asyncio.Future[PublishResult]:
        """The same with a message that was put together before."""
        head = _frames.head_of(message.envelope())
        return await self._add(head, payload_bytes(message.payload), message.message_id)

    async def flush(self, timeout: float | None = None) -> None:
        """Waits until nothing is unanswered. TimeoutError when that takes longer than `timeout` seconds."""
        self._engine.hurry()
        try:
            await asyncio.wait_for(self._flush(), timeout)
        except asyncio.TimeoutError:
            raise TimeoutError("not everything is answered yet") from None

    async def close(self, timeout: float | None = None) -> None:
        """Waits for what is unanswered and ends the stream; what is left after `timeout` fails."""
        with contextlib.suppress(TimeoutError):
            await self.flush(timeout)
        await asyncio.to_thread(self._engine.close, 0.0)
        await self._flush()

    async def __aenter__(self) -> Publisher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _add(self, head: bytes, payload: bytes, message_id: str) -> asyncio.Future[PublishResult]:
        entry = _Entry(head, payload, message_id, time.monotonic() + self._timeout)
        future = entry.future = self._loop.create_future()
        if not self._engine.offer(entry):
            await self._room.until(lambda: self._engine.offer(entry), None)
        self._unanswered += 1
        return future

    async def _flush(self) -> None:
        while self._unanswered:
            self._answered.clear()
            await self._answered.wait()

    def _take(self, settled: Settled) -> None:
        """Called by the engine, in its thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._complete, settled)

    def _complete(self, settled: Settled) -> None:
        self._unanswered -= len(settled)
        for entry, outcome in settled:
            assert isinstance(entry, _Entry)
            future = entry.future
            if future.done():  # cancelled
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        if not self._unanswered:
            self._answered.set()
