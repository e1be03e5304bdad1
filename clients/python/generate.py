"""Makes the stubs in src/jetgate/v1 from the contract in proto/: `python generate.py`. Builds call it, too."""

from __future__ import annotations

import pathlib
import shutil
import sys
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parents[1] / "proto"
TARGET = HERE / "src"
STUBS = TARGET / "jetgate" / "v1"


def generate() -> None:
    from grpc_tools import protoc

    shutil.rmtree(STUBS, ignore_errors=True)
    sources = sorted(str(file.relative_to(PROTO)) for file in PROTO.rglob("*.proto"))
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    outputs = [f"--{what}_out={TARGET}" for what in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *outputs, *sources]) != 0:
        sys.exit("protoc failed")
    (STUBS / "__init__.py").write_text('"""The contract as it is: messages and stubs that protoc made."""\n')


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
    generate()
