"""Every scenario, through the client for threads and through the one for asyncio."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

import pytest
from scenario import Scenario
from world import SCENARIOS

FILES = sorted(SCENARIOS.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
@pytest.mark.parametrize("client", ["python", "python-asyncio"])
def test_scenario(client: str, file: pathlib.Path, record_property: Callable[[str, object], None]) -> None:
    record_property("scenario", {"client": client, "scenario": file.stem})
    Scenario(json.loads(file.read_text()), is_async=client == "python-asyncio").run()
