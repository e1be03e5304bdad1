"""What the chart says after an installation: its commands are right, and run against a real gateway; so does its test."""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

import certificates
import chart
import matrix
import programs
from chart import CHART, KUBERNETES, ROOT, merged, needs, of_kind

# Helm shows NOTES.txt only where it installs: here it is a template like the others.
AS_OBJECT = """{{- define "notes" }}%s{{ end }}
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data:
  notes: |
    {{- include "notes" . | nindent 4 }}
"""


def notes(values):
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "jetgate"
        shutil.copytree(CHART, copy)
        text = (copy / "templates" / "NOTES.txt").read_text()
        (copy / "templates" / "notes.yaml").write_text(AS_OBJECT % text)
        done = subprocess.run(
            [os.environ["HELM"], "template", "jg", str(copy), "--namespace", "messaging", "--kube-version", KUBERNETES,
             "--show-only", "templates/notes.yaml", "-f", "-"],
            input=json.dumps(values), capture_output=True, text=True, timeout=180, check=True)
    return yaml.safe_load(done.stdout)["data"]["notes"]


@needs("HELM")
class Notes(unittest.TestCase):
    def test_name_what_was_installed(self):
        text = notes(matrix.ANYBODY)
        names = {item["metadata"]["name"] for item in of_kind(chart.render(matrix.ANYBODY), "Service")}
        for name in re.findall(r"(?:service|deployment)/(\S+)", text):
            self.assertIn(name, names)
        self.assertIn("WARNING: auth.allowAnonymous", text)

    def test_the_test_is_named_where_it_can_succeed(self):
        keys = Callers.WAYS["keys"]
        for values, named in [(matrix.ANYBODY, True), (keys, True), (merged(keys, {"test": {"apiKeySecret": ""}}), False),
                              ({"config": {"auth": {"token_issuers_file": "/etc/jetgate/more/issuers.toml"}}}, False)]:
            self.assertEqual("helm test jg --namespace messaging" in notes(values), named)

    def test_commands_have_what_the_gateway_asks_for(self):
        keys = {"auth": {"apiKeys": {"existingSecret": "keys"}}}
        mutual = {"tls": {"existingSecret": "tls", "clientCA": {"existingSecret": "ca"}}}
        for values, flags in [(matrix.ANYBODY, ["-plaintext"]), (keys, ["-plaintext", "x-api-key: $KEY"]),
                              (merged(mutual), ["-insecure", "-cert client.crt"])]:
            commands = [line for line in notes(values).splitlines() if line.strip().startswith("grpcurl")]
            self.assertEqual(len(commands), 3)
            for command in commands:
                for flag in flags:
                    self.assertIn(flag, command)


class Callers:
    """Three installations that differ in who may call: what the chart is told, and a gateway that was told the same."""

    WAYS = {
        "anybody": matrix.ANYBODY,
        "keys": {"auth": {"apiKeys": {"existingSecret": "keys"}}, "test": {"apiKeySecret": "test"}},
        "certificates": {"tls": {"existingSecret": "tls", "clientCA": {"existingSecret": "ca"}},
                         "test": {"clientCertSecret": "client"}},
    }

    def __init__(self, test, way):
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        self.values, self.folder = self.WAYS[way], pathlib.Path(folder.name)
        running = programs.Programs(test, folder.name)
        nats, _ = running.nats_server()
        # What the operator has, as environment and files.
        self.environment = programs.clean_environment()
        self.address, _ = running.gateway(chart.gateway(), nats, **getattr(self, way)())

    def anybody(self):
        return {}

    def keys(self):
        made = subprocess.run([chart.gateway(), "api-key", "operator"], check=True, capture_output=True, text=True)
        (self.folder / "keys.toml").write_text(made.stdout)
        self.environment["KEY"] = made.stderr.split()[-1]
        return {"JETGATE_AUTH_API_KEYS_FILE": str(self.folder / "keys.toml")}

    def certificates(self):
        """The authority's one certificate is shown by both sides."""
        made = certificates.make(self.folder)
        for kind, name in [("cert", "client.crt"), ("key", "client.key")]:
            shutil.copy(made[kind], self.folder / name)
        return {"JETGATE_TLS_CERT_FILE": made["cert"], "JETGATE_TLS_KEY_FILE": made["key"],
                "JETGATE_TLS_CLIENT_CA_FILE": made["ca"]}

    def run(self, *command, **environment):
        return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, cwd=self.folder,
                              env=self.environment | environment)


def each_way(test):
    @functools.wraps(test)
    def run(self):
        for way in Callers.WAYS:
            with self.subTest(way):
                test(self, Callers(self, way))

    return run


@needs("HELM", "NATS_SERVER")
class Installed(unittest.TestCase):
    @needs("GRPCURL")
    @each_way
    def test_commands_of_the_notes_do_what_they_say(self, callers):
        text = notes(callers.values).replace("\\\n", " ").replace("127.0.0.1:50051", callers.address)
        commands = [line.strip() for line in text.splitlines() if line.strip().startswith("grpcurl")]
        answers = []
        for command in commands:
            done = callers.run("sh", "-c", command.replace("grpcurl", os.environ["GRPCURL"], 1))
            self.assertEqual(done.returncode, 0, f"{command}\n{done.stderr}")
            answers.append(json.loads(done.stdout))
        self.assertEqual(answers[2]["sequence"], "1")
        self.assertEqual(answers[2]["stream"], "USER_EVENTS")

    @each_way
    def test_the_test_of_the_release_succeeds(self, callers):
        """What the pod of `helm test` runs, at the gateway's address; and with the wrong credentials it fails."""
        (container,) = chart.the(chart.render(callers.values), "Pod")["spec"]["containers"]
        host, port = callers.address.split(":")
        arguments = [re.sub(r"//[^:]+:\d+$", f"//{host}:{port}", argument) for argument in container["args"]]
        for path, name in [("/etc/jetgate/ca/ca.crt", "ca.pem"), ("/etc/jetgate/client/tls.crt", "client.crt"),
                           ("/etc/jetgate/client/tls.key", "client.key")]:
            arguments = [argument.replace(path, str(callers.folder / name)) for argument in arguments]
        self.assertFalse([argument for argument in arguments if "/etc/" in argument])
        variables = {item["name"]: callers.environment["KEY"] for item in container.get("env", [])}
        done = callers.run(chart.gateway(), *arguments, **variables)
        self.assertEqual(done.returncode, 0, done.stderr)
        if variables:
            refused = callers.run(chart.gateway(), *arguments, **dict.fromkeys(variables, "jg_wrong"))
            self.assertNotEqual(refused.returncode, 0)
