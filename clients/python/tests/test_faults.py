"""What the scenarios leave out: gateways that hang, are never there, or go while handlers work."""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import nats
import pytest
from world import World

import jetgate
import jetgate.aio
from jetgate.v1 import gateway_pb2_grpc, live_session_pb2

NOWHERE = "127.0.0.1:9"


@pytest.fixture
def world() -> Iterator[World]:
    with World(gateways=2) as started:
        with jetgate.connect(started.gateways) as client:
            client.create_stream(jetgate.StreamConfig("ORDERS", ["orders.>"]))
            client.create_consumer("ORDERS", jetgate.ConsumerConfig(durable_name="worker"))
        yield started


def stored(world: World) -> Counter[str]:
    """The payloads that the stream holds, as a native client reads them."""

    async def read() -> Counter[str]:
        connection = await nats.connect(world.nats)
        subscription = await connection.jetstream().subscribe("orders.>", ordered_consumer=True)
        total = (await connection.jetstream().stream_info("ORDERS")).state.messages
        found = Counter([(await subscription.next_msg(timeout=20)).data.decode() for _ in range(total)])
        await connection.close()
        return found

    return asyncio.run(read())


def some(message: jetgate.Message | None) -> jetgate.Message:
    assert message is not None, "no message came in time"
    return message


def restart(world: World, gateway: int) -> None:
    world.do("drain_gateway", gateway=gateway)
    world.do("wait_gateway", gateway=gateway)
    world.do("start_gateway", gateway=gateway)


def test_a_gateway_that_hangs_under_a_publisher_is_left(world: World) -> None:
    with jetgate.connect(world.gateways) as client, client.publisher() as publisher:
        futures = [publisher.publish("orders.new", f"a{n}") for n in range(500)]
        futures[0].result(30)
        world.do("pause_gateway", gateway=0)
        futures += [publisher.publish("orders.new", f"b{n}") for n in range(500)]
        for future in futures:
            future.result(60)
    world.do("resume_gateway", gateway=0)
    found = stored(world)
    assert len(found) == 1000
    assert set(found.values()) == {1}


def test_gateways_that_are_killed_again_and_again_lose_and_repeat_nothing(world: World) -> None:
    stop = threading.Event()

    def kill() -> None:
        for round_ in range(4):
            world.do("kill_gateway", gateway=round_ % 2)
            world.do("start_gateway", gateway=round_ % 2)
        stop.set()

    killer = threading.Thread(target=kill)
    with jetgate.connect(world.gateways) as client, client.publisher(max_in_flight=300) as publisher:
        killer.start()
        futures: list[jetgate.PublishFuture] = []
        while not stop.is_set():
            futures.append(publisher.publish("orders.new", f"{len(futures)}"))
            if len(futures) % 50 == 0:
                time.sleep(0.01)
        killer.join()
    assert [future.exception() for future in futures if future.exception()] == []
    found = stored(world)
    assert len(found) == len(futures)
    assert set(found.values()) == {1}


def test_without_message_ids_what_breaks_is_unknown_and_not_repeated(world: World) -> None:
    with jetgate.connect(world.gateways) as client, client.publisher(message_ids=False) as publisher:
        publisher.publish("orders.new", "first").result(30)
        world.do("pause_nats")
        future = publisher.publish("orders.new", "open")
        publisher.publish("orders.new", "own id", message_id="own")
        time.sleep(0.3)
        world.do("kill_gateway", gateway=0)
        world.do("resume_nats")
        with pytest.raises(jetgate.PublishOutcomeUnknownError):
            future.result(30)
        publisher.flush(30)
    assert stored(world)["own id"] == 1


def wait_for_flight(gateway: str, gateway_id: str) -> None:
    """Waits until the gateway, which still answers, has a message of a publisher on its way."""
    with grpc.insecure_channel(gateway) as channel:
        service = gateway_pb2_grpc.GatewayServiceStub(channel)  # type: ignore[no-untyped-call]
        request = live_session_pb2.ListSessionsRequest(gateway_id=gateway_id)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if any(session.outstanding_messages for session in service.ListSessions(request, timeout=10).sessions):
                return
            time.sleep(0.02)
    raise AssertionError("nothing is on its way")


