"""What a consumer holds, what its program says of it, and what moves to the next session. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from jetgate import errors
from jetgate.errors import JetgateError
from jetgate.message import ReceivedMessage
from jetgate.v1 import consume_pb2, session_pb2

log = logging.getLogger("jetgate")

# The most items that a settle frame or a call may have, and fewer than that.
ITEMS = 5000


class Delivery(ReceivedMessage):
    """A message, and the place of its delivery in the session that has it now."""

    __slots__ = ("number", "settled", "token")

    def __init__(self, raw: session_pb2.ReceivedMessage) -> None:
        self._raw = raw
        # 0: of an earlier session, known by its token.
        self.number = raw.delivery_id
        self.token: str | None = None
        self.settled = False

    @property
    def ack_token(self) -> str:
        """Settles this delivery from anywhere, by a call of Acknowledge."""
        return self.token if self.token is not None else self._raw.ack_token


@dataclass
class Word:
    """What is said of one delivery."""

    delivery: Delivery
    kind: session_pb2.AckKind
    delay: float | None = None
    reason: str = ""
    confirmed: Future[None] | None = None


@dataclass
class Sent:
    """A settle frame that is not answered: for each item what it settles."""

    items: list[Sequence[Delivery | Word]] = field(default_factory=list)
    renews: bool = False
    """It asks for fresh tokens, which only the session that is about to end can give."""


class Settlements:
    """The book of a consumer's deliveries. Not safe for threads by itself."""

    def __init__(self) -> None:
        # What is delivered and not settled, by this session and by earlier ones.
        self._numbered: dict[int, Delivery] = {}
        self._adopted: dict[Delivery, None] = {}
        self._acks: list[Delivery] = []
        self._words: list[Word] = []
        self._unanswered: dict[int, Sent] = {}
        self._next_id = 1

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        self._numbered.update([(delivery.number, delivery) for delivery in deliveries])

    def forget(self, delivery: Delivery) -> None:
        """Leaves a delivery that nobody has seen to the gateway."""
        self._release(delivery)

    def ack(self, delivery: Delivery) -> None:
        self._release(delivery)
        self._acks.append(delivery)

    def say(self, word: Word) -> None:
        if word.kind != session_pb2.ACK_KIND_IN_PROGRESS:
            self._release(word.delivery)
        self._words.append(word)

    @property
    def outstanding(self) -> int:
        """How many deliveries are not settled."""
        return len(self._numbered) + len(self._adopted)

    @property
    def unsaid(self) -> int:
        """How many settlements wait to be sent."""
        return len(self._acks) + len(self._words)

    @property
    def has_words(self) -> bool:
        """Whether something other than acknowledgements waits to be sent."""
        return bool(self._words)

    @property
    def unanswered(self) -> bool:
        return bool(self._unanswered)

    def held(self) -> list[Delivery]:
        """What is not settled, in the order of delivery."""
        return [*self._adopted, *self._numbered.values()]

    def frames(self) -> Iterator[consume_pb2.SettleFrame]:
        """All that is to be said."""
        acks, self._acks = self._acks, []
        words, self._words = self._words, []
        if acks:
            yield from self._ack_frames(acks)
        for confirm in (False, True):
            chosen = [word for word in words if (word.confirmed is not None) == confirm]
            for start in range(0, len(chosen), ITEMS):
                yield self._word_frame(chosen[start : start + ITEMS], confirm)

    def renewals(self) -> Iterator[consume_pb2.SettleFrame]:
        """Asks for fresh tokens of all that is held, so that another session can take it over."""
        words = [Word(delivery, session_pb2.ACK_KIND_IN_PROGRESS) for delivery in self.held()]
        for start in range(0, len(words), ITEMS):
            yield self._word_frame(words[start : start + ITEMS], confirm=False, renews=True)

    def answered(self, result: consume_pb2.SettleResult) -> None:
        sent = self._unanswered.pop(result.settle_id, None)
        if sent is None:
            return
        for subjects, status in zip(sent.items, result.results, strict=False):
            error = errors.from_item(status) if status.code else None
            for subject in subjects:
                if isinstance(subject, Word):
                    conclude(subject, error, status.metadata.get("ack_token"))
            if error is not None:
                log.warning("a settlement failed, the message may come again: %s", error)

    def moved(self) -> None:
        """The session is gone: what it delivered is known by token, and what it did not answer is said again."""
        for delivery in self._numbered.values():
            delivery.number = 0
            self._adopted[delivery] = None
        self._numbered.clear()
        again_acks: list[Delivery] = []
        again: list[Word] = []
        for subject in self._unheard():
            if isinstance(subject, Word):
                again.append(subject)
            else:
                again_acks.append(subject)
        self._acks = again_acks + self._acks
        self._words = again + self._words
        for delivery in self._acks:
            delivery.number = 0
        for word in self._words:
            word.delivery.number = 0

    def adopted(
        self, asked: Sequence[tuple[Delivery, str]], held: Sequence[str], not_held: Sequence[str]
    ) -> set[Delivery]:
        """The new session has taken over what it could. Returns what somebody else may get now.

        What it was asked goes by the tokens of then: there may be fresh ones by now.
        """
        lost_tokens = set(not_held)
        lost = {delivery for delivery, token in asked if token in lost_tokens}
        kept = [delivery for delivery, _ in asked if delivery not in lost]
        for delivery, token in zip(kept, held, strict=False):
            delivery.token = token
        for delivery in lost:
            self._adopted.pop(delivery, None)
        return lost

    def left(self) -> list[Word]:
        """Takes out all that was said and is not known to be heard; nothing is held any more."""
        said = [*self._unheard(), *self._acks, *self._words]
        words = [one if isinstance(one, Word) else Word(one, session_pb2.ACK_KIND_ACK) for one in said]
        self._words.clear()
        self._acks.clear()
        self._numbered.clear()
        self._adopted.clear()
        return [word for word in words if word.kind != session_pb2.ACK_KIND_IN_PROGRESS]

    def _unheard(self) -> list[Delivery | Word]:
        """Takes out what was sent and is not answered."""
        frames = [sent for sent in self._unanswered.values() if not sent.renews]
        self._unanswered.clear()
        return [subject for sent in frames for subjects in sent.items for subject in subjects]

    def _release(self, delivery: Delivery) -> None:
        delivery.settled = True
        if delivery.number:
            self._numbered.pop(delivery.number, None)
        else:
            self._adopted.pop(delivery, None)

    def _ack_frames(self, acks: list[Delivery]) -> Iterator[consume_pb2.SettleFrame]:
        by_number = {delivery.number: delivery for delivery in acks if delivery.number}
        items: list[tuple[session_pb2.Acknowledgement, Sequence[Delivery | Word]]] = []
        for first, last in ranges(sorted(by_number)):
            target = session_pb2.DeliveryRange(first=first, last=last)
            made = session_pb2.Acknowledgement(range=target, kind=session_pb2.ACK_KIND_ACK)
            items.append((made, [by_number[number] for number in range(first, last + 1)]))
        for delivery in acks:
            if not delivery.number:
                made = session_pb2.Acknowledgement(ack_token=delivery.ack_token, kind=session_pb2.ACK_KIND_ACK)
                items.append((made, [delivery]))
        for start in range(0, len(items), ITEMS):
            yield self._frame(items[start : start + ITEMS], confirm=False)

    def _word_frame(self, words: list[Word], confirm: bool, renews: bool = False) -> consume_pb2.SettleFrame:
        return self._frame([(_acknowledgement(word), [word]) for word in words], confirm, renews)

    def _frame(
        self,
        items: list[tuple[session_pb2.Acknowledgement, Sequence[Delivery | Word]]],
        confirm: bool,
        renews: bool = False,
    ) -> consume_pb2.SettleFrame:
        settle_id = self._next_id
        self._next_id += 1
        self._unanswered[settle_id] = Sent([subjects for _, subjects in items], renews)
        return consume_pb2.SettleFrame(
            settle_id=settle_id, acknowledgements=[made for made, _ in items], confirm=confirm
        )


def ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The runs of rising numbers that follow one another."""
    if not numbers:
        return
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _acknowledgement(word: Word) -> session_pb2.Acknowledgement:
    made = by_token(word)
    # More time is asked for by token: the answer to a range brings no fresh one.
    if word.delivery.number and word.kind != session_pb2.ACK_KIND_IN_PROGRESS:
        made.range.first = word.delivery.number
    return made


def by_token(word: Word) -> session_pb2.Acknowledgement:
    """A word as any gateway understands it, in a session or outside."""
    made = session_pb2.Acknowledgement(ack_token=word.delivery.ack_token, kind=word.kind, reason=word.reason)
    if word.delay:
        made.delay.FromNanoseconds(int(word.delay * 1e9))
    return made


def conclude(word: Word, error: JetgateError | None, token: str | None) -> None:
    """Tells whoever waits for a word what became of it."""
    if token and not word.delivery.settled:
        word.delivery.token = token
    if word.confirmed is None or word.confirmed.done():
        return
    if error is None:
        word.confirmed.set_result(None)
    else:
        word.confirmed.set_exception(error)
