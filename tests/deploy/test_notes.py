"""What the chart says after an installation: its commands are right, and run against a real gateway."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

import chart
import matrix
import programs
from chart import CHART, KUBERNETES, merged, needs, of_kind

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

    @needs("GRPCURL", "NATS_SERVER")
    def test_commands_do_what_they_say(self):
        with tempfile.TemporaryDirectory() as folder:
            running = programs.Programs(self, folder)
            nats, _ = running.nats_server()
            address, _ = running.gateway(chart.gateway(), nats)
            text = notes(matrix.ANYBODY).replace("\\\n", " ").replace("127.0.0.1:50051", address)
            commands = [line.strip() for line in text.splitlines() if line.strip().startswith("grpcurl")]
            answers = []
            for command in commands:
                command = command.replace("grpcurl", os.environ["GRPCURL"], 1)
                done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=180, check=False)
                self.assertEqual(done.returncode, 0, f"{command}\n{done.stderr}")
                answers.append(json.loads(done.stdout))
            self.assertEqual(answers[2]["sequence"], "1")
            self.assertEqual(answers[2]["stream"], "USER_EVENTS")
