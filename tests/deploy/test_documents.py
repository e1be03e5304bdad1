"""Every fenced block of every document is run, or judged by the program that reads its like; one that none knows fails."""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest

import yaml

import certificates
import chart
import documents
import matrix
import programs
from chart import ROOT, merged, needs
from commands import Commands
from documents import blocks
from test_objects import NEWEST, SCHEMAS

# What the tests of others take from a document: all blocks of the language, unless they are indented.
TAKEN_BY = {
    ("README.md", "sh"): "tests/readme.rs",
    ("README.md", "text"): "tests/readme.rs",
    ("clients/go/README.md", "go"): "clients/go/readme_test.go",
    ("clients/java/README.md", "java"): "clients/java/src/test/java/jetgate/client/ReadmeTest.java",
    ("clients/python/README.md", "python"): "clients/python/tests/test_documents.py",
    ("clients/python/README.md", "sh"): "clients/python/tests/test_documents.py",
    ("clients/rust/README.md", "rust"): "clients/rust/tests/documents.rs",
    ("clients/typescript/README.md", "js"): "clients/typescript/tests/documents.test.ts",
    ("clients/typescript/README.md", "sh"): "clients/typescript/tests/documents.test.ts",
    ("clients/typescript/README.md", "ts"): "clients/typescript/tests/documents.test.ts",
}

# What a test of this file is given.
TAKEN_HERE = set()


def checks(language, *names):
    """Gives the test every block of a language in these documents."""
    TAKEN_HERE.update((document, language) for document in names)

    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for block in (block for document in names for block in blocks(document)):
                if block.language == language:
                    with self.subTest(str(block)):
                        test(self, block)

        return run

    return decorate


class Blocks(unittest.TestCase):
    def test_every_block_is_taken_by_a_test(self):
        found = set()
        for document in documents.documents():
            for block in blocks(document):
                kind = (document, block.language)
                found.add(kind)
                self.assertTrue(kind in TAKEN_BY or kind in TAKEN_HERE, f"no test takes {block}")
                self.assertFalse(kind in TAKEN_BY and block.indented, f"the test does not find {block}")
        self.assertEqual(found, set(TAKEN_BY) | TAKEN_HERE, "a test takes what no document has")

    def test_the_tests_of_others_look_for_their_language(self):
        for (document, language), test in TAKEN_BY.items():
            text = (ROOT / test).read_text()
            self.assertIn("README.md", text, test)
            self.assertRegex(text, rf'```{language}\b|fenced\("{language}"\)', test)


class WithFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def config_check(self, text, **variables):
        """What the gateway says against a configuration; nothing where it takes it."""
        file = self.folder / "jetgate.toml"
        file.write_text(text)
        done = subprocess.run([chart.gateway(), "config", "check", "--config", str(file)], env=variables,
                              capture_output=True, text=True, timeout=180, check=False)
        self.assertEqual(done.returncode == 0, not done.stderr)
        return done.stderr

    def installed(self, text):
        """The text with the files of /etc/jetgate that it names, which are made here."""
        made = certificates.make(self.folder)
        keys = subprocess.run([chart.gateway(), "api-key", "operator"], check=True, capture_output=True, text=True)
        etc = self.folder / "etc"
        shutil.rmtree(etc, ignore_errors=True)
        (etc / "tenants").mkdir(parents=True)
        (etc / "policy").mkdir()
        shutil.copy(made["cert"], etc / "tls.crt")
        shutil.copy(made["key"], etc / "tls.key")
        (etc / "keys.toml").write_text(keys.stdout)
        (etc / "tenants" / "acme.creds").write_text("")
        for name in ("tenants", "policy"):
            example = (ROOT / "deploy" / "config" / f"{name}.toml").read_text()
            (etc / name / f"{name}.toml").write_text(example.replace("/etc/jetgate", str(etc)))
        return text.replace("/etc/jetgate", str(etc))


