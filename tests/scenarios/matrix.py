"""Writes the table of scenarios in clients/README.md from the reports of the clients' test runs.

With --check it writes nothing, and fails where a report has a failure or lacks a scenario, or the table says something
else. Clients without a report are left out of that, unless CI=true.
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
    for file in sorted(folder.glob("*.jsonl"), key=lambda file: file.stem):
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


def stale(found: dict[str, Report]) -> list[str]:
    """What the page says otherwise than the reports, column by column."""
    _, _, written = parts()
    says, is_so = columns(written), columns(table(found))
    missing = says.keys() - is_so.keys() if os.environ.get("CI") == "true" else set()
    different = [name for name, column in is_so.items() if says.get(name) != column]
    return [f"{name}: no report" for name in sorted(missing)] + [
        f"{PAGE.name}: the column {name!r} is not what came out; `python3 tests/scenarios/matrix.py` writes the table"
        for name in different
    ]


def columns(text: str) -> dict[str, list[str]]:
    """The columns of a table by their heads; that of the scenarios is among them."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines()]
    return {head: list(cells) for head, *cells in zip(*rows, strict=True)}


def parts() -> tuple[str, str, str]:
    """The page before and behind the table, and the table."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    written, _, after = rest.partition(END)
    return before, after, written


def write(found: dict[str, Report]) -> None:
    before, after, _ = parts()
    PAGE.write_text(before + BEGIN + table(found) + END + after)


def main() -> None:
    found = reports()
    if sys.argv[1:] == ["--check"]:
        sys.exit("\n".join(complaints(found) + stale(found)) or None)
    if not found:
        sys.exit("no reports: run the tests of a client first")
    write(found)


if __name__ == "__main__":
    main()
