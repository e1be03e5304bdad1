"""Consumers whose gateways hang, are killed or drained, and handlers that fail."""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from world import World

import jetgate
import jetgate.aio
from jetgate import _consuming
from jetgate.config import ConsumerState


def some(message: jetgate.Message | None) -> jetgate.Message:
    assert message is not None, "no message came in time"
    return message


def restart(world: World, gateway: int) -> None:
    world.do("drain_gateway", gateway=gateway)
    world.do("wait_gateway", gateway=gateway)
    world.do("start_gateway", gateway=gateway)


def wait_for_state(client: jetgate.Client, **expected: int) -> ConsumerState:
    """The state of the consumer once it is so: JetStream may hear of what is not confirmed a moment later."""
    deadline = time.monotonic() + 30
    while True:
        state = client.consumer_info("ORDERS", "worker").state
        if all(getattr(state, name) == value for name, value in expected.items()):
            return state
        assert time.monotonic() < deadline, f"it stays {state}"
        time.sleep(0.05)


def test_handlers_share_the_messages_and_failed_ones_come_again(world: World) -> None:
    seen: Counter[str] = Counter()
    finished = threading.Event()

    def handle(message: jetgate.Message) -> None:
        seen[message.text] += 1
        if message.text == "3" and message.attempt == 1:
            raise RuntimeError("not yet")
        if len(seen) == 20 and seen["3"] == 2:
            finished.set()

    with jetgate.connect(world.gateways) as client:
        client.publish_batch([jetgate.OutgoingMessage("orders.new", str(n)) for n in range(20)])
        with client.consume("ORDERS", "worker") as consumer:
            runner = threading.Thread(target=consumer.run, args=[handle], kwargs={"concurrency": 4, "nak_delay": 0.1})
            runner.start()
            assert finished.wait(30)
            consumer.drain(30)
            runner.join(30)
            assert not runner.is_alive()
        wait_for_state(client, num_ack_pending=0)
    assert (seen["3"], sum(seen.values())) == (2, 21)


def test_what_is_worked_on_stays_ours_over_drained_gateways() -> None:
    """For longer than ack_wait, while acknowledgements of other messages flow steadily."""
    with World(gateways=2, config={"shutdown.drain": "10s"}) as world, jetgate.connect(world.gateways) as client:
        client.create_stream(jetgate.StreamConfig("ORDERS", ["orders.>"]))
        config = jetgate.ConsumerConfig(durable_name="worker", ack_wait=datetime.timedelta(seconds=8))
        client.create_consumer("ORDERS", config)
        client.publish_batch([jetgate.OutgoingMessage("orders.new", str(n)) for n in range(1000)])
        with client.consume("ORDERS", "worker", max_outstanding=1000) as consumer:
            held = [some(consumer.receive(30)) for _ in range(1000)]
            is_over = threading.Event()

            def acknowledge() -> None:
                while len(held) > 100 and not is_over.wait(0.01):
                    held.pop().ack()

            acknowledging = threading.Thread(target=acknowledge)
            acknowledging.start()
            for gateway in range(2):
                restart(world, gateway)
            is_over.set()
            acknowledging.join()
            # Once that is answered, the session that goes on is there, with what it has taken over.
            held.pop().ack(confirm=True)
            assert consumer.receive(timeout=10) is None, "what is held came again"
            for message in held:
                message.ack()
            assert consumer.drain(30)
        state = wait_for_state(client, num_ack_pending=0, num_pending=0)
    assert (state.num_redelivered, state.delivered.consumer_sequence) == (0, 1000)


def test_a_drain_keeps_its_work_over_a_drained_gateway() -> None:
    with World(gateways=2, config={"shutdown.drain": "10s"}) as world, jetgate.connect(world.gateways) as client:
        client.create_stream(jetgate.StreamConfig("ORDERS", ["orders.>"]))
        config = jetgate.ConsumerConfig(durable_name="worker", ack_wait=datetime.timedelta(seconds=8))
        client.create_consumer("ORDERS", config)
        client.publish_batch([jetgate.OutgoingMessage("orders.new", str(n)) for n in range(8)])
        with client.consume("ORDERS", "worker") as consumer, ThreadPoolExecutor() as pool:
            held = [some(consumer.receive(30)) for _ in range(8)]
            drained = pool.submit(consumer.drain, 60)
            for gateway in range(2):
                restart(world, gateway)
            # Longer than ack_wait: what is not ours any more comes again, to whoever asks.
            with client.consume("ORDERS", "worker") as other:
                assert other.receive(timeout=10) is None, "what is held came again"
            for message in held:
                message.ack()
            assert drained.result()
        state = wait_for_state(client, num_ack_pending=0)
    assert (state.ack_floor.stream_sequence, state.delivered.consumer_sequence) == (8, 8)


