"""Writes the table of scenarios in clients/README.md from the reports of the clients' test runs.

With --check it writes nothing, and fails where a report has a failure or lacks a scenario.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys

SCENARIOS = pathlib.Path(__file__).resolve().parent
ROOT = SCENARIOS.parents[1]
PAGE = ROOT / "clients" / "README.md"
BEGIN, END = "<!-- scenarios: begin -->\n", "<!-- scenarios: end -->\n"
WORDS = {"passed": "yes", "failed": "**no**", "left_out": "left out"}

# What one client's run said: the result of each scenario.
Report = dict[str, str]


def reports() -> dict[str, Report]:
    """The reports that there are, by client."""
    folder = pathlib.Path(os.environ.get("JETGATE_SCENARIO_REPORTS", ROOT / "target" / "scenarios"))
    found = {}
    for file in sorted(folder.glob("*.jsonl")):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        found[file.stem] = {line["scenario"]: line["result"] for line in lines}
    return found


def table(found: dict[str, Report]) -> str:
    lines = ["| scenario | " + " | ".join(found) + " |", "| --- |" + " --- |" * len(found)]
    for name, about in scenarios().items():
        results = [WORDS.get(report.get(name, ""), "not run") for report in found.values()]
        lines.append(f"| `{name}`: {about} | " + " | ".join(results) + " |")
    return "\n".join(lines) + "\n"


def scenarios() -> dict[str, str]:
    return {file.stem: json.loads(file.read_text())["about"] for file in sorted(SCENARIOS.glob("*.json"))}


def complaints(found: dict[str, Report]) -> list[str]:
    expected = scenarios()
    return [
        f"{client}: {name}: {report.get(name, 'not run')}"
        for client, report in found.items()
        for name in expected
        if report.get(name) not in ("passed", "left_out")
    ]


def write(found: dict[str, Report]) -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + table(found) + END + after)


def main() -> None:
    found = reports()
    if not found:
        sys.exit("no reports: run the tests of a client first")
    if sys.argv[1:] == ["--check"]:
        sys.exit("\n".join(complaints(found)) or None)
    write(found)


if __name__ == "__main__":
    main()
