"""Makes the stubs in src/jetgate/v1 from the contract in proto/: `python generate.py`. Builds call it, too.

`python generate.py --check` changes nothing, and fails where they are not those of the contract.
"""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parents[1] / "proto"
STUBS = HERE / "src" / "jetgate" / "v1"


def stubs(folder: pathlib.Path) -> pathlib.Path:
    """Makes all stubs in an empty folder, and returns where they are."""
    from grpc_tools import protoc

    sources = sorted(str(file.relative_to(PROTO)) for file in PROTO.rglob("*.proto"))
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    outputs = [f"--{what}_out={folder}" for what in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *outputs, *sources]) != 0:
        sys.exit("protoc failed")
    made = folder / "jetgate" / "v1"
    (made / "__init__.py").write_text('"""The contract as it is: messages and stubs that protoc made."""\n')
    return made


def texts(folder: pathlib.Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.py*")}


def generate() -> None:
    """Renews what has changed, file by file: a program that runs meanwhile imports the old one or the new one."""
    STUBS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HERE / "src", prefix=".") as folder:
        made = stubs(pathlib.Path(folder))
        old, new = texts(STUBS), texts(made)
        for name in new:
            if old.get(name) != new[name]:
                (made / name).replace(STUBS / name)
        for name in old.keys() - new.keys():
            (STUBS / name).unlink()
    # Says when they were compared.
    os.utime(STUBS / "__init__.py")


def check() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if texts(stubs(pathlib.Path(folder))) != texts(STUBS):
            sys.exit("the stubs in src/jetgate/v1 are not those of proto/: run `python generate.py`")


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:
    pass
else:

    class Stubs(BuildHookInterface[Any]):
        """Generates in a checkout; a source distribution has the stubs already."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            if PROTO.is_dir():
                generate()


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check()
    else:
        generate()
