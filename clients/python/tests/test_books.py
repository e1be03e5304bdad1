"""The parts without I/O: encoding of frames, the publisher's ledger, the consumer's settlements, configurations."""

from __future__ import annotations

import datetime
import random
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

import jetgate
from jetgate import _frames
from jetgate._consuming import Consuming
from jetgate._convert import from_proto, to_proto
from jetgate._ledger import Entry, Ledger, Settled
from jetgate._link import Link
from jetgate._publishing import PublisherOptions, Publishing
from jetgate._settlements import Delivery, Settlements, Word, by_token, ranges
from jetgate._transport import Transport
from jetgate.credentials import Credentials
from jetgate.v1 import consume_pb2, error_pb2, publish_stream_pb2, session_pb2, stream_config_pb2

FAR = 1e9


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 300_000])
def test_a_frame_is_what_protobuf_would_have_made(length: int) -> None:
    envelope = jetgate.OutgoingMessage("a.b", headers=[("Trace", "x")], message_id="id", ttl="never").envelope()
    messages = [(_frames.plain_head("orders.new"), b"x" * length), (_frames.head_of(envelope), b"y" * length)]
    frame = publish_stream_pb2.PublishStreamRequest.FromString(_frames.frame(300, messages)).messages
    envelope.data = b"y" * length
    assert frame.first_number == 300
    assert [frame.messages[0].subject, frame.messages[0].data] == ["orders.new", b"x" * length]
    assert frame.messages[1] == envelope


def test_a_later_message_id_counts() -> None:
    head = _frames.with_message_id(_frames.plain_head("a"), "producer:7")
    (message,) = publish_stream_pb2.PublishStreamRequest.FromString(_frames.frame(1, [(head, b"z")])).messages.messages
    assert (message.subject, message.message_id, message.data) == ("a", "producer:7", b"z")


@pytest.mark.parametrize("seed", range(30))
def test_every_message_is_settled_once_whatever_happens(seed: int) -> None:
    chance, ledger = random.Random(seed), Ledger("ORDERS")
    ledger.remembers = FAR
    ledger.producer_id = "producer" if seed % 2 else ""
    entries: list[Entry] = []
    settled: Settled = []
    numbers: list[int] = []
    now = 0.0
    while len(entries) < 300 or ledger.messages:
        now += 0.1
        action = chance.randrange(6)
        if action == 0 and len(entries) < 300:
            entries.append(Entry(_frames.plain_head("a"), b"x" * chance.randrange(50), "", FAR))
            ledger.add(entries[-1])
        elif action == 1 and ledger.waiting:
            frame, late = ledger.take(5, 1000, now)
            assert late == []
            sent = publish_stream_pb2.PublishStreamRequest.FromString(frame).messages
            assert not numbers or sent.first_number > max(numbers)
            numbers += range(sent.first_number, sent.first_number + len(sent.messages))
        elif action == 2 and numbers:
            number = chance.choice(numbers)  # sometimes one that is answered already
            stored = publish_stream_pb2.PublishedRange(first_number=number, last_number=number, first_sequence=number)
            settled += ledger.answered(publish_stream_pb2.PublishAcks(stored=[stored]), now)
        elif action == 3 and numbers:
            number = chance.choice(numbers)
            reason = chance.choice(["NATS_DISCONNECTED", "STREAM_FULL"])
            code = 14 if reason == "NATS_DISCONNECTED" else 8
            status = error_pb2.ItemStatus(code=code, reason=f"ERROR_REASON_{reason}")
            failure = publish_stream_pb2.PublishFailure(first_number=number, last_number=number, status=status)
            settled += ledger.answered(publish_stream_pb2.PublishAcks(failed=[failure]), now)
        elif action == 4 and chance.random() < 0.2:
            settled += ledger.broken()
            list(ledger.again(7, 500))
        else:
            ledger.due(now)
    assert len(settled) == 300
    assert {id(entry) for entry, _ in settled} == {id(entry) for entry in entries}
    assert (ledger.messages, ledger.bytes, ledger.waiting_bytes) == (0, 0, 0)


def entry(message_id: str = "", expires: float = FAR) -> Entry:
    return Entry(_frames.plain_head("a"), b"", message_id, expires)