def test_what_its_stream_may_have_forgotten_is_not_sent_again(world: World) -> None:
    window = datetime.timedelta(seconds=2)
    with jetgate.connect(world.gateways[0]) as client:
        client.delete_stream("ORDERS")
        client.create_stream(jetgate.StreamConfig("ORDERS", ["orders.>"], duplicate_window=window))
        gateway_id = client.info().gateway_id
        with client.publisher(stream="ORDERS") as publisher:
            publisher.publish("orders.new", "first").result(30)
            world.do("pause_nats")
            sent = publisher.publish("orders.new", "sent")
            wait_for_flight(world.gateways[0], gateway_id)
            world.do("kill_gateway", gateway=0)
            world.do("resume_nats")
            time.sleep(window.total_seconds())  # which is what this is about; the client knows that nobody is there
            unsent = publisher.publish("orders.new", "unsent")
            time.sleep(window.total_seconds())
            assert not sent.done()
            world.do("start_gateway", gateway=0)
            with pytest.raises(jetgate.PublishOutcomeUnknownError) as caught:
                sent.result(60)
            assert caught.value.metadata["message_id"].endswith(":2")
            unsent.result(60)
    found = stored(world)
    assert (found["first"], found["unsent"]) == (1, 1)
    assert found["sent"] <= 1


def test_a_publish_without_an_answer_says_that_it_may_be_stored(world: World) -> None:
    with jetgate.connect(world.gateways[0]) as client:
        client.publish("orders.new", "first")
        world.do("pause_gateway", gateway=0)
        with pytest.raises(jetgate.PublishOutcomeUnknownError) as caught:
            client.publish("orders.new", "open", timeout=0.5)
        assert (caught.value.code, caught.value.retry) == ("DEADLINE_EXCEEDED", jetgate.Retry.SAME_ID)
        with pytest.raises(jetgate.PublishOutcomeUnknownError):
            client.publish_batch([jetgate.OutgoingMessage("orders.new", "batch", message_id="b")], timeout=0.5)
        world.do("resume_gateway", gateway=0)
        # The same id makes it known.
        assert client.publish("orders.new", "open", message_id=caught.value.metadata["message_id"]).sequence
        assert client.publish("orders.new", "batch", message_id="b").sequence
    assert stored(world) == Counter({"first": 1, "open": 1, "batch": 1})


def test_what_no_gateway_takes_in_time_was_not_sent() -> None:
    with jetgate.connect(NOWHERE) as client:
        begun = time.monotonic()
        with client.publisher(timeout=1.0) as publisher, pytest.raises(jetgate.DeadlineExceededError):
            publisher.publish("orders.new", "x").result(30)
        with pytest.raises(jetgate.UnavailableError) as caught:
            client.publish("orders.new", "x", timeout=1.0)
        assert not caught.value.outcome_unknown
        with pytest.raises(jetgate.UnavailableError):
            client.consume("ORDERS", "worker", open_timeout=1.0)
        assert time.monotonic() - begun < 30


def test_the_next_address_is_taken_when_one_is_dead(world: World) -> None:
    with jetgate.connect([NOWHERE, *world.gateways]) as client:
        assert client.publish("orders.new", "x").sequence == 1
    with jetgate.connect([NOWHERE, *world.gateways]) as client, client.publisher() as publisher:
        assert publisher.publish("orders.new", "x").result(30).sequence == 2


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
        state = client.consumer_info("ORDERS", "worker").state
    assert (seen["3"], sum(seen.values()), state.num_ack_pending) == (2, 21, 0)


def test_what_is_worked_on_stays_ours_over_drained_gateways() -> None:
    """For longer than ack_wait, while acknowledgements of other messages flow steadily."""
    with World(gateways=2, config={"shutdown.drain": "6s"}) as world, jetgate.connect(world.gateways) as client:
        client.create_stream(jetgate.StreamConfig("ORDERS", ["orders.>"]))
        config = jetgate.ConsumerConfig(durable_name="worker", ack_wait=datetime.timedelta(seconds=4))
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
            assert consumer.receive(timeout=6) is None, "what is held came again"
            for message in held:
                message.ack()
            assert consumer.drain(30)
        state = client.consumer_info("ORDERS", "worker").state
    assert (state.num_ack_pending, state.num_pending, state.num_redelivered) == (0, 0, 0)
    assert state.delivered.consumer_sequence == 1000


