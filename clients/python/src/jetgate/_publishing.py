"""The engine of publishers, for threads and for asyncio: batches, back-pressure, one stream after the other."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jetgate import _frames
from jetgate._ledger import USUAL_WINDOW, Entry, Ledger, Settled
from jetgate._link import HEARTBEAT, OPEN_WITHIN, Line, Link
from jetgate._transport import Transport
from jetgate.errors import ClosedError, JetgateError
from jetgate.v1 import publish_stream_pb2

_METHOD = "/jetgate.v1.PublisherService/PublishStream"


@dataclass(frozen=True)
class PublisherOptions:
    """How a publisher batches, what it holds, and how long it tries."""

    stream: str = ""
    """The stream that takes all messages; it must exist. Empty: each goes to the stream that takes its subject."""
    cumulative: bool = False
    """Learn only that messages are stored, and not where: `sequence` is None then. With a stream that has allow_batched
    this is faster. Needs `stream`."""
    message_ids: bool = True
    """Give messages ids made of their numbers, so that they are stored once however often they have to be sent. Ids
    cost the server memory while the stream's duplicate window lasts. Without, what was sent and is not answered when a
    connection breaks fails with a PublishOutcomeUnknownError, unless it has an id of its own."""
    max_in_flight: int = 4096
    """How many messages may be unanswered, whether sent or not. Publishing waits beyond."""
    max_in_flight_bytes: int = 32 * 1024 * 1024
    """How many bytes."""
    batch_messages: int = 512
    """How many messages go into one frame at most."""
    batch_bytes: int = 512 * 1024
    """How many bytes."""
    linger: float = 0.005
    """How long a message may wait for others to share its frame, in seconds."""
    timeout: float = 60.0
    """How long to try to get a message stored, in seconds, over reconnects and retries."""
    name: str = ""
    """Who publishes, for the gateway's lists and log."""

    def __post_init__(self) -> None:
        if self.cumulative and not self.stream:
            raise ValueError("a cumulative publisher needs a stream")
        for field in ("max_in_flight", "max_in_flight_bytes", "batch_messages", "batch_bytes", "timeout"):
            if getattr(self, field) <= 0:
                raise ValueError(f"{field} must be more than 0")


