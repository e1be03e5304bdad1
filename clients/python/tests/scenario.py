"""Carries out scenarios (tests/scenarios) through the public interface of this package.

The verbs are written once for both clients: `done` awaits what a method of the client for asyncio returns, and takes
what a method of the client for threads returns as it is. For the latter each verb runs in a loop of its own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import datetime
import inspect
import threading
import time
from collections.abc import Callable
from typing import Any

from expected import check_error, check_message, check_outcome, check_result, sorted_headers, value_of
from world import World

import jetgate
import jetgate.aio

Step = dict[str, Any]

# Fields that every verb has.
COMMON = {"do", "client", "error", "within", "background"}

# How long a step may take that does not say otherwise, in seconds: a cluster of nats-servers may elect for 18 s, and
# what runs in the background is often behind servers that are started anew.
USUAL = 90.0

# The shortest time for a call, in seconds: a step that asks once, without waiting, still needs that of an answer.
SHORTEST_CALL = 30.0


class Scenario:
    """One run of one scenario. Every step is a method of its verb's name, whose parameters are the step's fields."""

    def __init__(self, what: dict[str, Any], is_async: bool) -> None:
        self._what = what
        self._loop = asyncio.new_event_loop() if is_async else None
        self._clients: dict[str, Any] = {}
        self._timeouts: dict[str, float] = {}
        self._open: dict[str, Any] = {}
        self._positions: dict[str, str] = {}
        self._received: list[Any] = []
        self._received_at: dict[int, float] = {}
        self._background: dict[str, concurrent.futures.Future[None]] = {}
        self._pool = concurrent.futures.ThreadPoolExecutor()
        # Of the step that runs, which has a copy of this object to itself: others may run in the background.
        self._client = "main"
        self._within = USUAL

    def run(self) -> None:
        unknown = set(self._what) - {"about", "world", "connect", "steps"}
        assert not unknown, f"unknown fields {unknown}"
        if self._loop is not None:
            threading.Thread(target=self._loop.run_forever, daemon=True).start()
        with World(**self._what.get("world", {})) as self._world:
            try:
                if self._what.get("connect", True):
                    self._step({"do": "connect", "as": "main"})
                for number, step in enumerate(self._what["steps"], 1):
                    try:
                        self._step(step)
                    except BaseException as problem:
                        raise AssertionError(f"step {number}, {step}: {problem!r}") from problem
            finally:
                self._await(self._end())
                self._pool.shutdown(cancel_futures=True)
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._loop.stop)

    def _step(self, step: Step) -> None:
        runner = copy.copy(self)
        runner._client = step.get("client", "main")
        runner._within = step.get("within", USUAL)
        # Python's own words have an underscore behind them.
        verb = "await_" if step["do"] == "await" else step["do"]
        fields = {name + "_" if name in ("as", "from") else name: value for name, value in step.items()}
        work = getattr(runner, verb)(**{name: value for name, value in fields.items() if name not in COMMON})
        if "background" in step:
            self._background[step["background"]] = self._pool.submit(self._await, work)
        elif "error" in step:
            try:
                self._await(work)
                if verb == "open":
                    self._await(done(self._open[step["as"]].receive(timeout=runner._within)))
            except jetgate.JetgateError as error:
                check_error(error, step["error"])
            else:
                raise AssertionError("it should have failed")
        else:
            self._await(work)

    def _await(self, work: Any) -> None:
        """Runs a coroutine to its end: for threads in this one, for asyncio in the loop of the client."""
        if self._loop is None:
            asyncio.run(work)
        else:
            asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def connect(
        self,
        as_: str,
        gateways: list[int] | None = None,
        api_key: str | None = None,
        token: dict[str, Any] | None = None,
        ca: str = "",
        call_timeout: float | None = None,
    ) -> None:
        facts = self._world.facts
        addresses = facts["gateways"]
        chosen = addresses if gateways is None else [addresses[number] for number in gateways]
        key = facts.get("api_key") if api_key is None else None if api_key == "none" else api_key
        source: Any = renewed(facts["short_key"], facts["api_key"]) if key == "renewed" else None
        if token is not None:
            source = fixed(self._world.do("token", **token)["token"])
        authority = facts.get(f"{ca}_ca_file" if ca else "ca_file")
        credentials = jetgate.Credentials(api_key=None if source else key, token=source, ca=authority)
        connect: Any = jetgate.connect if self._loop is None else jetgate.aio.connect
        self._clients[as_] = connect(chosen, credentials)
        if call_timeout is not None:
            self._timeouts[as_] = call_timeout

    async def create_stream(self, config: dict[str, Any]) -> None:
        await done(self._main.create_stream(stream_config(config), timeout=self._timeout))

    async def create_consumer(self, stream: str, config: dict[str, Any]) -> None:
        await done(self._main.create_consumer(stream, consumer_config(config), timeout=self._timeout))

    async def apply_stream(self, config: dict[str, Any]) -> None:
        await done(self._main.apply_stream(stream_config(config), timeout=self._timeout))

    async def apply_consumer(self, stream: str, config: dict[str, Any]) -> None:
        await done(self._main.apply_consumer(stream, consumer_config(config), timeout=self._timeout))

    async def stream_info(self, stream: str, **wanted: dict[str, int]) -> None:
        async def look() -> dict[str, Any]:
            return dict(vars((await done(self._main.stream_info(stream, self._timeout))).state))

        await self._until(look, **wanted)

    async def consumer_info(self, stream: str, consumer: str, **wanted: dict[str, int]) -> None:
        async def look() -> dict[str, Any]:
            state = (await done(self._main.consumer_info(stream, consumer, self._timeout))).state
            return {**vars(state), "ack_floor": state.ack_floor.stream_sequence}

        await self._until(look, **wanted)

    async def publish(self, message: dict[str, Any], expect: dict[str, Any] | None = None) -> None:
        result = await done(self._main.publish_message(outgoing(message), timeout=self._timeout))
        check_result(result, expect or {})

    async def publish_many(
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
        many = self._main.publisher(**(publisher or {}))
        begun = time.monotonic()
        try:
            futures = []
            for number, message in enumerate(messages):
                if per_second and number % 100 == 0:
                    await asyncio.sleep(max(0.0, begun + number / per_second - time.monotonic()))
                futures.append(await done(many.publish_message(outgoing(message))))
            await done(many.flush(self._within))
        finally:
            await done(many.close())
        for future, expected in zip(futures, results or [{}] * len(futures), strict=True):
            check_outcome(outcome_of(future), expected)

    async def publish_batch(
        self, mode: str, messages: list[dict[str, Any]], results: list[dict[str, Any]] | None = None
    ) -> None:
        batch = [outgoing(message) for message in messages]
        outcomes = await done(self._main.publish_batch(batch, mode, timeout=self._timeout))
        for outcome, expected in zip(outcomes, results or [{}] * len(outcomes), strict=True):
            check_outcome(outcome, expected)

    async def open(self, as_: str, stream: str, **fields: Any) -> None:
        if fields.pop("ordered", False):
            if "resume" in fields:
                fields["resume"] = self._positions[fields["resume"]]
            self._open[as_] = self._main.read(stream, **fields)
        else:
            self._open[as_] = self._main.consume(stream, fields.pop("consumer"), **fields)
        if self._loop is not None:
            await self._open[as_].__aenter__()

    async def receive(
        self,
        from_: str | list[str],
        expect: list[dict[str, Any]] | None = None,
        nothing_for: float | None = None,
        not_before: float | None = None,
    ) -> None:
        sources = [self._open[name] for name in ([from_] if isinstance(from_, str) else from_)]
        if nothing_for is not None:
            message = await receive_any(sources, nothing_for)
            assert message is None, f"{message!r} came"
        for expected in expect or []:
            message = await receive_any(sources, self._within)
            assert message is not None, f"nothing came, expected {expected}"
            now = time.monotonic()
            if not_before is not None:
                waited = now - self._received_at[message.sequence]
                assert waited >= not_before, f"{message!r} came again after {waited} s"
            self._received.append(message)
            self._received_at[message.sequence] = now
            check_message(message, expected)

    async def settle(
        self, messages: list[int], kind: str, delay: float | None = None, reason: str = "", confirm: bool = False
    ) -> None:
        for number in messages:
            await settle_one(self._received[number - 1], kind, delay, reason, confirm)

    async def collect(
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
        source, number, end = self._open[from_], first, time.monotonic() + self._within
        while missing:
            message = await done(source.receive(timeout=max(0.0, end - time.monotonic())))
            assert message is not None, f"{len(missing)} did not come, {sorted(missing)[:5]} for example"
            if in_order:
                assert message.text == f"{prefix}{number}", f"{message.text} instead of {prefix}{number}"
            if in_order or each_once:
                assert message.text in missing, f"{message.text} came twice, or is another's"
            missing.discard(message.text)
            number += 1
            if settle:
                await settle_one(message, settle)

    async def drain(self, what: str) -> None:
        assert await done(self._open[what].drain(self._within)), "not all was settled in time"

    async def close(self, what: str) -> None:
        closed = self._open.pop(what)
        if isinstance(closed, jetgate.Reader | jetgate.aio.Reader):
            self._positions[what] = closed.position
        await done(closed.close())

    async def world(self, command: dict[str, Any], expect: dict[str, Any] | None = None) -> None:
        fields = dict(command)
        answer = await asyncio.to_thread(self._world.do, fields.pop("do"), **fields)
        for name, value in (expect or {}).items():
            same = sorted_headers if name == "headers" else lambda as_it_is: as_it_is
            assert same(answer[name]) == same(value), f"{name} is {answer[name]!r}"

    async def await_(self, what: str) -> None:
        await asyncio.wait_for(asyncio.wrap_future(self._background.pop(what)), self._within)

    @property
    def _main(self) -> Any:
        return self._clients[self._client]

    @property
    def _timeout(self) -> float:
        """How long a call of the step may take, further attempts included."""
        return self._timeouts.get(self._client, max(self._within, SHORTEST_CALL))

    async def _until(
        self, look: Callable[[], Any], expect: dict[str, int] | None = None, at_least: dict[str, int] | None = None
    ) -> None:
        end = time.monotonic() + self._within
        while True:
            state = await look()
            is_equal = all(state[name] == value for name, value in (expect or {}).items())
            if is_equal and all(state[name] >= value for name, value in (at_least or {}).items()):
                return
            assert time.monotonic() < end, f"it stays {state}"
            await asyncio.sleep(0.02)

    async def _end(self) -> None:
        for what in [*self._open.values(), *self._clients.values()]:
            await done(what.close())


async def done(made: Any) -> Any:
    return await made if inspect.iscoroutine(made) else made


def renewed(before: str, after: str) -> Callable[[], str]:
    """A source of tokens that renews the one it has."""
    begun = time.monotonic()
    return lambda: before if time.monotonic() - begun < 2 else after


def fixed(token: str) -> Callable[[], str]:
    """A source of one token."""
    return lambda: token


def outcome_of(future: Any) -> Any:
    """What became of a message that is answered."""
    return future.exception() or future.result()


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


def stream_config(config: dict[str, Any]) -> jetgate.StreamConfig:
    return jetgate.StreamConfig(**with_durations(config, "duplicate_window"))


def consumer_config(config: dict[str, Any]) -> jetgate.ConsumerConfig:
    return jetgate.ConsumerConfig(**with_durations(config, "ack_wait"))


def with_durations(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {n: datetime.timedelta(seconds=value) if n in names else value for n, value in config.items()}


async def receive_any(sources: list[Any], within: float) -> Any:
    """The next message of whichever has one first."""
    if len(sources) == 1:
        return await done(sources[0].receive(timeout=within))
    end = time.monotonic() + within
    while time.monotonic() < end:
        for source in sources:
            if (message := await done(source.receive(timeout=0.02))) is not None:
                return message
    return None


async def settle_one(
    message: Any, kind: str, delay: float | None = None, reason: str = "", confirm: bool = False
) -> None:
    match kind:
        case "ack":
            await done(message.ack(confirm=confirm))
        case "nak":
            await done(message.nak(delay, reason))
        case "term":
            await done(message.term(reason))
        case "in_progress":
            await done(message.in_progress())
        case _:
            raise AssertionError(f"unknown kind {kind}")
