"""Carries out scenarios (tests/scenarios) through the public interface of this package."""

from __future__ import annotations

import base64
import concurrent.futures
import datetime
import time
from collections.abc import Callable, Iterable
from typing import Any

from world import World

import jetgate

Step = dict[str, Any]

COMMON = {"do", "client", "error", "within"}


class Scenario:
    """One run of one scenario. Every step is a method of its verb's name, whose parameters are the step's fields."""

    def __init__(self, what: dict[str, Any], connect: Callable[..., Any] = jetgate.connect) -> None:
        self._what = what
        self._connect = connect
        self._clients: dict[str, Any] = {}
        self._open: dict[str, Any] = {}
        self._streams: dict[str, str] = {}
        self._positions: dict[str, str] = {}
        self._received: list[Any] = []
        self._received_at: dict[int, float] = {}
        self._background: dict[str, concurrent.futures.Future[None]] = {}
        self._pool = concurrent.futures.ThreadPoolExecutor()
        self._client = "main"
        self._within = 30.0

    def run(self) -> None:
        unknown = set(self._what) - {"about", "world", "connect", "steps"}
        assert not unknown, f"unknown fields {unknown}"
        with World(**self._what.get("world", {})) as self._world:
            try:
                if self._what.get("connect", True):
                    self.connect("main")
                for number, step in enumerate(self._what["steps"], 1):
                    try:
                        self._step(step)
                    except BaseException as problem:
                        raise AssertionError(f"step {number}, {step}: {problem!r}") from problem
            finally:
                self._end()

    def _step(self, step: Step) -> None:
        verb = {"await": "await_"}.get(step["do"], step["do"])
        act = getattr(self, verb)
        self._client = step.get("client", "main")
        self._within = step.get("within", 30.0)
        fields = {name.replace("from", "from_") if name == "from" else name: value for name, value in step.items()}
        arguments = {name: value for name, value in fields.items() if name not in COMMON}
        background = arguments.pop("background", None)
        if background is not None:
            self._background[background] = self._pool.submit(act, **arguments)
        elif "error" in step:
            try:
                act(**arguments)
                if verb == "open":
                    self._open[step["as"]].receive(timeout=self._within)
            except jetgate.JetgateError as error:
                check_error(error, step["error"])
            else:
                raise AssertionError("it should have failed")
        else:
            act(**arguments)

    # The verbs.

    def connect(self, as_: str = "", gateways: list[int] | None = None, api_key: str | None = None, **more: str) -> None:
        name = as_ or more.pop("as")
        assert not more, more
        facts = self._world.facts
        addresses = facts["gateways"]
        chosen = addresses if gateways is None else [addresses[number] for number in gateways]
        key = facts.get("api_key") if api_key is None else None if api_key == "none" else api_key
        credentials = jetgate.Credentials(api_key=key, ca=facts.get("ca_file"))
        self._clients[name] = self._connect(chosen, credentials)

    def create_stream(self, config: dict[str, Any]) -> None:
        self._main.create_stream(jetgate.StreamConfig(**with_durations(config, "duplicate_window")))

    def create_consumer(self, stream: str, config: dict[str, Any]) -> None:
        self._main.create_consumer(stream, jetgate.ConsumerConfig(**with_durations(config, "ack_wait")))

    def stream_info(
        self, stream: str, expect: dict[str, int] | None = None, at_least: dict[str, int] | None = None
    ) -> None:
        self._poll(lambda: vars(self._main.stream_info(stream).state), expect, at_least)

    def consumer_info(
        self, stream: str, consumer: str, expect: dict[str, int] | None = None, at_least: dict[str, int] | None = None
    ) -> None:
        def state() -> dict[str, Any]:
            known = self._main.consumer_info(stream, consumer).state
            return {**vars(known), "ack_floor": known.ack_floor.stream_sequence}

        self._poll(state, expect, at_least)

    def publish(self, message: dict[str, Any], expect: dict[str, Any] | None = None) -> None:
        check_result(self._main.publish_message(outgoing(message), timeout=self._within), expect or {})

    def publish_many(
        self,
        messages: list[dict[str, Any]] | None = None,
        results: list[dict[str, Any]] | None = None,
        subject: str = "",
        prefix: str = "",
        count: int = 0,
        first: int = 1,
        per_second: float = 0,
        publisher: dict[str, Any] | None = None,
    ) -> None:
        if messages is None:
            messages = [{"subject": subject, "payload": f"{prefix}{n}"} for n in range(first, first + count)]
        begun = time.monotonic()
        with self._main.publisher(**(publisher or {})) as many:
            futures = []
            for number, message in enumerate(messages):
                if per_second and number % 100 == 0:
                    time.sleep(max(0.0, begun + number / per_second - time.monotonic()))
                futures.append(many.publish_message(outgoing(message)))
            many.flush()
        for future, expected in zip(futures, results or [{}] * len(futures), strict=True):
            check_outcome(future.exception(timeout=0) or future.result(timeout=0), expected)

    def publish_batch(
        self, mode: str, messages: list[dict[str, Any]], results: list[dict[str, Any]] | None = None
    ) -> None:
        outcomes = self._main.publish_batch([outgoing(message) for message in messages], mode)
        for outcome, expected in zip(outcomes, results or [{}] * len(outcomes), strict=True):
            check_outcome(outcome, expected)

    def open(self, stream: str, **fields: Any) -> None:
        name = fields.pop("as")
        if fields.pop("ordered", False):
            if "resume" in fields:
                fields["resume"] = self._positions[fields["resume"]]
            self._open[name] = self._main.read(stream, **fields)
        else:
            consumer = fields.pop("consumer")
            self._open[name] = self._main.consume(stream, consumer, **fields)

    def receive(
        self,
        from_: str | list[str],
        expect: list[dict[str, Any]] | None = None,
        nothing_for: float | None = None,
        not_before: float | None = None,
    ) -> None:
        sources = [self._open[name] for name in ([from_] if isinstance(from_, str) else from_)]
        if nothing_for is not None:
            message = receive_any(sources, nothing_for)
            assert message is None, f"{message!r} came"
            return
        for expected in expect or []:
            message = receive_any(sources, self._within)
            assert message is not None, f"nothing came, expected {expected}"
            now = time.monotonic()
            if not_before is not None:
                waited = now - self._received_at[message.sequence]
                assert waited >= not_before, f"{message!r} came again after {waited} s"
            self._received.append(message)
            self._received_at[message.sequence] = now
            check_message(message, expected)

    def settle(
        self, messages: list[int], kind: str, delay: float | None = None, reason: str = "", confirm: bool = False
    ) -> None:
        for number in messages:
            settle_one(self._received[number - 1], kind, delay, reason, confirm)

    def collect(
        self,
        from_: str,
        prefix: str,
        count: int,
        first: int = 1,
        settle: str = "",
        in_order: bool = False,
        each_once: bool = False,
    ) -> None:
        missing = {f"{prefix}{number}" for number in range(first, first + count)}
        source, number, end = self._open[from_], first, time.monotonic() + max(self._within, 60.0)
        while missing:
            message = source.receive(timeout=max(0.0, end - time.monotonic()))
            assert message is not None, f"{len(missing)} did not come, {sorted(missing)[:5]} for example"
            if in_order:
                assert message.text == f"{prefix}{number}", f"{message.text} instead of {prefix}{number}"
            if in_order or each_once:
                assert message.text in missing, f"{message.text} came twice, or is another's"
            missing.discard(message.text)
            number += 1
            if settle:
                settle_one(message, settle)

    def drain(self, what: str) -> None:
        assert self._open[what].drain(self._within), "not all was settled in time"

    def close(self, what: str) -> None:
        closed = self._open.pop(what)
        if isinstance(position := getattr(closed, "position", None), str):
            self._positions[what] = position
        closed.close()

    def world(self, command: dict[str, Any], expect: dict[str, Any] | None = None) -> None:
        fields = dict(command)
        answer = self._world.do(fields.pop("do"), **fields)
        for name, value in (expect or {}).items():
            if name == "headers":
                assert sorted_headers(answer[name]) == sorted_headers(value)
            else:
                assert answer[name] == value, f"{name} is {answer[name]!r}"

    def await_(self, what: str) -> None:
        self._background.pop(what).result(self._within)

    # What they have in common.

    @property
    def _main(self) -> Any:
        return self._clients[self._client]

    def _poll(
        self, look: Callable[[], dict[str, Any]], expect: dict[str, int] | None, at_least: dict[str, int] | None
    ) -> None:
        end = time.monotonic() + self._within
        while True:
            state = look()
            is_equal = all(state[name] == value for name, value in (expect or {}).items())
            if is_equal and all(state[name] >= value for name, value in (at_least or {}).items()):
                return
            assert time.monotonic() < end, f"it stays {state}"
            time.sleep(0.02)

    def _end(self) -> None:
        for what in [*self._open.values(), *self._clients.values()]:
            what.close()
        self._pool.shutdown(cancel_futures=True)