class Publishing:
    """Takes entries, and reports what became of them by `settled` from a thread of its own."""

    def __init__(
        self,
        transport: Transport,
        options: PublisherOptions,
        settled: Callable[[Settled], None],
        roomy: Callable[[], None] = lambda: None,
    ) -> None:
        self.options = options
        self._settled = settled
        self._roomy = roomy
        # Guards everything below. The sender waits for work, others for room or for the last answer.
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._changed = threading.Condition(self._lock)
        self._ledger = Ledger(options.stream, options.cumulative)
        self._line = Line(transport, _METHOD, publish_stream_pb2.PublishStreamResponse, self, "publisher")
        self._started = False
        self._opened: publish_stream_pb2.PublishOpened | None = None
        self._producer_id = f"py-{uuid.uuid4().hex}" if options.message_ids else ""
        self._hurry = False
        self._sender_idle = False
        self._full = False
        self._closing = False
        self._error: JetgateError | None = None

    def offer(self, entry: Entry) -> bool:
        """Takes an entry, unless there is no room: then `roomy` is called when it is worth offering it again."""
        with self._lock:
            return self._offer(entry)

    def add(self, entry: Entry) -> None:
        """Takes an entry once there is room."""
        with self._lock:
            while not self._offer(entry):
                self._changed.wait()  # `timeout` bounds it: what is unanswered is settled by then

    def _offer(self, entry: Entry) -> bool:
        if self._error is not None:
            raise self._error
        if self._closing:
            raise ClosedError("the publisher is closed", code="CANCELLED")
        ledger, options = self._ledger, self.options
        if ledger.messages >= options.max_in_flight or ledger.bytes >= options.max_in_flight_bytes:
            self._full = True
            self._work.notify()
            return False
        ledger.add(entry)
        if not self._started:
            self._started = True
            self._line.start()
        elif self._sender_idle and (options.linger <= 0 or ledger.waiting == 1 or self._is_batch()):
            self._work.notify()
        return True

    def hurry(self) -> None:
        """Somebody waits: what there is goes now."""
        with self._lock:
            self._hurry = True
            self._work.notify()

    def flush(self, timeout: float | None) -> bool:
        """Waits until everything is answered. False when the time is over before."""
        with self._lock:
            self._hurry = True
            self._work.notify()
            return self._changed.wait_for(lambda: self._ledger.messages == 0, timeout)

    def close(self, timeout: float | None) -> None:
        """Waits for what is unanswered, for so long at most, and ends the stream."""
        flushed = self.flush(timeout)
        with self._lock:
            self._closing = True
            self._work.notify()
            self._changed.notify_all()
        if self._started and not (flushed and self._line.join(5.0)):
            self._line.stop()
            self._line.join(5.0)
        self._finish(ClosedError("the publisher was closed before the message was answered", code="CANCELLED"))

    def requests(self, link: Link) -> Iterator[bytes]:
        yield self._opening()
        if not self._wait_opened(link):
            return
        options = self.options
        with self._lock:
            forgotten = self._ledger.forgotten(time.monotonic())
            again = list(self._ledger.again(options.batch_messages, options.batch_bytes))
        self._report(forgotten)
        yield from again
        while True:
            frame, settled = self._next_frame(link)
            self._report(settled)
            if frame is None:
                return
            if frame:
                yield frame

    def received(self, link: Link, response: publish_stream_pb2.PublishStreamResponse) -> None:
        if response.HasField("acks"):
            with self._lock:
                settled = self._ledger.answered(response.acks, time.monotonic())
                if self._sender_idle and self._ledger.next_due() is not None:
                    self._work.notify()  # what was put off is due before it would wake
            self._report(settled)
        elif response.HasField("opened"):
            with self._lock:
                self._take_opened(response.opened)
                self._work.notify()
        elif response.HasField("heartbeat"):
            # A gateway that lives and does not answer in time gets no more: another stream goes on.
            with self._lock:
                settled = self._ledger.expired(time.monotonic())
            self._report(settled)
            if settled:
                link.cut()
        elif response.HasField("draining"):
            # It takes no more. What it has is answered before it ends the stream, and the next one goes on.
            link.announced = time.monotonic()
        # The other frames show that the gateway lives, which the line has noticed.

    def broken(self, link: Link, error: JetgateError) -> float | None:
        now = time.monotonic()
        with self._lock:
            self._opened = None
            settled = [*self._ledger.broken(), *self._ledger.expired(now)]
            expiry = self._ledger.next_expiry()
            is_done = self._closing and self._ledger.messages == 0
            self._work.notify_all()
        self._report(settled)
        if is_done:
            return None
        return max(0.0, expiry - now) if expiry is not None else 60.0

    def ended(self, error: JetgateError | None) -> None:
        self._finish(error or ClosedError("the publisher is closed", code="CANCELLED"))

    def _opening(self) -> bytes:
        options, opened_before = self.options, bool(self._ledger.producer_id)
        open = publish_stream_pb2.PublishOpen(
            stream=options.stream,
            ack_mode="PUBLISH_ACK_MODE_CUMULATIVE" if options.cumulative else "PUBLISH_ACK_MODE_PER_MESSAGE",
            max_in_flight=min(options.max_in_flight, 16_384),
            max_in_flight_bytes=min(options.max_in_flight_bytes, 64 * 1024 * 1024),
            producer_id=self._ledger.producer_id or self._producer_id,
            resume=opened_before,
            mint_message_ids=options.message_ids,
            client_name=options.name,
        )
        open.heartbeat_interval.FromMilliseconds(int(HEARTBEAT * 1000))
        return _frames.opening(open)

    def _take_opened(self, opened: publish_stream_pb2.PublishOpened) -> None:
        self._opened = opened
        self._ledger.producer_id = opened.producer_id
        window = opened.duplicate_window.ToTimedelta().total_seconds() if opened.HasField("duplicate_window") else 0
        self._ledger.remembers = window or USUAL_WINDOW

    def _wait_opened(self, link: Link) -> bool:
        with self._lock:
            self._work.wait_for(lambda: self._opened is not None or link.over or self._error is not None, OPEN_WITHIN)
            if self._opened is None:
                link.cut()
            return self._opened is not None

    def _next_frame(self, link: Link) -> tuple[bytes | None, Settled]:
        """The next frame to send, once there is one; a ping when there is none for a while; None at the end.

        Or an empty frame, where all that waited was given up.
        """
        options, ledger = self.options, self._ledger
        with self._lock:
            assert self._opened is not None
            ping_at = time.monotonic() + self._opened.ping_within.ToTimedelta().total_seconds() / 3
            lingering_until: float | None = None
            while not link.over:
                now = time.monotonic()
                ledger.due(now)
                if ledger.waiting and link.announced is None:
                    lingering_until = lingering_until or now + options.linger
                    if self._is_batch() or self._hurry or self._full or now >= lingering_until:
                        taken = ledger.take(options.batch_messages, options.batch_bytes, now)
                        self._hurry = self._hurry and ledger.waiting > 0
                        return taken
                elif self._closing and ledger.messages == 0:
                    return None, []
                if link.silent():
                    link.cut()
                    return None, []
                if now >= ping_at:
                    return _frames.ping(), []
                until = min(ping_at, lingering_until or ping_at, ledger.next_due() or ping_at)
                self._sender_idle = True
                self._work.wait(max(0.0, until - now))
                self._sender_idle = False
            return None, []

    def _is_batch(self) -> bool:
        ledger = self._ledger
        return ledger.waiting >= self.options.batch_messages or ledger.waiting_bytes >= self.options.batch_bytes

    def _report(self, settled: Settled) -> None:
        if not settled:
            return
        self._settled(settled)
        with self._lock:
            was_full, self._full = self._full, False
            if was_full or self._ledger.messages == 0:
                self._changed.notify_all()
        if was_full:
            self._roomy()

    def _finish(self, error: JetgateError) -> None:
        with self._lock:
            if self._error is None:
                self._error = error
            settled = self._ledger.end(error)
            self._work.notify_all()
            self._changed.notify_all()
        self._report(settled)
        self._roomy()
