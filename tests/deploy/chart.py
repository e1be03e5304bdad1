"""Renders the chart and reads what comes out; what several tests need to know of it."""

import functools
import json
import os
import pathlib
import subprocess
import tomllib
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "jetgate"
FILES = CHART / "files"

# What `helm template` is told about the cluster; a cluster says it by itself.
KUBERNETES = "1.34.0"

# libyaml's parser where PyYAML has it: ten times as fast.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


# How the reason begins for which a test is left out that nobody must run.
OPTIONAL = "optional: "


def needs(*variables, optional=False):
    """Leaves a test out where one of its tools cannot be had."""
    missing = [variable.lower() for variable in variables if variable not in os.environ]
    return unittest.skipIf(missing, f"{OPTIONAL if optional else ''}cannot get {', '.join(missing)}")


class Refused(Exception):
    """Helm renders nothing; says why."""


@functools.cache
def _helm(*arguments, stdin=""):
    done = subprocess.run(
        [os.environ["HELM"], *arguments], input=stdin, capture_output=True, text=True, timeout=180, check=False
    )
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def render_text(values=None, profiles=(), release="jg"):
    """What Helm would apply, as text; `values` overrides the profiles' files."""
    files = [argument for profile in profiles for argument in ("-f", str(CHART / profile))]
    return _helm(
        "template", release, str(CHART), "--namespace", "messaging", "--kube-version", KUBERNETES, *files,
        "-f", "-", stdin=json.dumps(values or {}),
    )


def render(values=None, profiles=(), release="jg"):
    """The objects that Helm would apply."""
    text = render_text(values, profiles, release)
    return [document for document in yaml.load_all(text, Loader=LOADER) if document]


def of_kind(objects, kind):
    return [item for item in objects if item["kind"] == kind]


def the(objects, kind):
    """The only object of this kind."""
    (found,) = of_kind(objects, kind)
    return found


def lint(values):
    return _helm("lint", str(CHART), "--strict", "--kube-version", KUBERNETES, "-f", "-", stdin=json.dumps(values))


def defaults():
    return yaml.load((CHART / "values.yaml").read_text(), Loader=LOADER)


def gateway_config(objects):
    """The configuration file in the ConfigMap, as text and parsed."""
    (text,) = [item["data"]["jetgate.toml"] for item in of_kind(objects, "ConfigMap") if "jetgate.toml" in item["data"]]
    return text, tomllib.loads(text)


def pods(objects):
    """Every pod specification with the labels of its pods."""
    for item in objects:
        if item["kind"] == "Pod":
            yield item["metadata"]["labels"], item["spec"]
        elif item["kind"] == "Deployment":
            template = item["spec"]["template"]
            yield template["metadata"]["labels"], template["spec"]


def gateway_pod(objects):
    return the(objects, "Deployment")["spec"]["template"]


def merged(*values):
    """Nested values, the later over the earlier."""
    result = {}
    for layer in values:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def gateway():
    """The gateway's binary: JETGATE_BIN, or what cargo has built."""
    built = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "jetgate"
    return os.environ.get("JETGATE_BIN") or str(built)
