"""The README's snippets and the examples, run as they stand there."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from world import World

import jetgate

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as started:
        yield started


def run(world: World, *arguments: str, **environment: str) -> str:
    """Runs Python and returns what it printed."""
    variables = {**os.environ, "JETGATE_URL": f"http://{world.gateways[0]}", **environment}
    result = subprocess.run(
        [sys.executable, *arguments], env=variables, capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_snippets_of_the_readme_run_in_their_order(world: World) -> None:
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(snippets) == 9
    # Addresses and files of the snippet on connecting are not there; connections are made when they are needed.
    printed = run(world, "-c", "\n".join(snippets))
    assert "PublishResult(stream='ORDERS', sequence=1, duplicate=False, message_id='order-1'" in printed
    assert "orders.new hello" in printed
    assert "updated ['max_age']" in printed
    assert "STREAM_NOT_FOUND Retry.NEVER {" in printed


def test_an_order_is_billed_once_however_often_the_programs_run(world: World, tmp_path: pathlib.Path) -> None:
    names = {"STREAM_NAME": "SHOP", "CONSUMER_NAME": "billing", "DATABASE": str(tmp_path / "bills.sqlite")}
    publisher, consumer = (str(ROOT / "examples" / name) for name in ("publisher.py", "consumer.py"))
    assert "order-10: sequence 10\n" in run(world, publisher, **names, TRACEPARENT="00-abc-def-01")
    assert "order-10: sequence 10, stored before\n" in run(world, publisher, **names)
    billed = run(world, consumer, **names)
    assert billed.count("billed, trace 00-abc-def-01") == 10
    names["CONSUMER_NAME"] = "another"
    assert run(world, consumer, **names).count("billed before") == 10


def test_a_trace_goes_from_the_publisher_to_the_consumer(world: World) -> None:
    with jetgate.connect(world.gateways) as client:
        client.create_stream(jetgate.StreamConfig("USERS", ["users.*"]))
        client.create_consumer("USERS", jetgate.ConsumerConfig(durable_name="worker"))
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    names = {"STREAM_NAME": "USERS", "CONSUMER_NAME": "worker", "TRACEPARENT": trace}
    said = run(world, str(ROOT / "examples" / "tracing.py"), **names)
    assert said == f"published in {trace}\nada goes on in {trace}\n"


def test_what_the_readme_installs_runs_its_first_snippet(tmp_path: pathlib.Path) -> None:
    """Into an empty folder and without a download, as what the package needs is here."""
    readme = (ROOT / "README.md").read_text()
    ((command, *words),) = (line.split() for line in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL))
    assert command == "pip"
    there = tmp_path / "installed"
    words += ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(there)]
    subprocess.run([sys.executable, "-m", "pip", *words], cwd=ROOT.parents[1], check=True, timeout=100)
    for file in ("py.typed", "aio/client.py", "v1/publish_stream_pb2.pyi"):
        assert (there / "jetgate" / file).is_file()
    first = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)[0]
    (tmp_path / "first.py").write_text(f"{first}print(jetgate.__file__)\n")
    with World() as world:
        printed = run(world, str(tmp_path / "first.py"), PYTHONPATH=str(there))
    assert "orders.new hello" in printed
    assert str(there) in printed