def test_acknowledgements_that_are_given_between_sessions_are_passed_on_at_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_consuming, "_LAST_CALLS", 60.0)  # for as long as a gateway may take to start
    with jetgate.connect(world.gateways[0]) as client:
        client.publish_batch([jetgate.OutgoingMessage("orders.new", str(n)) for n in range(10)])
        consumer = client.consume("ORDERS", "worker")
        messages = [some(consumer.receive(30)) for _ in range(10)]
        world.do("kill_gateway", gateway=0)
        for message in messages:
            message.ack()
        starting = threading.Thread(target=world.do, args=["start_gateway"], kwargs={"gateway": 0})
        starting.start()
        assert consumer.close()
        starting.join()
        state = wait_for_state(client, num_ack_pending=0)
    assert state.ack_floor.stream_sequence == 10


def test_acknowledgements_that_a_hanging_gateway_does_not_take_are_passed_on_at_the_end(world: World) -> None:
    with jetgate.connect(world.gateways) as client:
        client.publish_batch([jetgate.OutgoingMessage("orders.new", str(n)) for n in range(10)])
        consumer = client.consume("ORDERS", "worker")
        messages = [some(consumer.receive(30)) for _ in range(10)]
        world.do("pause_gateway", gateway=0)
        for message in messages:
            message.ack()
        assert consumer.close()
        state = wait_for_state(client, num_ack_pending=0)
        world.do("resume_gateway", gateway=0)
    assert state.ack_floor.stream_sequence == 10


def test_acknowledgements_that_cannot_be_passed_on_are_reported(world: World) -> None:
    with jetgate.connect(world.gateways[0]) as client:
        client.publish("orders.new", "x")
        consumer = client.consume("ORDERS", "worker")
        message = some(consumer.receive(30))
        world.do("kill_gateway", gateway=0)
        message.ack()
        assert not consumer.close()


def test_a_settlement_that_is_written_as_the_stream_ends_is_not_lost(world: World) -> None:
    with jetgate.connect(world.gateways[0]) as client:
        client.publish_batch([jetgate.OutgoingMessage("orders.new", str(n)) for n in range(10)])
        with client.consume("ORDERS", "worker") as consumer:
            messages = [some(consumer.receive(30)) for _ in range(10)]
            world.do("pause_gateway", gateway=0)
            for message in messages:
                message.ack()
            world.do("kill_gateway", gateway=0)
            world.do("start_gateway", gateway=0)
            assert consumer.drain(30)
        state = wait_for_state(client, num_ack_pending=0)
    assert (state.ack_floor.stream_sequence, state.num_redelivered) == (10, 0)


def test_a_consumer_that_is_deleted_ends_its_iterator(world: World) -> None:
    with jetgate.connect(world.gateways) as client, client.consume("ORDERS", "worker") as consumer:
        client.delete_consumer("ORDERS", "worker")
        with pytest.raises(jetgate.NotFoundError) as caught:
            consumer.receive(timeout=30)
        assert caught.value.reason == "CONSUMER_NOT_FOUND"


def test_asyncio_handlers_are_cancelled_with_their_task_and_nothing_stays_behind(world: World) -> None:
    async def main() -> None:
        async with jetgate.aio.connect(world.gateways) as client:
            await client.publish_batch([jetgate.OutgoingMessage("orders.new", str(n)) for n in range(3)], "ordered")
            seen = []

            async def handle(message: jetgate.aio.Message) -> None:
                seen.append(message.text)
                if len(seen) == 3:
                    task.cancel()
                    await asyncio.sleep(60)

            async with client.consume("ORDERS", "worker") as consumer:
                task = asyncio.create_task(consumer.run(handle))
                with pytest.raises(asyncio.CancelledError):
                    await task
            async with client.consume("ORDERS", "worker") as consumer:
                again = await consumer.receive(timeout=30)
                assert again is not None
                assert again.text == "2"
                assert again.attempt >= 2

    asyncio.run(main())