def test_what_was_sent_and_ran_out_of_time_may_be_stored() -> None:
    ledger = Ledger()
    for _ in range(2):
        ledger.add(entry(expires=60.0))
    ledger.take(1, 1000, 1.0)
    assert ledger.expired(59.0) == []
    (sent, unsent) = ledger.expired(61.0)
    assert isinstance(sent[1], jetgate.PublishOutcomeUnknownError)
    assert isinstance(unsent[1], jetgate.DeadlineExceededError)
    assert (sent[1].outcome_unknown, unsent[1].outcome_unknown) == (True, False)


def failed_for_now(first: int, last: int) -> publish_stream_pb2.PublishAcks:
    status = error_pb2.ItemStatus(code=14, reason=error_pb2.ERROR_REASON_NATS_DISCONNECTED)
    failure = publish_stream_pb2.PublishFailure(first_number=first, last_number=last, status=status)
    return publish_stream_pb2.PublishAcks(failed=[failure])


def test_what_is_put_off_runs_out_of_time_too() -> None:
    ledger = Ledger()
    ledger.producer_id = "p"
    for expires in (60.0, 70.0, 80.0):
        ledger.add(entry(expires=expires))
    ledger.take(3, 1000, 1.0)
    assert ledger.answered(failed_for_now(1, 3), 2.0) == []
    assert (ledger.expired(59.0), ledger.next_expiry()) == ([], 60.0)
    ((late, error),) = ledger.expired(60.0)
    assert isinstance(error, jetgate.PublishOutcomeUnknownError)
    assert (late.expires, error.metadata) == (60.0, {"message_id": "p:1"})
    assert (ledger.messages, ledger.bytes, ledger.next_expiry()) == (2, 2 * late.size, 70.0)
    # The rest is sent again when its time has come.
    ledger.due(61.0)
    frame, _ = ledger.take(3, 1000, 61.0)
    again = publish_stream_pb2.PublishStreamRequest.FromString(frame).messages.messages
    assert [message.message_id for message in again] == ["p:2", "p:3"]


def test_what_waits_behind_younger_messages_runs_out_of_time_on_time() -> None:
    ledger = Ledger()
    ledger.producer_id = "p"
    ledger.add(entry(expires=60.0))
    ledger.take(1, 1000, 1.0)
    ledger.answered(failed_for_now(1, 1), 2.0)
    young = entry(expires=100.0)
    ledger.add(young)
    ledger.due(3.0)
    assert ledger.next_expiry() == 60.0
    ((late, _),) = ledger.expired(60.0)
    assert (late.message_id, ledger.waiting, ledger.waiting_bytes) == ("p:1", 1, young.size)
    # The same once both are under way, under numbers in another order.
    ledger.add(entry(expires=90.0))
    ledger.take(2, 1000, 61.0)
    assert ledger.next_expiry() == 90.0


def test_what_is_put_off_is_sent_again_as_soon_as_it_is_due() -> None:
    """And not only when a ping is: the sender sleeps when the answer comes."""
    engine = Publishing(Transport([], Credentials(), ()), PublisherOptions(linger=0), lambda settled: None)
    engine._started = True  # without a gateway: frames are taken here
    link = Link()
    frames = engine.requests(link)
    next(frames)
    opened = publish_stream_pb2.PublishOpened(producer_id="p")
    opened.ping_within.FromSeconds(600)
    engine.received(link, publish_stream_pb2.PublishStreamResponse(opened=opened))
    engine.add(entry())
    next(frames)
    with ThreadPoolExecutor() as pool:
        frame = pool.submit(next, frames)
        try:
            while not engine._sender_idle:
                time.sleep(0.01)
            engine.received(link, publish_stream_pb2.PublishStreamResponse(acks=failed_for_now(1, 1)))
            (again,) = publish_stream_pb2.PublishStreamRequest.FromString(frame.result(30)).messages.messages
        finally:
            link.cut()
            engine.hurry()
    assert again.message_id == "p:1"


def test_what_the_stream_may_have_forgotten_is_not_sent_again() -> None:
    ledger = Ledger()
    ledger.producer_id = "p"
    for _ in range(3):
        ledger.add(entry())
    ledger.take(1, 1000, 1.0)
    ledger.take(1, 1000, 6.0)
    ledger.remembers = 10.0  # as the stream says that was opened after a while
    assert ledger.forgotten(9.0) == []
    ((first, error),) = ledger.forgotten(11.0)
    assert isinstance(error, jetgate.PublishOutcomeUnknownError)
    assert (first.sent_at, error.metadata) == (1.0, {"message_id": "p:1"})
    (again,) = ledger.again(10, 1000)
    assert publish_stream_pb2.PublishStreamRequest.FromString(again).messages.first_number == 2
    # What was never sent is sent, however old it is.
    frame, late = ledger.take(10, 1000, 1000.0)
    assert (bool(frame), late, ledger.messages) == (True, [], 2)


