"""Every scenario, through the client for threads and through the one for asyncio; leaves a report of each."""

from __future__ import annotations

import json
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scenario import Scenario
from world import SCENARIOS

import jetgate

FILES = sorted(SCENARIOS.glob("*.json"))
ROOT = SCENARIOS.parents[1]
CLIENTS: dict[str, Callable[..., Any]] = {"python": jetgate.connect}


@pytest.fixture(scope="module", params=CLIENTS)
def report(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Collects a client's results and writes them once all scenarios were run."""
    lines: list[dict[str, Any]] = []
    yield request.param, lines
    if {line["scenario"] for line in lines} == {file.stem for file in FILES}:
        folder = pathlib.Path(os.environ.get("JETGATE_SCENARIO_REPORTS", ROOT / "target" / "scenarios"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{request.param}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_scenario(file: pathlib.Path, report: tuple[str, list[dict[str, Any]]]) -> None:
    client, lines = report
    line = {"client": client, "scenario": file.stem, "result": "failed", "seconds": 0.0, "detail": ""}
    lines.append(line)
    begun = time.monotonic()
    try:
        Scenario(json.loads(file.read_text()), CLIENTS[client]).run()
        line["result"] = "passed"
    except BaseException as problem:
        line["detail"] = str(problem)
        raise
    finally:
        line["seconds"] = round(time.monotonic() - begun, 2)
