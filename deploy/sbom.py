#!/usr/bin/env python3
"""Writes what is in the gateway's binary as a CycloneDX document: every crate with version, licence and checksum.

    deploy/sbom.py [--target TRIPLE] >jetgate.cdx.json

What counts is what cargo builds the binary of: its own features of every crate, not those of the tests, and no crate
that only tests use. Crates that build it (build.rs, procedural macros) are there as excluded from what is shipped. The
same commit makes the same document.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = "jetgate"


def cargo(*arguments: str) -> str:
    command = ["cargo", *arguments, "--locked"]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def built(target: str | None, edges: str) -> set[tuple[str, str]]:
    """Names and versions of the crates along such edges, the gateway's own included."""
    platform = ["--target", target] if target else []
    tree = cargo("tree", "--package", PACKAGE, "--edges", edges, "--prefix", "none", "--format", "{p}", *platform)
    words = (line.split() for line in tree.splitlines() if line)
    return {(name, version.removeprefix("v")) for name, version, *_ in words}


def licence(expression: str | None) -> list[dict]:
    # Cargo once took "MIT/Apache-2.0" for a choice.
    return [{"expression": expression.replace("/", " OR ")}] if expression else []


def component(package: dict, kind: str, is_shipped: bool, checksums: dict) -> dict:
    name, version = package["name"], package["version"]
    made = {
        "type": kind,
        "bom-ref": f"{name}@{version}",
        "name": name,
        "version": version,
        "scope": "required" if is_shipped else "excluded",
        "purl": f"pkg:cargo/{name}@{version}",
        "licenses": licence(package["license"]),
    }
    if checksum := checksums.get((name, version)):
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if repository := package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": repository}]
    return made


def document(target: str | None) -> dict:
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(it["name"], it["version"]): it.get("checksum") for it in lock["package"]}
    metadata = json.loads(cargo("metadata", "--format-version", "1"))
    packages = {it["id"]: it for it in metadata["packages"]}
    shipped, all_built = built(target, "normal,no-proc-macro"), built(target, "normal,build")

    def key(package_id: str) -> tuple[str, str]:
        return packages[package_id]["name"], packages[package_id]["version"]

    def reference(package_id: str) -> str:
        return "@".join(key(package_id))

    own = next(it for it in packages.values() if it["name"] == PACKAGE)
    others = [it for it in packages.values() if key(it["id"]) in all_built and it is not own]
    nodes = [it for it in metadata["resolve"]["nodes"] if key(it["id"]) in all_built]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(own, "application", True, checksums)},
        "components": [
            component(it, "library", key(it["id"]) in shipped, checksums)
            for it in sorted(others, key=lambda it: (it["name"], it["version"]))
        ],
        "dependencies": [
            {"ref": reference(node["id"]), "dependsOn": sorted({reference(dep["pkg"]) for dep in used(node, key, all_built)})}
            for node in sorted(nodes, key=lambda it: reference(it["id"]))
        ],
    }


def used(node: dict, key, all_built: set[tuple[str, str]]) -> list[dict]:
    """What a crate depends on in the binary: not for its own tests."""
    is_for_tests = lambda dep: all(kind["kind"] == "dev" for kind in dep["dep_kinds"])
    return [dep for dep in node["deps"] if key(dep["pkg"]) in all_built and not is_for_tests(dep)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", help="the platform, as rustc names it; without it, this machine's")
    json.dump(document(parser.parse_args().target), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
