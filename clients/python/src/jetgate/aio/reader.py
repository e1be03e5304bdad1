"""An ordered read for asyncio: a stream as an asynchronous iterator, with a position to go on from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType

from jetgate._consuming import Consuming
from jetgate._options import ReaderOptions
from jetgate._transport import Transport
from jetgate.aio._signal import Signal
from jetgate.message import ReceivedMessage
from jetgate.v1 import session_pb2

__all__ = ["Reader", "ReaderOptions"]


class Reader:
    """Reads a stream in order, without loss or repeat, over lost connections too. Nothing is acknowledged.

    Opened by `async with` or by the first message asked for.
    """

    def __init__(self, transport: Transport, stream: str, options: ReaderOptions) -> None:
        self._signal = Signal(asyncio.get_running_loop())
        self._options = options
        self._opening = asyncio.Lock()
        self._engine = Consuming(transport, options.open(stream), options.buffer, ready=self._signal.send)
        if options.resume:
            self._engine.resume_at(options.resume)
        self._handed_out = 0
        self._sequence = 0

    async def __aiter__(self) -> AsyncIterator[ReceivedMessage]:
        """Messages as they come, until `close` or the end that was asked for."""
        while (message := await self.receive()) is not None:
            yield message

    async def receive(self, timeout: float | None = None) -> ReceivedMessage | None:
        """The next message. None when none came in `timeout` seconds, or at the end."""
        engine = self._engine
        if not engine.is_open:
            await self._open()
        while not engine.queue:
            if engine.is_over:
                if engine.error is not None:
                    raise engine.error
                return None
            if not await self._signal.until(lambda: bool(engine.queue) or engine.is_over, timeout):
                return None
        message = engine.queue.popleft()
        engine.taken()
        self._handed_out += 1
        self._sequence = message.sequence
        return message

    @property
    def position(self) -> str:
        """Behind the last message that was handed out; a later read of the same goes on there by `resume`."""
        return self._engine.position(self._handed_out, self._sequence)

    @property
    def gaps(self) -> list[session_pb2.Gap]:
        """Where messages were missing, with `on_gap="report"`."""
        return list(self._engine.gaps)

    async def close(self) -> None:
        """Ends the read."""
        await asyncio.to_thread(self._engine.close)

    async def __aenter__(self) -> Reader:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _open(self) -> None:
        async with self._opening:
            if not self._engine.is_open:
                await asyncio.to_thread(self._engine.start, self._options.open_timeout)
