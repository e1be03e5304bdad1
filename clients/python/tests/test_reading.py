"""Ordered reads whose stream no longer has the next messages."""

from __future__ import annotations

import pytest
from world import World

import jetgate


def test_messages_that_are_gone_are_a_gap_or_a_failure(world: World) -> None:
    with jetgate.connect(world.gateways) as client:
        for _ in range(5):
            client.publish("orders.new", "x")
        with client.read("ORDERS", until="last") as reader:
            read = [message.sequence for message in reader]
        for _ in range(5):
            client.publish("orders.new", "x")
        client.purge_stream("ORDERS", up_to_sequence=8)
        with client.read("ORDERS", resume=reader.position, on_gap="report", until="last") as again:
            read += [message.sequence for message in again]
        (gap,) = again.gaps
        with pytest.raises(jetgate.ConditionFailedError) as caught:
            client.read("ORDERS", resume=reader.position).receive(30)
    assert (read, gap.last_sequence, gap.first_available_sequence) == ([1, 2, 3, 4, 5, 8, 9, 10], 5, 8)
    assert caught.value.reason == "POSITION_LOST"
