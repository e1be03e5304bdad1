"""Runs the tests of what is under deploy/: the chart, the alerts, the dashboards, the image, the examples.

    make test-deploy          ARGS=test_alerts runs one file

Tools are fetched by deploy/dev/tool.sh. A test whose tool cannot be had is left out, and named at the end; with
CI=true that is a failure, unless the test is optional. No cluster and no container engine is needed.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# Variables by which the tests find their tools.
TOOLS = {
    "HELM": "helm",
    "KUBECONFORM": "kubeconform",
    "PROMETHEUS": "prometheus",
    "NATS_EXPORTER": "nats-exporter",
    "HADOLINT": "hadolint",
    "DOCKER_COMPOSE": "docker-compose",
    "NATS_SERVER": "nats-server",
    "GRPCURL": "grpcurl",
    "ENVOY": "envoy",
    "NGINX": "nginx",
    "BUF": "buf",
}

# Tools that other scripts obtain.
SCRIPTS = {
    "CLIENT_PYTHON": ("clients/python/venv.sh", "/bin/python"),
    "CHROMIUM": ("clients/typescript/scripts/chromium.sh", ""),
}

# Programs of the machine, for tests that are optional.
INSTALLED = {"KUBECTL": "kubectl"}


def said(*command):
    """The path that a script prints, or None."""
    got = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return got.stdout.strip() if got.returncode == 0 else None


def tool(name):
    return said(str(ROOT / "deploy/dev/tool.sh"), name)


def yaml_parser():
    """PyYAML: the one that is installed, or the pinned one."""
    try:
        import yaml  # noqa: F401
    except ImportError:
        folder = tool("pyyaml")
        if not folder:
            sys.exit("no PyYAML: none of the tests of deploy/ was run")
        sys.path.insert(0, folder)


def main():
    for variable, name in TOOLS.items():
        path = os.environ.get(variable) or tool(name)
        if path:
            os.environ[variable] = path
    for variable, (script, below) in SCRIPTS.items():
        if variable not in os.environ and (path := said("bash", str(ROOT / script))):
            os.environ[variable] = path + below
    if "PROMETHEUS" in os.environ:
        os.environ["PROMTOOL"] = str(pathlib.Path(os.environ["PROMETHEUS"]).with_name("promtool"))
    for variable, name in INSTALLED.items():
        if path := shutil.which(name):
            os.environ.setdefault(variable, path)
    yaml_parser()
    # What several tests share, and what makes certificates for the scenarios, too.
    sys.path[:0] = [str(HERE), str(ROOT / "tests" / "scenarios")]
    names = [name.removesuffix(".py") for name in sys.argv[1:]]
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(names) if names else loader.discover(str(HERE))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for test, why in result.skipped:
        print(f"NOT TESTED: {test}: {why}", file=sys.stderr)
    missing = [why for _, why in result.skipped if not why.startswith("optional: ")]
    failed = not result.wasSuccessful() or result.testsRun == 0
    sys.exit(1 if failed or (missing and os.environ.get("CI") == "true") else 0)


if __name__ == "__main__":
    main()