class Configuration(WithFolder):
    @checks("toml", "README.md")
    def test_the_gateway_takes_the_configuration_of_the_readme(self, block):
        """A file that another one names is what it is alone; and the gateway takes no nonsense in its place."""
        text = self.installed(block.text)
        named = {"rule": ("auth", "policy_file"), "tenant": ("tenants", "file")}
        key = next((named[key] for key in tomllib.loads(text) if key in named), None)
        for more, is_taken in [("", True), ("nonsense = 1\n", False)]:
            whole = text + more
            if key:
                (self.folder / "named.toml").write_text(whole)
                whole = f'[{key[0]}]\n{key[1]} = "{self.folder}/named.toml"\n'
            said = self.config_check(whole)
            self.assertEqual(said == "", is_taken, said)

    @checks("text", "deploy/README.md")
    def test_what_memory_is_bounded_by_are_keys_at_their_defaults(self, block):
        printed = subprocess.run([chart.gateway(), "config", "print"], env={}, check=True, capture_output=True, text=True)
        config = tomllib.loads(printed.stdout)
        keys = re.findall(r"\b([a-z]+)\.([a-z_]+)\b", block.text)
        self.assertEqual(len(keys), 2)
        for section, key in keys:
            self.assertIn(key, config[section])
        (default,) = re.findall(r"\((.+) by default\)", block.text)
        self.assertEqual(config["memory"]["max_buffered_bytes"], default.replace(" ", ""))


