"""The world of a scenario: real servers, started and ended by tests/scenarios/world.py."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any

SCENARIOS = pathlib.Path(__file__).resolve().parents[3] / "tests" / "scenarios"


class World:
    """Passes commands on and returns their answers."""

    def __init__(self, **start: Any) -> None:
        command = [sys.executable, str(SCENARIOS / "world.py")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lock = threading.Lock()
        try:
            self.facts = self.do("start", **start)
        except BaseException:
            self.close()
            raise

    @property
    def gateways(self) -> list[str]:
        addresses: list[str] = self.facts["gateways"]
        return addresses

    @property
    def nats(self) -> str:
        return str(self.facts["nats"][0])

    def do(self, command: str, **fields: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps({"do": command, **fields}) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"ok": false, "error": "it ended"}')
        if not answer.pop("ok"):
            raise AssertionError(f"the world cannot {command}: {answer['error']}")
        return answer

    def close(self) -> None:
        self._process.communicate()

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
