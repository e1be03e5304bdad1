"""Publishers and calls where gateways hang, are killed or never there."""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from collections import Counter

import grpc
import nats
import pytest
from world import World

import jetgate
import jetgate.aio
from jetgate import _ledger
from jetgate.v1 import gateway_pb2_grpc, live_session_pb2

NOWHERE = "127.0.0.1:9"


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
        gateway_id = client.info().gateway_id
        publisher.publish("orders.new", "first").result(30)
        world.do("pause_nats")
        future = publisher.publish("orders.new", "open")
        publisher.publish("orders.new", "own id", message_id="own")
        wait_for_flight(world.gateways[0], gateway_id, 2)
        world.do("kill_gateway", gateway=0)
        world.do("resume_nats")
        with pytest.raises(jetgate.PublishOutcomeUnknownError):
            future.result(30)
        publisher.flush(30)
    assert stored(world)["own id"] == 1


def wait_for_flight(gateway: str, gateway_id: str, messages: int = 1) -> None:
    """Waits until the gateway, which still answers, has so many messages of a publisher on their way."""
    with grpc.insecure_channel(gateway) as channel:
        service = gateway_pb2_grpc.GatewayServiceStub(channel)  # type: ignore[no-untyped-call]
        request = live_session_pb2.ListSessionsRequest(gateway_id=gateway_id)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            sessions = service.ListSessions(request, timeout=10).sessions
            if any(session.outstanding_messages >= messages for session in sessions):
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


def test_what_was_put_off_when_all_servers_went_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ledger, "_PUT_OFF", 5.0)  # for long enough to end the gateway meanwhile
    with World(config={"publish.timeout": "1s"}) as world, jetgate.connect(world.gateways) as client:
        client.create_stream(jetgate.StreamConfig("ORDERS", ["orders.>"]))
        with client.publisher(timeout=15.0) as publisher:
            publisher.publish("orders.new", "first").result(30)
            world.do("stop_nats")
            future = publisher.publish("orders.new", "put off")
            deadline = time.monotonic() + 15
            while publisher._engine._ledger.next_due() is None:
                assert time.monotonic() < deadline, "the message is not put off"
                time.sleep(0.01)
            world.do("kill_gateway")
            with pytest.raises(jetgate.PublishOutcomeUnknownError) as caught:
                future.result(60)
            assert caught.value.metadata["message_id"].endswith(":2")
            publisher.flush(30)


def test_the_next_address_is_taken_when_one_is_dead(world: World) -> None:
    with jetgate.connect([NOWHERE, *world.gateways]) as client:
        assert client.publish("orders.new", "x").sequence == 1
    with jetgate.connect([NOWHERE, *world.gateways]) as client, client.publisher() as publisher:
        assert publisher.publish("orders.new", "x").result(30).sequence == 2


def test_a_closed_publisher_takes_nothing(world: World) -> None:
    with jetgate.connect(world.gateways) as client:
        publisher = client.publisher()
        heard: list[int | None] = []
        publisher.publish("orders.new", "x").add_done_callback(lambda future: heard.append(future.result().sequence))
        publisher.close()
        assert heard == [1]
        with pytest.raises(jetgate.ClosedError):
            publisher.publish("orders.new", "x")


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
