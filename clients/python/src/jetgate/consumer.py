"""A consumer for programs with threads: an iterator of messages, or a handler that is called for each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import TracebackType

from jetgate._consuming import Consuming
from jetgate._options import ConsumerOptions
from jetgate._settlements import Delivery, Word
from jetgate._transport import Transport
from jetgate.v1 import session_pb2

log = logging.getLogger("jetgate")

__all__ = ["Consumer", "ConsumerOptions", "Message"]


class Message(Delivery):
    """A message to settle: by `ack` when it is done, or by one of the others."""

    __slots__ = ("_engine",)

    _engine: Consuming

    def ack(self, *, confirm: bool = False, timeout: float = 30.0) -> None:
        """Done: do not deliver it again. With `confirm` it returns once JetStream has that, or raises."""
        if not confirm:
            self._engine.ack(self)
            return
        try:
            self._engine.confirm(self).result(timeout)
        except FutureTimeoutError:
            raise TimeoutError("the acknowledgement is not confirmed yet") from None

    def nak(self, delay: float | None = None, reason: str = "") -> None:
        """Not done: deliver it again, after `delay` seconds or at once."""
        self._engine.say(Word(self, session_pb2.ACK_KIND_NAK, delay, reason))

    def term(self, reason: str = "") -> None:
        """Hopeless: do not deliver it again."""
        self._engine.say(Word(self, session_pb2.ACK_KIND_TERM, reason=reason))

    def in_progress(self) -> None:
        """At work: the ack_wait starts anew. Not needed while the consumer's `lease` lasts."""
        self._engine.say(Word(self, session_pb2.ACK_KIND_IN_PROGRESS))


class Consumer:
    """Receives the messages of a durable consumer. Safe for threads, which then share the messages.

    What is not settled is delivered again, to this or another consumer. When the connection breaks, another is made, on
    any gateway, and what is worked on stays this consumer's.
    """

    def __init__(self, transport: Transport, stream: str, consumer: str, options: ConsumerOptions) -> None:
        self._engine = Consuming(transport, options.open(stream, consumer), options.max_outstanding, make=self._make)
        self._engine.start(options.open_timeout)

    def __iter__(self) -> Iterator[Message]:
        """Messages as they come, until `drain` or `close`."""
        while (message := self.receive()) is not None:
            yield message

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message. None when none came in `timeout` seconds, or when the consumer was drained or closed."""
        engine = self._engine
        while True:
            try:
                message = engine.queue.popleft()
            except IndexError:
                if engine.is_over:
                    break
                if not engine.wait(timeout):
                    return None
            else:
                assert isinstance(message, Message)
                return message
        if engine.error is not None:
            raise engine.error
        return None

    def run(
        self,
        handler: Callable[[Message], object],
        *,
        concurrency: int = 1,
        nak_delay: float | None = 1.0,
        drain_timeout: float | None = 30.0,
    ) -> None:
        """Calls `handler` for each message, `concurrency` of them at a time, until `drain` or `close`, or Ctrl-C.

        A message whose handler returns is acknowledged, unless the handler has settled it; one whose handler raises
        comes again after `nak_delay` seconds.
        """
        threads = [
            threading.Thread(target=self._work, args=(handler, nak_delay), name=f"jetgate-handler-{n}", daemon=True)
            for n in range(concurrency)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            log.info("interrupted, draining")
            self.drain(drain_timeout)
            return
        if self._engine.error is not None:
            raise self._engine.error

    def drain(self, timeout: float | None = None) -> bool:
        """Asks for no more messages and waits until all that were handed out are settled, then ends the session.

        False when that was not so after `timeout` seconds: what was left is delivered again. False, too, where
        acknowledgements that were given could not be passed on: those messages may come again.
        """
        return self._engine.drain(timeout)

    def close(self) -> bool:
        """Ends the session at once. Acknowledgements that were given are still sent, between sessions to any gateway.

        False when that did not succeed in some seconds: those messages may come again.
        """
        return self._engine.close()

    @property
    def pending(self) -> int | None:
        """How many messages wait for the consumer, as last heard; None before that."""
        return self._engine.pending

    @property
    def stall(self) -> str:
        """Why nothing comes, as last heard: "WINDOW_FULL", "PAUSED" and so on; empty when nothing stalls."""
        return self._engine.stall

    def __enter__(self) -> Consumer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make(self, raw: session_pb2.ReceivedMessage, engine: Consuming) -> Message:
        message = Message(raw)
        message._engine = engine
        return message

    def _work(self, handler: Callable[[Message], object], nak_delay: float | None) -> None:
        while True:
            try:
                message = self.receive()
            except Exception:
                return  # `run` raises it
            if message is None:
                return
            try:
                handler(message)
            except Exception:
                log.exception("the handler failed, %r comes again", message)
                if not message.settled:
                    message.nak(nak_delay)
            else:
                message.ack()
