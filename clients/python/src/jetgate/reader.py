"""An ordered read for programs with threads: a stream as a plain iterator, with a position to go on from."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from jetgate._consuming import Consuming
from jetgate._options import ReaderOptions
from jetgate._transport import Transport
from jetgate.message import ReceivedMessage
from jetgate.v1 import session_pb2

__all__ = ["Reader", "ReaderOptions"]


class Reader:
    """Reads a stream in order, without loss or repeat, over lost connections too. Nothing is acknowledged."""

    def __init__(self, transport: Transport, stream: str, options: ReaderOptions) -> None:
        self._engine = Consuming(transport, options.open(stream), options.buffer)
        if options.resume:
            self._engine.resume_at(options.resume)
        self._handed_out = 0
        self._sequence = 0
        self._engine.start(options.open_timeout)

    def __iter__(self) -> Iterator[ReceivedMessage]:
        """Messages as they come, until `close` or the end that was asked for."""
        while (message := self.receive()) is not None:
            yield message

    def receive(self, timeout: float | None = None) -> ReceivedMessage | None:
        """The next message. None when none came in `timeout` seconds, or at the end."""
        engine = self._engine
        while not engine.queue:
            if engine.is_over:
                if engine.error is not None:
                    raise engine.error
                return None
            if not engine.wait(timeout):
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

    def close(self) -> None:
        """Ends the read."""
        self._engine.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
