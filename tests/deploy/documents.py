"""Finds the fenced blocks of the documents, and runs commands of them with stand-ins for what needs a cluster."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess

import programs
from chart import ROOT

# What is no document of this repository: what was fetched or built.
OTHERS = {"node_modules", "target", ".tools", "build", "dist"}

# A program that writes down how it was called, and does nothing.
STAND_IN = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    json.dump([os.path.basename(sys.argv[0]), *sys.argv[1:]], calls)
    calls.write("\\n")
"""


@dataclasses.dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    document: str
    line: int
    language: str
    text: str
    indented: bool

    def __str__(self):
        return f"{self.document}:{self.line} ({self.language or 'no language'})"


def documents():
    """Every document, as a path from the root."""
    found = (file.relative_to(ROOT) for file in ROOT.rglob("*.md"))
    return sorted(str(file) for file in found if not OTHERS.intersection(file.parts))


def blocks(document):
    """The fenced blocks of a document, in their order."""
    opened, begin, lines = None, 0, []
    for number, line in enumerate((ROOT / document).read_text().splitlines(), 1):
        fence = re.match(r"( *)(```+|~~~+) *([\w-]*)", line)
        if opened is None:
            if fence:
                opened, begin, lines = fence, number, []
        elif fence and fence[2] == opened[2] and not fence[3]:
            indent = len(opened[1])
            text = "".join(f"{line[indent:]}\n" for line in lines)
            yield Block(document, begin, opened[3], text, indent > 0)
            opened = None
        else:
            lines.append(line)
    if opened is not None:
        raise AssertionError(f"{document}:{begin}: the block has no end")


def run(text, folder, real=(), stand_ins=(), **environment):
    """Runs commands by bash in the folder, and returns what they printed and how the stand-ins were called.

    `real` are programs by name, `stand_ins` the names of those that are only written down.
    """
    folder = pathlib.Path(folder)
    programs_folder, calls = folder / ".bin", folder / ".calls"
    programs_folder.mkdir()
    calls.touch()
    for name, path in dict(real).items():
        (programs_folder / name).symlink_to(path)
    for name in stand_ins:
        # One with a path stands where the commands look for it, the others where the shell does.
        stand_in = (folder if "/" in name else programs_folder) / name
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
    variables = programs.clean_environment(
        PATH=f"{programs_folder}:{os.environ['PATH']}", CALLS=str(calls), **environment)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=variables, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        raise AssertionError(f"{text}\nended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout, [json.loads(line) for line in calls.read_text().splitlines()]


def options(arguments):
    """The values of `--name value` and `--name=value`, and the words that are no options, of a recorded call."""
    given, words, arguments = {}, [], list(arguments)
    while arguments:
        word = arguments.pop(0)
        if not word.startswith("-"):
            words.append(word)
            continue
        name, has_value, value = word.partition("=")
        if not has_value and arguments and not arguments[0].startswith("-"):
            value = arguments.pop(0)
        given.setdefault(name.lstrip("-"), []).append(value)
    return given, words
