"""Runs the tests of what is under deploy/: the chart, the alerts, the dashboards, the image, the examples.

    make test-deploy          ARGS=test_alerts runs one file

Tools are fetched by deploy/dev/tool.sh. A test whose tool cannot be had is left out, and named at the end; with
CI=true that is a failure. No cluster and no container engine is needed.
"""

import os
import pathlib
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
    "NATS_SERVER": "nats-server",
}


def tool(name):
    """The tool's path, or None."""
    got = subprocess.run([str(ROOT / "deploy/dev/tool.sh"), name], stdout=subprocess.PIPE, text=True, check=False)
    return got.stdout.strip() if got.returncode == 0 else None


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
    if "PROMETHEUS" in os.environ:
        os.environ["PROMTOOL"] = str(pathlib.Path(os.environ["PROMETHEUS"]).with_name("promtool"))
    yaml_parser()
    sys.path.insert(0, str(HERE))
    names = [name.removesuffix(".py") for name in sys.argv[1:]]
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(names) if names else loader.discover(str(HERE))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for test, why in result.skipped:
        print(f"NOT TESTED: {test}: {why}", file=sys.stderr)
    failed = not result.wasSuccessful() or result.testsRun == 0
    sys.exit(1 if failed or (result.skipped and os.environ.get("CI") == "true") else 0)


if __name__ == "__main__":
    main()
