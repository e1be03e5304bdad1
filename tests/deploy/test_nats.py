"""The NATS chart makes of our values what they say, and what it makes of values from before 1.0.

Optional, as the chart is another project's: NATS_CHART names a folder with it (`helm pull nats/nats --untar`).
"""

import json
import os
import re
import subprocess
import tempfile
import unittest

import yaml

import chart
import programs
from chart import ROOT, needs, of_kind, the

VALUES = ROOT / "deploy" / "nats" / "values.yaml"

# As many texts have them.
BEFORE_1_0 = {"nats": {"jetstream": {"enabled": True}}, "cluster": {"enabled": True}, "exporter": {"enabled": True}}


def render(*files, values=None):
    done = subprocess.run(
        [os.environ["HELM"], "template", "nats", os.environ["NATS_CHART"], "--kube-version", chart.KUBERNETES,
         *[argument for file in files for argument in ("-f", str(file))], "-f", "-"],
        input=json.dumps(values or {}), capture_output=True, text=True, timeout=180, check=True)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def server_config(objects):
    (text,) = [item["data"]["nats.conf"] for item in of_kind(objects, "ConfigMap")]
    return text


@needs("NATS_CHART", "HELM", optional=True)
class NatsChart(unittest.TestCase):
    def test_our_values_are_three_servers_with_jetstream_on_disk(self):
        objects = render(VALUES)
        servers = the(objects, "StatefulSet")["spec"]
        self.assertEqual(servers["replicas"], 3)
        containers = {item["name"]: item for item in servers["template"]["spec"]["containers"]}
        self.assertRegex(server_config(objects), r'"jetstream": \{\s+"max_file_store": 50Gi')
        # What the alerts ask for, by the names that they ask for.
        prefix = chart.defaults()["monitoring"]["natsPrefix"]
        self.assertLessEqual({"-jsz=all", f"-prefix={prefix}"}, set(containers["prom-exporter"]["args"]))
        # Its pods are those that the network policy of the gateway lets it reach by our example.
        self.assertEqual(servers["template"]["metadata"]["labels"]["app.kubernetes.io/name"], "nats")

    @needs("NATS_SERVER")
    def test_nats_server_takes_the_configuration(self):
        text = server_config(render(VALUES))
        with tempfile.TemporaryDirectory() as folder:
            text = text.replace("/var/run/nats", folder).replace('"/data"', f'"{folder}/data"')
            with open(f"{folder}/nats.conf", "w", encoding="utf-8") as file:
                file.write(text)
            subprocess.run([os.environ["NATS_SERVER"], "-t", "--config", file.name], check=True, timeout=60,
                           env=programs.clean_environment(SERVER_NAME="nats-0"), capture_output=True)

    def test_older_values_are_one_server_without_jetstream(self):
        """Without a word, which the handbook warns of."""
        objects = render(values=BEFORE_1_0)
        self.assertEqual(the(objects, "StatefulSet")["spec"]["replicas"], 1)
        self.assertNotIn("jetstream", server_config(objects))
        self.assertFalse(re.search(r"prom-exporter", json.dumps(objects)))
