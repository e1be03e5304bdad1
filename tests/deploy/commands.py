"""Judges commands for a cluster, a container engine or hours by what is in this repository and in the chart."""

import os
import pathlib
import re
import subprocess

import yaml

import chart
import documents
import programs
from chart import ROOT, of_kind


class Commands:
    """The commands of one block, in their order: what one makes, a later one may name."""

    def __init__(self, test, folder, **environment):
        self.test, self.folder, self.environment = test, pathlib.Path(folder), environment
        self.secrets, self.objects = {}, []
        # A block may speak of what an earlier one has installed.
        self.installed = chart.render({"auth": {"allowAnonymous": True}}, release="jetgate")

    def judge(self, name, arguments):
        given, words = documents.options(arguments)
        judge = getattr(self, name.removesuffix(".sh"))
        judge(arguments, given, words)

    def docker(self, _, given, words):
        self.test.assertIn(words[0], ("build", "buildx"))
        (file,) = given["file"]
        self.test.assertTrue((ROOT / file).is_file(), file)
        self.test.assertRegex(given["tag"][0], r"^[\w./-]+:\d+\.\d+\.\d+$")

    def helm(self, _, given, words):
        if words[0] == "test":
            hooks = [item["metadata"].get("annotations", {}).get("helm.sh/hook") for item in of_kind(self.installed, "Pod")]
            self.test.assertEqual((words[1], hooks), ("jetgate", ["test"]))
            return
        command, release, name = words
        self.test.assertEqual(command, "install")
        files = [str(ROOT / file) for file in given.get("values", [])]
        if name == "nats/nats":
            # What the NATS chart makes of it is test_nats.py's.
            self.test.assertIn(f"--version {given['version'][0]} ", (ROOT / "deploy/nats/values.yaml").read_text())
            self.test.assertTrue([yaml.safe_load(pathlib.Path(file).read_text())["config"] for file in files])
            return
        done = subprocess.run(
            [os.environ["HELM"], "template", release, str(ROOT / name), "--kube-version", chart.KUBERNETES,
             *[word for file in files for word in ("-f", file)], *[word for value in given.get("set", []) for word in ("--set", value)]],
            capture_output=True, text=True, timeout=180, check=False)
        self.test.assertEqual(done.returncode, 0, done.stderr)
        self.installed = [item for item in yaml.load_all(done.stdout, Loader=chart.LOADER) if item]
        self.find_secrets()

    def find_secrets(self):
        """What the installation names is there, with the keys that it looks for."""
        for _, pod in chart.pods(self.installed):
            for volume in pod.get("volumes", []):
                if secret := volume.get("secret"):
                    self.test.assertIn(secret["secretName"], self.secrets)
            for variable in pod["containers"][0].get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    self.test.assertRegex(self.secrets[reference["name"]][reference["key"]], r"^jg_[\w-]{43}$")

    def kubectl(self, arguments, given, words):
        getattr(self, f"kubectl_{words[0].replace('-', '_')}")(arguments, given, words)

    def kubectl_create(self, _, given, words):
        self.test.assertEqual(words[1:3], ["secret", "generic"])
        made = {}
        for file in given.get("from-file", []):
            made[pathlib.Path(file).name] = (self.folder / file).read_text()
        for literal in given.get("from-literal", []):
            key, _, made[key] = literal.partition("=")
        self.test.assertTrue(made and all(made.values()), made)
        self.secrets[words[3]] = made
        if "keys.toml" in made:
            config = self.folder / "keys-config.toml"
            config.write_text(f'[auth]\napi_keys_file = "{self.folder}/keys.toml"\n')
            subprocess.run([chart.gateway(), "config", "check", "--config", str(config)], env={}, check=True, timeout=180)

    def kubectl_apply(self, _, given, words):
        (file,) = given["f"]
        # Whether Kubernetes knows its fields is test_examples.py's.
        self.objects += list(yaml.safe_load_all((ROOT / file).read_text()))

    def kubectl_wait(self, _, given, words):
        kind, name = words[1].split("/")
        self.test.assertEqual(given["for"], ["condition=complete"])
        self.test.assertIn((kind, name), [(item["kind"].lower(), item["metadata"]["name"]) for item in self.objects])

    def kubectl_logs(self, _, given, words):
        if "l" in given:
            labels = [item["spec"]["template"]["metadata"]["labels"] for item in of_kind(self.objects, "Deployment")]
            key, value = given["l"][0].split("=")
            self.test.assertIn(value, [label.get(key) for label in labels])
        else:
            self.find_deployment(words[1])

    def kubectl_port_forward(self, _, given, words):
        self.find_deployment(words[1])
        self.test.assertIn(f'console.listen is "127.0.0.1:{words[2]}"', (ROOT / "deploy/README.md").read_text())

    def kubectl_exec(self, arguments, given, words):
        """What stands behind `--` is run by the binary that the image has at that path."""
        self.find_deployment(words[1])
        program, *rest = arguments[arguments.index("--") + 1 :]
        self.test.assertIn(f'ENTRYPOINT ["{program}"]', (ROOT / "deploy/docker/Dockerfile").read_text())
        done = subprocess.run([chart.gateway(), *rest], env=programs.clean_environment(**self.environment),
                              capture_output=True, text=True, timeout=180, check=False)
        self.test.assertIn(done.returncode, (0, 1), done.stderr)
        self.test.assertTrue(done.stdout)

    def find_deployment(self, word):
        self.test.assertIn(word, [f"deployment/{item['metadata']['name']}" for item in of_kind(self.installed, "Deployment")])

    def make(self, arguments, given, words):
        (target,) = [word for word in arguments if "=" not in word]
        variables = dict(word.split("=", 1) for word in arguments if "=" in word)
        self.test.assertLessEqual(set(variables), {"ARGS"})
        done = subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        self.test.assertEqual(done.returncode, 0, done.stderr)
        judge = {"faults": self.faults, "soak": self.faults, "simulate": self.seeds, "test-deploy": self.tests}[target]
        judge(variables.get("ARGS", ""))

    def faults(self, text):
        """The options of tests/faults, as its sources have them."""
        given, words = documents.options(text.split())
        self.test.assertEqual(words, [])
        folder = ROOT / "tests" / "faults"
        fields = re.findall(r"pub\(crate\) (\w+):", (folder / "options.rs").read_text())
        choices = {"suite": ("options.rs", "Suite"), "fault": ("faults.rs", "Fault"), "path": ("setup.rs", "Setup")}
        for name, values in given.items():
            self.test.assertIn(name, [field.replace("_", "-") for field in fields])
            if name in choices:
                file, enum = choices[name]
                body = re.search(rf"enum {enum} {{\n(.*?)\n}}", (folder / file).read_text(), re.DOTALL)[1]
                known = {re.sub(r"(?<!^)(?=[A-Z])", "-", variant).lower() for variant in re.findall(r"(?m)^    (\w+),", body)}
                self.test.assertLessEqual(set(",".join(values).split(",")), known)

    def seeds(self, text):
        self.test.assertRegex(text, r"^(\d+(\.\.\d+)?)?$")

    def tests(self, text):
        self.test.assertTrue((ROOT / "tests" / "deploy" / f"{text}.py").is_file(), text)

    def build(self, arguments, given, words):
        """Over an hour of building: its syntax, and that it takes a folder."""
        script = ROOT / "tests" / "deploy" / "apiserver" / "build.sh"
        self.test.assertTrue(os.access(script, os.X_OK))
        subprocess.run(["bash", "-n", str(script)], check=True, timeout=60)
        self.test.assertEqual(len(arguments), 1)
