"""The engine of consumers and readers, for threads and for asyncio: one session after the other."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from jetgate._acknowledging import acknowledge
from jetgate._link import OPEN_WITHIN, Line, Link
from jetgate._settlements import Delivery, Settlements, Word
from jetgate._transport import Transport
from jetgate.errors import ClosedError, DeadlineExceededError, JetgateError
from jetgate.v1 import consume_pb2, session_pb2

log = logging.getLogger("jetgate")

_METHOD = "/jetgate.v1.SubscriberService/Consume"

# How long settlements may wait for others to share their frame, in seconds.
_LINGER = 0.01

# How long the gateway may take to answer what was said last, and to end the session, in seconds.
_LAST_ANSWERS = 5.0

# How long it may take then to say to any gateway what was not answered.
_LAST_CALLS = 10.0


# How long the gateway may take to answer what was said before the next session is opened all the same, in seconds.
_LAST_TOKENS = 2.0


class Session:
    """What was agreed of a session that is open."""

    def __init__(self, link: Link, opened: session_pb2.SessionOpened) -> None:
        self.link = link
        self.ping_every = opened.ping_within.ToTimedelta().total_seconds() / 3
        self.renew_every = opened.ack_wait.ToTimedelta().total_seconds() / 4
        self.renewed: float | None = None
        """When fresh tokens were asked for, as the gateway is about to end it."""
        self.idle = False
        """Its sender waits for something to say."""

    @property
    def offer_lasts(self) -> float:
        """For how long another session may be opened with the tokens of this one."""
        return max(0.5, 2 * self.renew_every)

    def wants_tokens(self, now: float) -> bool:
        """Whether fresh tokens are due."""
        if self.link.announced is None or not self.renew_every:
            return False
        return self.renewed is None or now >= self.renewed + self.renew_every


# Makes what is handed out of a message.
Make = Callable[[session_pb2.ReceivedMessage, "Consuming"], Delivery]


class Consuming:
    """Hands out deliveries from `queue`; whoever finds it empty waits. `ready` is called when that may be over."""

    def __init__(
        self,
        transport: Transport,
        open: consume_pb2.ConsumeOpen,
        window: int,
        *,
        make: Make | None = None,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.queue: deque[Delivery] = deque()
        self._open = open
        self._window = window
        self._make = make or (lambda raw, engine: Delivery(raw))
        self._ready = ready
        self._acks = not open.HasField("ordered")
        # Guards everything below. The sender waits for work, others for messages, room or the end.
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._changed = threading.Condition(self._lock)
        self._book = Settlements()
        self._transport = transport
        self._line = Line(transport, _METHOD, consume_pb2.ConsumeResponse, self, "consumer")
        # The session that is open.
        self._session: Session | None = None
        self._was_opened = False
        self._asked: list[tuple[Delivery, str]] = []
        self._blocked = False
        self._draining = False
        self._half_closed = False
        self._last_error: JetgateError | None = None
        self._error: JetgateError | None = None
        self._over = False
        self._unheard = 0
        self._heartbeat: session_pb2.SessionHeartbeat | None = None
        # For ordered reads: tokens that resume behind so many messages of this engine, counted over its sessions.
        self._marks: deque[tuple[int, str]] = deque()
        self._received = 0
        self._skip_through = 0
        self.gaps: list[session_pb2.Gap] = []

    def start(self, timeout: float) -> None:
        """Opens the first session, and raises what keeps it from being opened."""
        self.begin()
        with self._lock:
            self._changed.wait_for(lambda: self._was_opened or self._over, timeout)
            if self._was_opened:
                return
            error = self._error or self._last_error
        self._line.stop()
        raise error or DeadlineExceededError("no gateway opened the session in time", code="DEADLINE_EXCEEDED")

    def begin(self) -> None:
        """Opens the first session without waiting for it."""
        self._line.start()

    def wait(self, timeout: float | None) -> bool:
        """Waits until there may be something in the queue. False when the time is over before."""
        with self._lock:
            return self._changed.wait_for(lambda: bool(self.queue) or self.is_over, timeout)

    @property
    def is_over(self) -> bool:
        """Whether no message will come any more."""
        return self._over or self._draining

    @property
    def is_open(self) -> bool:
        return self._was_opened

    @property
    def error(self) -> JetgateError | None:
        """What ended the consuming; None in order."""
        return self._error

    @property
    def pending(self) -> int | None:
        """How many messages wait for the consumer, as last heard."""
        return self._heartbeat.pending if self._heartbeat is not None else None

    @property
    def stall(self) -> str:
        """Why nothing comes, as last heard, in the contract's words; empty when nothing stalls."""
        if self._heartbeat is None or not self._heartbeat.stall_reason:
            return ""
        return session_pb2.StallReason.Name(self._heartbeat.stall_reason).removeprefix("STALL_REASON_")

    def taken(self) -> None:
        """Something was taken from the queue of an ordered read; there may be room again."""
        if self._blocked and len(self.queue) <= self._window // 2:
            with self._lock:
                self._changed.notify_all()

    def ack(self, delivery: Delivery) -> None:
        with self._lock:
            if delivery.settled:
                return
            self._book.ack(delivery)
            self._said(urgent=False)

    def say(self, word: Word) -> None:
        with self._lock:
            if word.delivery.settled and word.kind == session_pb2.ACK_KIND_IN_PROGRESS:
                return
            if self._over:
                raise self._error or ClosedError("the consumer is closed", code="CANCELLED")
            self._book.say(word)
            self._said(urgent=True)

    def confirm(self, delivery: Delivery) -> Future[None]:
        """Acknowledges, and tells when JetStream has it."""
        word = Word(delivery, session_pb2.ACK_KIND_ACK, confirmed=Future())
        assert word.confirmed is not None
        self.say(word)
        return word.confirmed

    def stop_deliveries(self) -> None:
        """Begins a drain: what nobody has seen yet is left to others."""
        with self._lock:
            self._draining = True
            self._empty_queue()
            self._work.notify()
            self._changed.notify_all()
        self._ready()

    def drain(self, timeout: float | None) -> bool:
        """Waits until all that was handed out is settled, and ends the session. False: not in time."""
        self.stop_deliveries()
        with self._lock:
            settled = self._changed.wait_for(lambda: self._over or self._is_quiet(), timeout) and self._error is None
        return self.close() and settled

    def close(self) -> bool:
        """Ends the session; what is not settled goes to others. False: not all that was said of messages was taken."""
        with self._lock:
            self._draining = self._half_closed = True
            self._empty_queue()
            self._work.notify()
            self._changed.notify_all()
            is_open = self._session is not None
        if not (is_open and self._line.join(_LAST_ANSWERS)):
            self._line.stop()
            self._line.join(_LAST_ANSWERS + _LAST_CALLS)
        self._ready()
        return not self._unheard

    def position(self, handed_out: int, sequence: int) -> str:
        """What resumes behind this message of an ordered read, the so-manieth that was handed out."""
        with self._lock:
            while len(self._marks) > 1 and self._marks[1][0] <= handed_out:
                self._marks.popleft()
            count, token = self._marks[0] if self._marks else (0, self._open.resume_token)
            skip = sequence if handed_out > count else 0
            return f"{skip}.{token}"

    def resume_at(self, position: str) -> None:
        """Begins at a position of an earlier read."""
        skip, _, token = position.partition(".")
        self._skip_through = int(skip)
        self._open.resume_token = token

    def requests(self, link: Link) -> Iterator[bytes]:
        with self._lock:
            self._asked = [(delivery, delivery.ack_token) for delivery in self._book.held()[: self._window]]
            self._open.held[:] = [token for _, token in self._asked]
            opening = consume_pb2.ConsumeRequest(open=self._open).SerializeToString()
            # Tokens that expire meanwhile would not be taken over: then it is tried again with fresh ones.
            before = self._session
            patience = before.offer_lasts if before is not None and self._asked else OPEN_WITHIN
        yield opening
        with self._lock:
            self._work.wait_for(lambda: self._is_of(link) or link.over, patience)
            session = self._session
            if session is None or session.link is not link:
                link.cut()
                return
            is_draining = self._draining
        if is_draining:
            yield _drain()
        while True:
            yield from self._next_frames(session, is_draining)
            if self._session is not session or link.over or (self._half_closed and not self._book.unsaid):
                return
            is_draining = self._draining

    def received(self, link: Link, response: consume_pb2.ConsumeResponse) -> None:
        match response.WhichOneof("frame"):
            case "messages":
                self._take_messages(response.messages)
                link.heard = time.monotonic()
            case "settled":
                with self._lock:
                    self._book.answered(response.settled)
                    self._changed.notify_all()
                    if link.announced is not None:
                        self._work.notify()  # the next session waits for this
            case "heartbeat":
                self._heartbeat = response.heartbeat
                self._mark(response.heartbeat.resume_token)
            case "opened":
                self._take_opened(link, response.opened)
            case "draining":
                self._mark(response.draining.resume_token)
                self._take_draining(link, response.draining.reason)
            case "gap":
                self.gaps.append(response.gap)
                if response.gap.stream_recreated:
                    self._skip_through = 0

    def broken(self, link: Link, error: JetgateError) -> float | None:
        with self._lock:
            self._session = None
            self._last_error = error
            self._book.moved()
            if self._marks:
                self._open.resume_token = self._marks[-1][1]
            self._work.notify_all()
            return None if self._half_closed else 60.0

    def ended(self, error: JetgateError | None) -> None:
        with self._lock:
            self._over = True
            self._error = self._error or (None if self._half_closed else error)
            left = self._book.left()
            self._work.notify_all()
            self._changed.notify_all()
        self._ready()
        if left:
            self._unheard = acknowledge(self._transport, left, _LAST_CALLS)

    def _take_messages(self, batch: session_pb2.MessageBatch) -> None:
        deliveries = [self._make(raw, self) for raw in batch.messages]
        if self._skip_through:
            deliveries = [delivery for delivery in deliveries if delivery.sequence > self._skip_through]
        with self._lock:
            if self._acks:
                self._book.delivered(deliveries)
            if self._draining:
                for delivery in deliveries:
                    self._book.forget(delivery)
                return
            self.queue.extend(deliveries)
            self._received += len(deliveries)
            if batch.resume_token:
                self._marks.append((self._received, batch.resume_token))
            self._changed.notify_all()
        self._ready()
        if not self._acks:
            self._wait_for_room()

    def _wait_for_room(self) -> None:
        """An ordered read has no window of its own: not reading on is what holds the gateway."""
        with self._lock:
            if len(self.queue) > self._window:
                self._blocked = True
                self._changed.wait_for(lambda: len(self.queue) <= self._window // 2 or self._over or self._half_closed)
                self._blocked = False

    def _take_opened(self, link: Link, opened: session_pb2.SessionOpened) -> None:
        with self._lock:
            self._book.moved()
            for delivery in self._book.adopted(self._asked, opened.held, opened.not_held):
                if delivery in self.queue:
                    self.queue.remove(delivery)
            self._asked = []
            self._session = Session(link, opened)
            self._was_opened = True
            if opened.resume_token and not self._marks:
                self._marks.append((self._received, opened.resume_token))
            self._work.notify_all()
            self._changed.notify_all()
        self._ready()

    def _take_draining(self, link: Link, reason: session_pb2.DrainingReason) -> None:
        with self._lock:
            link.announced = link.announced or time.monotonic()
            self._work.notify()
        if reason == session_pb2.DRAINING_REASON_SHUTDOWN:
            self._transport.failed(link.number)
        if not self._acks:
            link.cut()  # nothing is to be settled: the next session goes on at once

    def _is_of(self, link: Link) -> bool:
        return self._session is not None and self._session.link is link

    def _mark(self, token: str) -> None:
        """Everything received so far lies before this token."""
        with self._lock:
            if token and self._marks:
                self._marks.append((self._received, token))

    def _next_frames(self, session: Session, is_draining: bool) -> list[bytes]:
        """The next frames to send, once there are some; a ping when there are none for a while."""
        link = session.link
        with self._lock:
            ping_at = time.monotonic() + session.ping_every
            lingering_until: float | None = None
            while self._session is session and not link.over:
                now = time.monotonic()
                if self._draining and not is_draining:
                    return [_drain()]
                if not self._moves_on(session, now):
                    if renewals := self._renewals(session, now):
                        return renewals
                    if self._book.unsaid:
                        lingering_until = lingering_until or now + _LINGER
                        if now >= lingering_until or self._hurries():
                            return [_settle(frame) for frame in self._book.frames()]
                    if self._half_closed:
                        return []
                if link.silent() and not self._blocked:
                    link.cut()
                    return []
                if now >= ping_at:
                    return [_ping()]
                wake = [at for at in (lingering_until, *self._moments(session)) if at is not None and at > now]
                session.idle = True
                self._work.wait(max(0.0, min([ping_at, *wake]) - now))
                session.idle = False
            return []

    def _moves_on(self, session: Session, now: float) -> bool:
        """Whether the next session is asked to take over everything; what concerns messages waits meanwhile.

        That begins when the gateway is about to end this one, once what was said is answered and the tokens are fresh.
        """
        announced = session.link.announced
        if announced is None:
            return False
        if self._line.succeeds:
            return True
        if self._draining or now < self._line.next_attempt or session.wants_tokens(now):
            return False
        if now < announced + _LAST_TOKENS and (self._book.unsaid or self._book.unanswered):
            return False
        self._line.succeed(self._decided)
        return True

    def _decided(self) -> None:
        with self._lock:
            self._work.notify_all()

    def _moments(self, session: Session) -> tuple[float | None, ...]:
        """When there may be something to do for a session that comes to its end."""
        announced, renewed = session.link.announced, session.renewed
        if announced is None or self._line.succeeds:
            return ()
        return (renewed and renewed + session.renew_every, announced + _LAST_TOKENS, self._line.next_attempt)

    def _renewals(self, session: Session, now: float) -> list[bytes]:
        """Tokens are renewed until the session ends, whatever else there is to say, so that the next takes over all."""
        if self._half_closed or not session.wants_tokens(now):
            return []
        session.renewed = now
        return [_settle(frame) for frame in self._book.renewals()]

    def _said(self, urgent: bool) -> None:
        unsaid = self._book.unsaid
        if self._session is not None and self._session.idle and (urgent or unsaid == 1 or unsaid * 2 >= self._window):
            self._work.notify()
        if self._draining:
            self._changed.notify_all()

    def _hurries(self) -> bool:
        return self._book.has_words or self._book.unsaid * 4 >= self._window or self._draining

    def _is_quiet(self) -> bool:
        return not (self._book.outstanding or self._book.unsaid or self._book.unanswered)

    def _empty_queue(self) -> None:
        while self.queue:
            try:
                self._book.forget(self.queue.popleft())
            except IndexError:  # somebody else took it
                break


def _settle(frame: consume_pb2.SettleFrame) -> bytes:
    return consume_pb2.ConsumeRequest(settle=frame).SerializeToString()


def _ping() -> bytes:
    request = consume_pb2.ConsumeRequest()
    request.ping.SetInParent()
    return request.SerializeToString()


def _drain() -> bytes:
    request = consume_pb2.ConsumeRequest()
    request.drain.SetInParent()
    return request.SerializeToString()