@needs("HELM", "KUBECONFORM", "PROMTOOL")
class Values(WithFolder):
    @checks("yaml", "deploy/README.md")
    def test_the_yaml_of_the_handbook_is_taken(self, block):
        """Values by the chart, Kubernetes and the gateway; the adapter's rule by Prometheus."""
        content = yaml.safe_load(block.text)
        (self.rule if "rules" in content else self.values)(content)

    def values(self, values):
        objects = chart.render(merged(matrix.ANYBODY, values))
        self.assertFalse(set(values) - set(chart.defaults()))
        (self.folder / "objects").mkdir(exist_ok=True)
        (self.folder / "objects" / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        subprocess.run(
            [os.environ["KUBECONFORM"], "-strict",
             "-schema-location", f"{SCHEMAS}/kubernetes-{NEWEST}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
             "-schema-location", f"{SCHEMAS}/custom/{{{{.ResourceKind}}}}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json",
             str(self.folder / "objects")], check=True, timeout=180)
        (container,) = chart.gateway_pod(objects)["spec"]["containers"]
        mounted = {item["mountPath"] for item in container["volumeMounts"]}
        for mount in values.get("extraVolumeMounts", []):
            self.assertIn(mount["name"], {item["name"] for item in values["extraVolumes"]})
        text, _ = chart.gateway_config(objects)
        for path in re.findall(r'"(/etc/jetgate/[^"]+)"', json.dumps(values.get("config", {}))):
            self.assertIn(os.path.dirname(path), mounted)
        variables = {item["name"]: item["value"] for item in container.get("env", []) if "value" in item}
        self.assertEqual(self.config_check(self.installed(text), **variables), "")

    def rule(self, rules):
        """As the adapter fills it in."""
        metrics = (ROOT / "deploy" / "metrics.md").read_text()
        for rule in rules["rules"]["custom"]:
            series = rule["seriesQuery"].partition("{")[0]
            self.assertIn(f"`{series}`", metrics)
            query = rule["metricsQuery"].replace("<<.Series>>", series).replace("<<.GroupBy>>", "pod")
            query = query.replace("<<.LabelMatchers>>", 'namespace="messaging",pod=~"a|b"')
            self.assertNotIn("<<", query)
            (self.folder / "rules.yaml").write_text(json.dumps(
                {"groups": [{"name": "adapter", "rules": [{"record": "found", "expr": rule["seriesQuery"]},
                                                         {"record": "answered", "expr": query}]}]}))
            subprocess.run([os.environ["PROMTOOL"], "check", "rules", str(self.folder / "rules.yaml")], check=True,
                           stdout=subprocess.DEVNULL, timeout=180)


@needs("HELM", "NATS_SERVER")
class Shell(WithFolder):
    """What needs a cluster, a container engine or hours is not run: how it is called is judged by what is here."""

    def setUp(self):
        super().setUp()
        running = programs.Programs(self, self.folder)
        nats, _ = running.nats_server()
        self.gateway, _ = running.gateway(chart.gateway(), nats)
        self.nats = nats

    @checks("sh", "deploy/README.md", "deploy/kubernetes/examples/README.md", "tests/faults/README.md")
    def test_commands_of_the_handbooks(self, block):
        folder = self.folder / block.document.replace("/", "-") / str(block.line)
        folder.mkdir(parents=True)
        config = folder / "jetgate.toml"
        config.write_text(f'[nats]\nurl = "{self.nats}"\n')
        printed, calls = documents.run(
            block.text.replace("/etc/jetgate/jetgate.toml", str(config)), folder,
            real={"jetgate": chart.gateway()},
            stand_ins=("docker", "helm", "kubectl", "make", "tests/deploy/apiserver/build.sh"),
            JETGATE_URL=f"http://{self.gateway}")
        commands = Commands(self, folder, JETGATE_NATS_URL=self.nats)
        for name, *arguments in calls:
            commands.judge(name, arguments)
        # What was really run has said something.
        for said, command in [("Nothing was found that is to be mended.", "jetgate doctor"), ("STREAM", "jetgate top")]:
            if re.search(f"(?m)^{command}", block.text):
                self.assertIn(said, printed)


class Contract(WithFolder):
    @needs("BUF")
    @checks("proto", "CONTRIBUTING.md")
    def test_a_reason_is_added_as_it_says(self, block):
        """With the contract, which has neither its name nor its number yet."""
        shutil.copytree(ROOT / "proto", self.folder / "proto")
        file = self.folder / "proto" / "jetgate" / "v1" / "error.proto"
        head, begin, rest = file.read_text().partition("enum ErrorReason {\n")
        body, end, tail = rest.partition("\n}\n")
        self.assertTrue(begin and end)
        file.write_text(head + begin + body + "\n" + block.text + end.lstrip("\n") + tail)
        for command in ("build", "lint"):
            done = subprocess.run([os.environ["BUF"], command, str(self.folder / "proto")], capture_output=True, text=True,
                                  timeout=180, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    @needs("NATS_SERVER", "CLIENT_PYTHON")
    @checks("json", "tests/scenarios/README.md")
    def test_the_scenario_is_carried_out_and_the_line_of_a_report_read(self, block):
        content = json.loads(block.text)
        if "steps" in content:
            self.carry_out(block.text)
        else:
            (self.folder / f"{content['client']}.jsonl").write_text(json.dumps(content))
            said = subprocess.run(
                [sys.executable, "-c", "import json, matrix; print(json.dumps(matrix.reports()))"], cwd=ROOT / "tests" / "scenarios",
                env=programs.clean_environment(JETGATE_SCENARIO_REPORTS=str(self.folder)), check=True, capture_output=True,
                text=True, timeout=60)
            self.assertEqual(json.loads(said.stdout), {content["client"]: {content["scenario"]: content["result"]}})
            self.assertTrue((ROOT / "tests" / "scenarios" / f"{content['scenario']}.json").exists())

    def carry_out(self, scenario):
        """By the interpreter of the Python client."""
        program = "import json, sys; from scenario import Scenario; Scenario(json.load(sys.stdin), is_async=False).run()"
        done = subprocess.run(
            [os.environ["CLIENT_PYTHON"], "-c", program], input=scenario, cwd=ROOT / "clients" / "python" / "tests",
            env=programs.clean_environment(JETGATE_BIN=chart.gateway(), JETGATE_TEST_NATS_SERVER=os.environ["NATS_SERVER"]),
            capture_output=True, text=True, timeout=180, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
