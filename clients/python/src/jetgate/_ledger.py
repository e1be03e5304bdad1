"""The book of a publisher: what waits, what is under way under which number, and what answers say of it. No I/O."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable

from jetgate import _frames, errors
from jetgate.errors import DeadlineExceededError, JetgateError
from jetgate.messages import PublishResult
from jetgate.v1 import error_pb2, publish_stream_pb2

Outcome = PublishResult | JetgateError

# What the gateway counts for a message beside its payload.
OVERHEAD = 64

# When a message that failed for now is sent again, in seconds. The gateway itself has tried for a while already.
_PUT_OFF = 0.2

# What a stream remembers ids for, where it does not say: JetStream's default.
USUAL_WINDOW = 120.0

# The part of that in which it is safe to send a message again: what is sent takes a while to be stored.
SAFE = 0.9


class Entry:
    """A message that is not answered yet."""

    __slots__ = ("expires", "head", "in_doubt", "message_id", "payload", "sent_at", "size")

    def __init__(self, head: bytes, payload: bytes, message_id: str, expires: float) -> None:
        self.head = head
        self.payload = payload
        self.message_id = message_id
        self.expires = expires
        self.size = len(head) + len(payload) + OVERHEAD
        # When it was sent for the first time; 0.0: never.
        self.sent_at = 0.0
        # It was sent and not answered before: that may have stored it, whatever later attempts say.
        self.in_doubt = False


Settled = list[tuple[Entry, Outcome]]


class Ledger:
    """Every entry is in one place: waiting, under way, or put off. Not safe for threads by itself."""

    def __init__(self, stream: str = "", cumulative: bool = False) -> None:
        self._stream = stream
        self._cumulative = cumulative
        self._waiting: deque[Entry] = deque()
        # By number, and in the order of the numbers.
        self._under_way: dict[int, Entry] = {}
        self._put_off: list[tuple[float, int, Entry]] = []
        self._tie = itertools.count()
        self._next_number = 1
        self.producer_id = ""
        # How long the stream remembers ids. What was sent longer ago is not sent again: it might be stored twice.
        self.remembers = USUAL_WINDOW
        self.messages = 0
        self.bytes = 0
        self.waiting_bytes = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, entry: Entry) -> None:
        self._waiting.append(entry)
        self.messages += 1
        self.bytes += entry.size
        self.waiting_bytes += entry.size

    def take(self, messages: int, size: int, now: float) -> tuple[bytes, Settled]:
        """The next frame, of at most so much; one larger message goes alone. Its messages are under way then.

        Returns too what waited to be sent again for too long. Where nothing else waited, the frame is empty.
        """
        first = self._next_number
        taken: list[tuple[bytes, bytes]] = []
        settled: Settled = []
        left = size
        while self._waiting and len(taken) < messages:
            entry = self._waiting[0]
            if taken and entry.size > left:
                break
            self.waiting_bytes -= entry.size
            self._waiting.popleft()
            if entry.sent_at and (now >= entry.expires or self._is_forgotten(entry, now)):
                settled.append((entry, _unanswered(entry)))
                continue
            left -= entry.size
            entry.sent_at = entry.sent_at or now
            self._under_way[self._next_number] = entry
            self._next_number += 1
            taken.append((entry.head, entry.payload))
        self._forget(settled)
        return _frames.frame(first, taken) if taken else b"", settled

    def again(self, messages: int, size: int) -> Iterable[bytes]:
        """Frames with all that is under way, under the same numbers, for another stream of the same producer."""
        first, last, left = 0, 0, 0
        taken: list[tuple[bytes, bytes]] = []
        for number, entry in self._under_way.items():
            if taken and (number != last + 1 or len(taken) >= messages or entry.size > left):
                yield _frames.frame(first, taken)
                taken = []
            if not taken:
                first, left = number, size
            entry.in_doubt = True
            taken.append((entry.head, entry.payload))
            left -= entry.size
            last = number
        if taken:
            yield _frames.frame(first, taken)

    def answered(self, acks: publish_stream_pb2.PublishAcks, now: float) -> Settled:
        """What is settled by these answers. Failures that pass are put off instead, while their time lasts."""
        settled: Settled = []
        under_way, append = self._under_way, settled.append
        for stored in acks.stored:
            stream, duplicate = stored.stream or self._stream, stored.duplicate
            domain, counter = stored.domain, stored.counter_value
            first = stored.first_number
            offset = stored.first_sequence - first
            for number in range(first, stored.last_number + 1):
                entry = under_way.pop(number, None)
                if entry is not None:
                    result = PublishResult(stream, number + offset, duplicate, entry.message_id, domain, counter)
                    append((entry, result))
        for failure in acks.failed:
            for number in range(failure.first_number, failure.last_number + 1):
                entry = under_way.pop(number, None)
                if entry is not None and not self._try_later(number, entry, failure.status, now):
                    settled.append((entry, self._refused(number, entry, errors.from_item(failure.status))))
        if self._cumulative:
            self._settle_through(acks.settled_through, settled)
        self._forget(settled)
        return settled

    def due(self, now: float) -> None:
        """Lets what was put off wait again once its time has come."""
        while self._put_off and self._put_off[0][0] <= now:
            _, _, entry = heapq.heappop(self._put_off)
            self._waiting.append(entry)
            self.waiting_bytes += entry.size

    def next_due(self) -> float | None:
        return self._put_off[0][0] if self._put_off else None

    def broken(self) -> Settled:
        """A stream broke. Without numbers that make ids, only what has an id of its own can be sent again."""
        if self.producer_id:
            return []
        sent = list(self._under_way.values())
        self._under_way.clear()
        again = [entry for entry in sent if entry.message_id]
        for entry in again:
            entry.in_doubt = True
        self._waiting.extendleft(reversed(again))
        self.waiting_bytes += sum(entry.size for entry in again)
        settled: Settled = [(entry, _unanswered(entry)) for entry in sent if not entry.message_id]
        self._forget(settled)
        return settled

    def forgotten(self, now: float) -> Settled:
        """What may not be sent again over the stream that was opened: it may not know ids that old."""
        settled: Settled = []
        for number, entry in list(self._under_way.items()):
            if self._is_forgotten(entry, now):
                del self._under_way[number]
                settled.append((entry, _unanswered(self._named(number, entry))))
        self._forget(settled)
        return settled

    def expired(self, now: float) -> Settled:
        """What has run out of time. What is sent again has less of it left than what was published since."""
        settled: Settled = []
        for number, entry in list(self._under_way.items()):
            if now >= entry.expires:
                del self._under_way[number]
                settled.append((entry, _unanswered(self._named(number, entry))))
        put_off = [entry for _, _, entry in self._put_off if now >= entry.expires]
        if put_off:
            self._put_off = [one for one in self._put_off if now < one[2].expires]
            heapq.heapify(self._put_off)
        waiting = [entry for entry in self._waiting if now >= entry.expires]
        if waiting:
            self._waiting = deque(entry for entry in self._waiting if now < entry.expires)
            self.waiting_bytes -= sum(entry.size for entry in waiting)
        settled += [(entry, _unanswered(entry)) for entry in (*put_off, *waiting)]
        self._forget(settled)
        return settled

    def next_expiry(self) -> float | None:
        """When something may run out of time."""
        put_off = (entry for _, _, entry in self._put_off)
        unanswered = itertools.chain(self._under_way.values(), put_off, self._waiting)
        return min((entry.expires for entry in unanswered), default=None)

    def end(self, error: JetgateError) -> Settled:
        """Gives everything up. What was sent may be stored all the same."""
        put_off = [entry for _, _, entry in self._put_off]
        under_way = [self._named(number, entry) for number, entry in self._under_way.items()]
        left = [*under_way, *put_off, *self._waiting]
        settled: Settled = [(entry, _given_up(entry, error)) for entry in left]
        self._under_way.clear()
        self._put_off.clear()
        self._waiting.clear()
        self.messages = self.bytes = self.waiting_bytes = 0
        return settled

    def _settle_through(self, number: int, settled: Settled) -> None:
        """In a cumulative stream all numbers up to this one are stored that did not fail."""
        passed = []
        for one in self._under_way:
            if one > number:
                break
            passed.append(one)
        for one in passed:
            entry = self._under_way.pop(one)
            settled.append((entry, PublishResult(self._stream, None, False, entry.message_id)))

    def _try_later(self, number: int, entry: Entry, status: error_pb2.ItemStatus, now: float) -> bool:
        """Whether a message that failed is sent again: by another number, so under the id that it had."""
        error = errors.from_item(status)
        # A deadline that runs out is the gateway's own, not that of the program.
        passing = error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED") or error.outcome_unknown
        at = now + _PUT_OFF
        if not passing or at >= entry.expires or self._is_forgotten(entry, at):
            return False
        if not entry.message_id:
            if not self.producer_id:
                return False
            entry.message_id = error.metadata.get("message_id") or f"{self.producer_id}:{number}"
            entry.head = _frames.with_message_id(entry.head, entry.message_id)
        entry.in_doubt = entry.in_doubt or error.outcome_unknown
        heapq.heappush(self._put_off, (at, next(self._tie), entry))
        return True

    def _refused(self, number: int, entry: Entry, error: JetgateError) -> JetgateError:
        """The error of a message that was refused. Where it was sent before, that may have stored it."""
        return errors.in_doubt(error, self._named(number, entry).message_id) if entry.in_doubt else error

    def _named(self, number: int, entry: Entry) -> Entry:
        """With the id that its number has made, for a program that wants to send it again itself."""
        if not entry.message_id and self.producer_id:
            entry.message_id = f"{self.producer_id}:{number}"
        return entry

    def _is_forgotten(self, entry: Entry, now: float) -> bool:
        return bool(entry.sent_at) and now - entry.sent_at >= self.remembers * SAFE

    def _forget(self, settled: Settled) -> None:
        self.messages -= len(settled)
        self.bytes -= sum(entry.size for entry, _ in settled)


def _unanswered(entry: Entry) -> JetgateError:
    if not entry.sent_at:
        return DeadlineExceededError("no gateway took the message in time; it was not sent", code="DEADLINE_EXCEEDED")
    return errors.outcome_unknown("it was sent and no answer came in time", message_id=entry.message_id)


def _given_up(entry: Entry, error: JetgateError) -> JetgateError:
    return errors.outcome_unknown(str(error), message_id=entry.message_id) if entry.sent_at else error