def test_a_drain_keeps_its_work_over_a_drained_gateway() -> None:
    with World(gateways=2, config={"shutdown.drain": "6s"}) as world, jetgate.connect(world.gateways) as client:
        client.create_stream(jetgate.StreamConfig("ORDERS", ["orders.>"]))
        config = jetgate.ConsumerConfig(durable_name="worker", ack_wait=datetime.timedelta(seconds=4))
        client.create_consumer("ORDERS", config)
        client.publish_batch([jetgate.OutgoingMessage("orders.new", str(n)) for n in range(8)])
        with client.consume("ORDERS", "worker") as consumer, ThreadPoolExecutor() as pool:
            held = [some(consumer.receive(30)) for _ in range(8)]
            drained = pool.submit(consumer.drain, 60)
            for gateway in range(2):
                restart(world, gateway)
            # Longer than ack_wait: what is not ours any more comes again, to whoever asks.
            with client.consume("ORDERS", "worker") as other:
                assert other.receive(timeout=6) is None, "what is held came again"
            for message in held:
                message.ack()
            assert drained.result()
        state = client.consumer_info("ORDERS", "worker").state
    assert (state.num_ack_pending, state.ack_floor.stream_sequence, state.delivered.consumer_sequence) == (0, 8, 8)


def test_acknowledgements_that_are_given_between_sessions_are_passed_on_at_the_end(world: World) -> None:
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
        state = client.consumer_info("ORDERS", "worker").state
    assert (state.num_ack_pending, state.ack_floor.stream_sequence) == (0, 10)


def test_acknowledgements_that_a_hanging_gateway_does_not_take_are_passed_on_at_the_end(world: World) -> None:
    with jetgate.connect(world.gateways) as client:
        client.publish_batch([jetgate.OutgoingMessage("orders.new", str(n)) for n in range(10)])
        consumer = client.consume("ORDERS", "worker")
        messages = [some(consumer.receive(30)) for _ in range(10)]
        world.do("pause_gateway", gateway=0)
        for message in messages:
            message.ack()
        assert consumer.close()
        state = client.consumer_info("ORDERS", "worker").state
        world.do("resume_gateway", gateway=0)
    assert (state.num_ack_pending, state.ack_floor.stream_sequence) == (0, 10)


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
        state = client.consumer_info("ORDERS", "worker").state
    assert (state.num_ack_pending, state.ack_floor.stream_sequence, state.num_redelivered) == (0, 10, 0)


def test_a_consumer_that_is_deleted_ends_its_iterator(world: World) -> None:
    with jetgate.connect(world.gateways) as client, client.consume("ORDERS", "worker") as consumer:
        client.delete_consumer("ORDERS", "worker")
        with pytest.raises(jetgate.NotFoundError) as caught:
            consumer.receive(timeout=30)
        assert caught.value.reason == "CONSUMER_NOT_FOUND"


def test_a_closed_publisher_takes_nothing(world: World) -> None:
    with jetgate.connect(world.gateways) as client:
        publisher = client.publisher()
        heard: list[int | None] = []
        publisher.publish("orders.new", "x").add_done_callback(lambda future: heard.append(future.result().sequence))
        publisher.close()
        assert heard == [1]
        with pytest.raises(jetgate.ClosedError):
            publisher.publish("orders.new", "x")


def test_asyncio_handlers_are_cancelled_with_their_task_and_nothing_stays_behind(world: World) -> None:
    async def main() -> None:
        async with jetgate.aio.connect(world.gateways) as client:
            await client.publish_batch([jetgate.OutgoingMessage("orders.new", str(n)) for n in range(3)])
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


def test_asyncio_waits_for_room_and_unary_calls_run_together(world: World) -> None:
    async def main() -> list[int]:
        async with jetgate.aio.connect(world.gateways) as client:
            async with client.publisher(max_in_flight=8) as publisher:
                futures = [await publisher.publish("orders.new", str(n)) for n in range(2000)]
            results = await asyncio.gather(*futures)
            assert [result.sequence for result in results] == list(range(1, 2001))
            unary = await asyncio.gather(*(client.publish("orders.new", str(n)) for n in range(20)))
            return sorted(result.sequence or 0 for result in unary)

    assert asyncio.run(main()) == list(range(2001, 2021))