def outgoing(message: dict[str, Any]) -> jetgate.OutgoingMessage:
    fields = dict(message)
    expect = fields.pop("expect", None)
    return jetgate.OutgoingMessage(
        subject=fields.pop("subject"),
        payload=value_of(fields.pop("payload", "")),
        headers=[(name, value_of(value)) for name, value in fields.pop("headers", [])],
        expect=jetgate.Expect(**expect) if expect is not None else None,
        **fields,
    )


def with_durations(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {n: datetime.timedelta(seconds=value) if n in names else value for n, value in config.items()}


def value_of(written: Any) -> str | bytes:
    """Text, or the bytes that are written as base64."""
    return base64.b64decode(written["base64"]) if isinstance(written, dict) else str(written)


def as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def sorted_headers(pairs: Iterable[Any]) -> list[tuple[str, bytes]]:
    return sorted(((name, as_bytes(value_of(value))) for name, value in pairs), key=lambda pair: pair[0])


def receive_any(sources: list[Any], within: float) -> Any:
    """The next message of whichever has one first."""
    if len(sources) == 1:
        return sources[0].receive(timeout=within)
    end = time.monotonic() + within
    while time.monotonic() < end:
        for source in sources:
            if (message := source.receive(timeout=0.02)) is not None:
                return message
    return None


def settle_one(message: Any, kind: str, delay: float | None = None, reason: str = "", confirm: bool = False) -> None:
    match kind:
        case "ack":
            message.ack(confirm=confirm)
        case "nak":
            message.nak(delay, reason)
        case "term":
            message.term(reason)
        case "in_progress":
            message.in_progress()
        case _:
            raise AssertionError(f"unknown kind {kind}")


def check_message(message: Any, expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if name == "payload":
            assert message.payload == as_bytes(value_of(value)), f"the payload is {message.payload!r}"
        elif name == "headers":
            got = sorted(((n, as_bytes(v)) for n, v in message.headers), key=lambda pair: pair[0])
            assert got == sorted_headers(value), f"the headers are {message.headers}"
        else:
            assert getattr(message, name) == value, f"{name} is {getattr(message, name)!r}"


def check_outcome(outcome: Any, expected: dict[str, Any]) -> None:
    if "error" in expected:
        check_error(outcome, expected["error"])
    elif isinstance(outcome, BaseException):
        raise outcome
    else:
        check_result(outcome, expected)


def check_result(result: jetgate.PublishResult, expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        assert getattr(result, name) == value, f"{name} is {getattr(result, name)!r}"


def check_error(error: Any, expected: dict[str, Any]) -> None:
    assert isinstance(error, jetgate.JetgateError), f"{error!r} instead of an error"
    assert not set(expected) - {"reason", "code", "retry", "metadata"}, expected
    facts = {"reason": error.reason, "code": error.code, "retry": error.retry.value}
    for name, value in expected.items():
        if name == "metadata":
            assert value.items() <= error.metadata.items(), f"metadata is {error.metadata}"
        else:
            assert facts[name] == value, f"{error!r} has the {name} {facts[name]}"
