"""What tests share: a world of two gateways, and the reports on scenarios that matrix.py reads."""

from __future__ import annotations

import json
import os
import pathlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from world import SCENARIOS, World

import jetgate

Line = dict[str, Any]


@pytest.fixture
def world() -> Iterator[World]:
    """Two gateways, with a stream and a consumer."""
    with World(gateways=2) as started:
        with jetgate.connect(started.gateways) as client:
            client.create_stream(jetgate.StreamConfig("ORDERS", ["orders.>"]))
            client.create_consumer("ORDERS", jetgate.ConsumerConfig(durable_name="worker"))
        yield started


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reports())


class Reports:
    """Gathers the results of scenarios, from however many processes: a file for each client that has run them all."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, list[Line]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, line in report.user_properties:
            if name == "scenario" and report.when == "call" and isinstance(line, dict):
                result = "passed" if report.passed else "failed"
                line.update(result=result, seconds=round(report.duration, 2), detail="" if report.passed else "see log")
                self._lines[line["client"]].append(line)

    def pytest_sessionfinish(self) -> None:
        expected = {file.stem for file in SCENARIOS.glob("*.json")}
        default = SCENARIOS.parents[1] / "target" / "scenarios"
        folder = pathlib.Path(os.environ.get("JETGATE_SCENARIO_REPORTS") or default)
        for client, lines in self._lines.items():
            if {line["scenario"] for line in lines} == expected:
                folder.mkdir(parents=True, exist_ok=True)
                lines.sort(key=lambda line: str(line["scenario"]))
                (folder / f"{client}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
