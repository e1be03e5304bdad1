"""A consumer for asyncio: an asynchronous iterator of messages, or a handler that is called for each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType

from jetgate._consuming import Consuming
from jetgate._options import ConsumerOptions
from jetgate._settlements import Delivery, Word
from jetgate._transport import Transport
from jetgate.aio._signal import Signal
from jetgate.v1 import session_pb2

log = logging.getLogger("jetgate")

__all__ = ["Consumer", "ConsumerOptions", "Message"]


class Message(Delivery):
    """A message to settle: by `ack` when it is done, or by one of the others."""

    __slots__ = ("_engine",)

    _engine: Consuming

    async def ack(self, *, confirm: bool = False, timeout: float = 30.0) -> None:
        """Done: do not deliver it again. With `confirm` it returns once JetStream has that, or raises."""
        if not confirm:
            self._engine.ack(self)
            return
        try:
            await asyncio.wait_for(asyncio.wrap_future(self._engine.confirm(self)), timeout)
        except asyncio.TimeoutError:
            raise TimeoutError("the acknowledgement is not confirmed yet") from None

    async def nak(self, delay: float | None = None, reason: str = "") -> None:
        """Not done: deliver it again, after `delay` seconds or at once."""
        self._engine.say(Word(self, session_pb2.ACK_KIND_NAK, delay, reason))

    async def term(self, reason: str = "") -> None:
        """Hopeless: do not deliver it again."""
        self._engine.say(Word(self, session_pb2.ACK_KIND_TERM, reason=reason))

    async def in_progress(self) -> None:
        """At work: the ack_wait starts anew. Not needed while the consumer's `lease` lasts."""
        self._engine.say(Word(self, session_pb2.ACK_KIND_IN_PROGRESS))


class Consumer:
    """Receives the messages of a durable consumer. For the tasks of one event loop, which then share the messages.

    What is not settled is delivered again, to this or another consumer. When the connection breaks, another is made, on
    any gateway, and what is worked on stays this consumer's. Opened by `async with` or by the first message asked for.
    """

    def __init__(self, transport: Transport, stream: str, consumer: str, options: ConsumerOptions) -> None:
        self._signal = Signal(asyncio.get_running_loop())
        self._options = options
        self._opening = asyncio.Lock()
        self._engine = Consuming(
            transport,
            options.open(stream, consumer),
            options.max_outstanding,
            make=self._make,
            ready=self._signal.send,
        )

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Messages as they come, until `drain` or `close`."""
        while (message := await self.receive()) is not None:
            yield message

    async def receive(self, timeout: float | None = None) -> Message | None:
        """The next message. None when none came in `timeout` seconds, or when the consumer was drained or closed."""
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
        assert isinstance(message, Message)
        return message

    async def run(
        self,
        handler: Callable[[Message], Awaitable[object]],
        *,
        concurrency: int = 1,
        nak_delay: float | None = 1.0,
        drain_timeout: float | None = 30.0,
    ) -> None:
        """Calls `handler` for each message, `concurrency` of them at a time, until `drain` or `close`.

        A message whose handler returns is acknowledged, unless the handler has settled it; one whose handler raises
        comes again after `nak_delay` seconds. When the task is cancelled (Ctrl-C in asyncio.run), so are the handlers,
        and the consumer is drained.
        """
        tasks = [asyncio.create_task(self._work(handler, nak_delay)) for _ in range(concurrency)]
        try:
            await asyncio.gather(*tasks)
        finally:
            self._engine.stop_deliveries()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.drain(drain_timeout)

    async def drain(self, timeout: float | None = None) -> bool:
        """Asks for no more messages and waits until all that were handed out are settled, then ends the session.

        False when that was not so after `timeout` seconds: what was left is delivered again. False, too, where
        acknowledgements that were given could not be passed on: those messages may come again.
        """
        return await asyncio.to_thread(self._engine.drain, timeout)

    async def close(self) -> bool:
        """Ends the session at once. Acknowledgements that were given are still sent, between sessions to any gateway.

        False when that did not succeed in some seconds: those messages may come again.
        """
        return await asyncio.to_thread(self._engine.close)

    @property
    def pending(self) -> int | None:
        """How many messages wait for the consumer, as last heard; None before that."""
        return self._engine.pending

    @property
    def stall(self) -> str:
        """Why nothing comes, as last heard: "WINDOW_FULL", "PAUSED" and so on; empty when nothing stalls."""
        return self._engine.stall

    async def __aenter__(self) -> Consumer:
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

    def _make(self, raw: session_pb2.ReceivedMessage, engine: Consuming) -> Message:
        message = Message(raw)
        message._engine = engine
        return message

    async def _work(self, handler: Callable[[Message], Awaitable[object]], nak_delay: float | None) -> None:
        async for message in self:
            try:
                await handler(message)
            except asyncio.CancelledError:
                await message.nak()
                raise
            except Exception:
                log.exception("the handler failed, %r comes again", message)
                if not message.settled:
                    await message.nak(nak_delay)
            else:
                await message.ack()