def test_a_refusal_does_not_take_back_that_an_earlier_attempt_may_have_stored_the_message() -> None:
    ledger = Ledger()
    ledger.producer_id = "p"
    for _ in range(2):
        ledger.add(entry())
    ledger.take(1, 1000, 1.0)
    assert (ledger.broken(), len(list(ledger.again(10, 1000)))) == ([], 1)
    ledger.take(1, 1000, 2.0)
    status = error_pb2.ItemStatus(code=8, reason="ERROR_REASON_STREAM_FULL")
    failure = publish_stream_pb2.PublishFailure(first_number=1, last_number=2, status=status)
    (again, once) = ledger.answered(publish_stream_pb2.PublishAcks(failed=[failure]), 3.0)
    assert isinstance(again[1], jetgate.PublishOutcomeUnknownError)
    assert again[1].metadata == {"message_id": "p:1"}
    assert isinstance(again[1].__cause__, jetgate.LimitReachedError)
    assert isinstance(once[1], jetgate.LimitReachedError)


def test_what_waited_too_long_to_be_sent_again_is_given_up() -> None:
    ledger = Ledger()
    ledger.add(entry("own"))
    ledger.take(1, 1000, 1.0)
    assert ledger.broken() == []
    ledger.add(entry())
    ledger.remembers = 10.0
    frame, ((late, error),) = ledger.take(10, 1000, 12.0)
    assert (late.message_id, bool(frame)) == ("own", True)
    assert isinstance(error, jetgate.JetgateError)
    assert error.outcome_unknown


@pytest.mark.parametrize("reason", ["NATS_DISCONNECTED", "DEADLINE_EXCEEDED", "PUBLISH_OUTCOME_UNKNOWN"])
def test_what_fails_for_now_is_sent_again_under_the_id_that_it_had(reason: str) -> None:
    ledger = Ledger()
    ledger.producer_id = "p"
    ledger.add(entry(expires=60.0))
    ledger.take(1, 1000, 1.0)
    code = 4 if reason == "DEADLINE_EXCEEDED" else 14
    status = error_pb2.ItemStatus(code=code, reason=f"ERROR_REASON_{reason}")
    failure = publish_stream_pb2.PublishFailure(first_number=1, last_number=1, status=status)
    assert ledger.answered(publish_stream_pb2.PublishAcks(failed=[failure]), 2.0) == []
    ledger.due(3.0)
    frame, late = ledger.take(1, 1000, 3.0)
    (again,) = publish_stream_pb2.PublishStreamRequest.FromString(frame).messages.messages
    assert (again.message_id, late) == ("p:1", [])


def delivery(number: int) -> Delivery:
    return Delivery(session_pb2.ReceivedMessage(delivery_id=number, ack_token=f"t{number}"))


def test_acknowledgements_go_as_ranges() -> None:
    assert list(ranges([1, 2, 3, 5, 8, 9])) == [(1, 3), (5, 5), (8, 9)]
    book, deliveries = Settlements(), [delivery(number) for number in range(1, 7)]
    book.delivered(deliveries)
    for index in (0, 2, 1, 4):
        book.ack(deliveries[index])
    (frame,) = book.frames()
    assert [(item.range.first, item.range.last) for item in frame.acknowledgements] == [(1, 3), (5, 5)]
    assert [one.number for one in book.held()] == [4, 6]


def test_what_a_session_did_not_answer_is_said_again_by_token() -> None:
    book, deliveries = Settlements(), [delivery(number) for number in range(1, 5)]
    book.delivered(deliveries)
    book.ack(deliveries[0])
    confirmed: Future[None] = Future()
    book.say(Word(deliveries[1], session_pb2.ACK_KIND_ACK, confirmed=confirmed))
    assert len(list(book.frames())) == 2
    book.moved()
    asked = book.held()
    assert book.adopted([(one, one.ack_token) for one in asked], ["new3"], ["t4"]) == {deliveries[3]}
    assert [one.ack_token for one in book.held()] == ["new3"]
    frames = list(book.frames())
    tokens = [[item.ack_token for item in frame.acknowledgements] for frame in frames]
    assert tokens == [["t1"], ["t2"]]
    status = error_pb2.ItemStatus(code=14, reason=error_pb2.ERROR_REASON_ACK_OUTCOME_UNKNOWN)
    book.answered(consume_pb2.SettleResult(settle_id=frames[1].settle_id, results=[status]))
    with pytest.raises(jetgate.UnavailableError):
        confirmed.result(0)


