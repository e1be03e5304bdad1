"""The README's snippets and the examples, run as they stand there."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator

import pytest
from world import World

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


def test_the_package_brings_its_stubs_and_types(tmp_path: pathlib.Path) -> None:
    build = [
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run([sys.executable, *build], check=True, timeout=100)
    (wheel,) = tmp_path.glob("jetgate-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"jetgate/py.typed", "jetgate/aio/client.py", "jetgate/v1/publish_stream_pb2.pyi"} <= names
    path = {**os.environ, "PYTHONPATH": str(wheel)}
    subprocess.run(
        [sys.executable, "-c", "import jetgate.aio, jetgate.v1.types_pb2"], env=path, check=True, timeout=100
    )
