"""Measures the Python client beside nats-py: publishing with acks and consuming with acks, on one nats-server.

Both sides take turns, round by round, and the table shows medians. A side that did not store or receive exactly what it
should fails the run. `make bench-clients` calls it; JETGATE_BIN names the gateway, a release build.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import nats

import jetgate
import jetgate.aio

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "clients" / "python" / "tests"))
from world import World

PAYLOAD = b"x" * 256
SUBJECT = "bench.new"
IN_FLIGHT = 4096

Measure = Callable[[World, int], Coroutine[Any, Any, float]]


async def publish_native(world: World, count: int) -> float:
    connection = await nats.connect(world.nats)
    stream = connection.jetstream(publish_async_max_pending=IN_FLIGHT, timeout=60)
    begun = time.perf_counter()
    futures = [await stream.publish_async(SUBJECT, PAYLOAD) for _ in range(count)]
    await stream.publish_async_completed()
    took = time.perf_counter() - begun
    assert all(future.result().seq for future in futures)
    await connection.close()
    return count / took


async def publish_asyncio(world: World, count: int) -> float:
    async with jetgate.aio.connect(world.gateways) as client:
        async with client.publisher(max_in_flight=IN_FLIGHT) as publisher:
            begun = time.perf_counter()
            futures = [await publisher.publish(SUBJECT, PAYLOAD) for _ in range(count)]
            await publisher.flush()
            took = time.perf_counter() - begun
        assert all(future.result().sequence for future in futures)
    return count / took


async def publish_threads(world: World, count: int, **options: Any) -> float:
    with jetgate.connect(world.gateways) as client:
        with client.publisher(max_in_flight=IN_FLIGHT, **options) as publisher:
            begun = time.perf_counter()
            futures = [publisher.publish(SUBJECT, PAYLOAD) for _ in range(count)]
            publisher.flush()
            took = time.perf_counter() - begun
        assert all(future.exception() is None for future in futures)
    return count / took


async def publish_without_ids(world: World, count: int) -> float:
    return await publish_threads(world, count, message_ids=False)


async def publish_cumulative(world: World, count: int) -> float:
    return await publish_threads(world, count, stream="BENCH", cumulative=True)


async def publish_cumulative_without_ids(world: World, count: int) -> float:
    return await publish_threads(world, count, stream="BENCH", cumulative=True, message_ids=False)


async def consume_native(world: World, count: int) -> float:
    connection = await nats.connect(world.nats)
    subscription = await connection.jetstream().pull_subscribe_bind("worker", "BENCH")
    begun, seen = time.perf_counter(), 0
    while seen < count:
        for message in await subscription.fetch(min(1000, count - seen), timeout=30):
            await message.ack()
            seen += 1
    await connection.flush()
    took = time.perf_counter() - begun
    await connection.close()
    return count / took


async def consume_asyncio(world: World, count: int) -> float:
    async with jetgate.aio.connect(world.gateways) as client, client.consume("BENCH", "worker") as consumer:
        begun, seen = time.perf_counter(), 0
        async for message in consumer:
            await message.ack()
            seen += 1
            if seen == count:
                break
        await consumer.drain(30)
        return count / (time.perf_counter() - begun)


async def consume_threads(world: World, count: int) -> float:
    with jetgate.connect(world.gateways) as client, client.consume("BENCH", "worker") as consumer:
        begun = time.perf_counter()
        for seen, message in enumerate(consumer, 1):
            message.ack()
            if seen == count:
                break
        consumer.drain(30)
        return count / (time.perf_counter() - begun)


PUBLISH: dict[str, Measure] = {
    "nats-py publish_async": publish_native,
    "jetgate": publish_threads,
    "jetgate.aio": publish_asyncio,
    "jetgate, message_ids=False": publish_without_ids,
    "jetgate, cumulative": publish_cumulative,
    "jetgate, cumulative, message_ids=False": publish_cumulative_without_ids,
}
CONSUME: dict[str, Measure] = {
    "nats-py fetch": consume_native,
    "jetgate": consume_threads,
    "jetgate.aio": consume_asyncio,
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--messages", type=int, default=50_000)
    options = arguments.parse_args()
    with World() as world, jetgate.connect(world.gateways) as admin:
        for title, sides in (("Publishing", PUBLISH), ("Consuming", CONSUME)):
            rates: dict[str, list[float]] = {name: [] for name in sides}
            for _ in range(options.rounds):
                for name, measure in sides.items():
                    prepare(admin, 0 if sides is PUBLISH else options.messages)
                    rates[name].append(asyncio.run(measure(world, options.messages)))
                    check(admin, options.messages, is_consumed=sides is CONSUME)
            show(title, rates)


def prepare(admin: jetgate.Client, messages: int) -> None:
    """A stream of its own for each measurement, with so many messages."""
    with contextlib.suppress(jetgate.NotFoundError):
        admin.delete_stream("BENCH")
    admin.create_stream(jetgate.StreamConfig("BENCH", ["bench.>"], allow_batched=True))
    admin.create_consumer("BENCH", jetgate.ConsumerConfig(durable_name="worker", max_ack_pending=10_000))
    with admin.publisher() as publisher:
        for _ in range(messages):
            publisher.publish(SUBJECT, PAYLOAD)


def check(admin: jetgate.Client, messages: int, is_consumed: bool) -> None:
    stored = admin.stream_info("BENCH").state.messages
    if stored != messages:
        sys.exit(f"FAILED: {stored} messages are stored instead of {messages}")
    end = time.monotonic() + 10
    while is_consumed and admin.consumer_info("BENCH", "worker").state.ack_floor.stream_sequence != messages:
        if time.monotonic() > end:
            sys.exit("FAILED: not everything was acknowledged")
        time.sleep(0.05)


def show(title: str, rates: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    native = next(iter(medians.values()))
    print(f"\n| {title}, messages/s | median | lowest to highest | ratio |\n| --- | ---: | ---: | ---: |")
    for name, values in rates.items():
        spread = f"{min(values):,.0f} to {max(values):,.0f}"
        print(f"| {name} | {medians[name]:,.0f} | {spread} | {medians[name] / native:.1f} |", flush=True)


if __name__ == "__main__":
    main()