def test_more_time_is_asked_for_by_token_and_for_the_session_that_ends_only() -> None:
    book, deliveries = Settlements(), [delivery(number) for number in range(1, 4)]
    book.delivered(deliveries)
    book.say(Word(deliveries[0], session_pb2.ACK_KIND_IN_PROGRESS))
    frames = [*book.frames(), *book.renewals()]
    assert [[item.ack_token for item in frame.acknowledgements] for frame in frames] == [["t1"], ["t1", "t2", "t3"]]
    fresh = error_pb2.ItemStatus(metadata={"ack_token": "fresh"})
    book.answered(consume_pb2.SettleResult(settle_id=frames[0].settle_id, results=[fresh]))
    assert [one.ack_token for one in book.held()] == ["fresh", "t2", "t3"]
    book.moved()
    assert list(book.frames()) == []


def test_what_was_said_and_not_heard_is_left_at_the_end() -> None:
    book, deliveries = Settlements(), [delivery(number) for number in range(1, 5)]
    book.delivered(deliveries)
    book.ack(deliveries[0])
    book.say(Word(deliveries[1], session_pb2.ACK_KIND_NAK, 2.0))
    book.say(Word(deliveries[2], session_pb2.ACK_KIND_IN_PROGRESS))
    assert len(list(book.frames())) == 2
    book.ack(deliveries[3])
    left = sorted((item.ack_token, item.kind) for item in map(by_token, book.left()))
    assert left == [
        ("t1", session_pb2.ACK_KIND_ACK),
        ("t2", session_pb2.ACK_KIND_NAK),
        ("t4", session_pb2.ACK_KIND_ACK),
    ]
    assert (book.left(), book.outstanding, book.unsaid) == ([], 0, 0)


def test_tokens_are_renewed_in_time_however_steadily_acknowledgements_flow() -> None:
    engine = Consuming(Transport([], Credentials(), ()), consume_pb2.ConsumeOpen(), 1000)
    link = Link()
    frames = engine.requests(link)
    next(frames)
    opened = session_pb2.SessionOpened()
    opened.ack_wait.FromMilliseconds(400)
    opened.ping_within.FromSeconds(60)
    engine.received(link, consume_pb2.ConsumeResponse(opened=opened))
    raw = [session_pb2.ReceivedMessage(delivery_id=number, ack_token=f"t{number}") for number in range(1, 1001)]
    engine.received(link, consume_pb2.ConsumeResponse(messages=session_pb2.MessageBatch(messages=raw)))
    engine.received(link, consume_pb2.ConsumeResponse(draining=session_pb2.Draining()))
    renewed: list[float] = []
    for _ in range(400):
        engine.ack(engine.queue.popleft())
        frame = consume_pb2.ConsumeRequest.FromString(next(frames))
        if frame.settle.acknowledgements[0].kind == session_pb2.ACK_KIND_IN_PROGRESS:
            renewed.append(time.monotonic())
        if len(renewed) == 3:
            break
    assert len(renewed) == 3
    link.cut()


def test_a_configuration_survives_the_contract() -> None:
    config = jetgate.StreamConfig(
        "ORDERS",
        ["orders.>"],
        retention="work_queue",
        max_age=datetime.timedelta(hours=1, microseconds=5),
        metadata={"team": "shop"},
        sources=[
            jetgate.StreamSource("A", opt_start_time=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)),
            jetgate.StreamSource("B", subject_transforms=[jetgate.SubjectTransform("b.>", "c.>")]),
        ],
    )
    message = to_proto(config, stream_config_pb2.StreamConfig())
    assert message.retention == stream_config_pb2.RETENTION_POLICY_WORK_QUEUE
    assert not message.HasField("max_msgs")
    again = from_proto(message, jetgate.StreamConfig)
    assert (again.name, again.subjects, again.retention) == ("ORDERS", ["orders.>"], "work_queue")
    assert again.max_age == config.max_age
    assert again.sources[0].opt_start_time == config.sources[0].opt_start_time
    assert again.sources[1].subject_transforms == config.sources[1].subject_transforms
    assert again.metadata == {"team": "shop"}


def test_a_word_that_no_setting_has_is_refused() -> None:
    config = jetgate.StreamConfig("ORDERS", retention="for a while")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="retention"):
        to_proto(config, stream_config_pb2.StreamConfig())
