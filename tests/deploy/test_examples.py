"""The examples of deploy/kubernetes/examples: their manifests, and their programs through real gateways."""

import json
import os
import re
import signal
import subprocess
import tempfile
import unittest

import yaml

import chart
import programs
from chart import ROOT, needs
from programs import eventually
from test_objects import NEWEST, SCHEMAS

FOLDER = ROOT / "deploy" / "kubernetes" / "examples"
EVENTS = 60


def documents(name):
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def environment(name):
    """The plain variables of a Deployment's container."""
    (deployment,) = documents(name)
    return {item["name"]: item["value"] for item in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}


class Manifests(unittest.TestCase):
    @needs("KUBECONFORM")
    def test_kubernetes_and_keda_know_every_field(self):
        files = [str(file) for file in FOLDER.glob("*.yaml")]
        subprocess.run(
            [os.environ["KUBECONFORM"], "-strict", "-summary",
             "-schema-location", f"{SCHEMAS}/kubernetes-{NEWEST}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
             "-schema-location", f"{SCHEMAS}/custom/{{{{.ResourceKind}}}}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json",
             *files], check=True)

    def test_the_programs_are_those_of_the_walk_through(self):
        (publisher,), (consumer,) = documents("publisher.yaml"), documents("consumer.yaml")
        self.assertEqual((publisher["spec"]["replicas"], consumer["spec"]["replicas"]), (2, 3))
        for name in ("publisher", "consumer"):
            read = set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"', (FOLDER / f"{name}.py").read_text()))
            given = environment(f"{name}.yaml").keys()
            self.assertLessEqual(given - {"JETGATE_URL"}, read)
            self.assertIn("JETGATE_URL", given)

    def test_names_agree(self):
        config = yaml.safe_load(documents("setup.yaml")[0]["data"]["streams.yaml"])
        variables = environment("consumer.yaml")
        self.assertEqual(variables["STREAM_NAME"], config["streams"][0]["name"])
        self.assertEqual(variables["CONSUMER_NAME"], config["consumers"][0]["durable_name"])
        (scaled,) = documents("keda.yaml")
        trigger = scaled["spec"]["triggers"][0]["metadata"]
        self.assertEqual((trigger["stream"], trigger["consumer"]), (variables["STREAM_NAME"], variables["CONSUMER_NAME"]))
        self.assertEqual(scaled["spec"]["scaleTargetRef"]["name"], "event-consumer")

    @needs("HADOLINT")
    def test_hadolint_finds_nothing(self):
        subprocess.run([os.environ["HADOLINT"], "--failure-threshold", "info", str(FOLDER / "Dockerfile")], check=True)


@needs("NATS_SERVER", "CLIENT_PYTHON")
class Programs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.programs = programs.Programs(self, folder.name)
        nats, _ = self.programs.nats_server()
        self.gateways = [self.programs.gateway(chart.gateway(), nats, name) for name in ("gateway-1", "gateway-2")]
        self.url = ",".join(f"http://{public}" for public, _ in self.gateways)
        # One server keeps one replica.
        config = documents("setup.yaml")[0]["data"]["streams.yaml"].replace("num_replicas: 3", "num_replicas: 1")
        file = self.programs.folder / "streams.yaml"
        file.write_text(config)
        self.jetgate("stream", "apply", "-f", str(file))

    def jetgate(self, *arguments):
        done = subprocess.run([chart.gateway(), *arguments, "--output", "json", "--server", f"http://{self.gateways[1][0]}"],
                              capture_output=True, text=True, timeout=180, env=programs.clean_environment(), check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def program(self, name, number, **variables):
        given = environment(f"{name}.yaml") | {"JETGATE_URL": self.url} | variables
        return self.programs.start(f"{name}-{number}", os.environ["CLIENT_PYTHON"], str(FOLDER / f"{name}.py"),
                                   env=programs.clean_environment(**given))

    def test_every_event_is_worked_on_while_a_gateway_restarts(self):
        consumers = [self.program("consumer", number) for number in range(3)]
        publishers = [self.program("publisher", number, COUNT=str(EVENTS // 2), INTERVAL="0.05") for number in range(2)]
        eventually("the first events", lambda: "is USER_EVENTS/" in publishers[0][1].read_text())
        # An event that no program understands.
        self.jetgate("pub", "users.login", "no event")
        self.programs.stop("gateway-1")

        for process, log in publishers:
            self.assertEqual(process.wait(180), 0, log.read_text())
        published = {match for _, log in publishers for match in re.findall(r"USER_EVENTS/(\d+)", log.read_text())}
        self.assertEqual(len(published), EVENTS)

        def worked_on():
            return [match for _, log in consumers for match in re.findall(r"(\S{36}), attempt", log.read_text())]

        eventually("work on every event", lambda: len(set(worked_on())) == EVENTS)
        eventually("the end of the event that nobody understands",
                   lambda: any("is no event" in log.read_text() for _, log in consumers))

        def settled():
            info = json.loads(self.jetgate("consumer", "info", "USER_EVENTS", "user-event-processor"))
            return int(info.get("num_ack_pending", 0)) == 0 and int(info.get("num_pending", 0)) == 0

        eventually("acknowledgement of every event", settled)
        # As Kubernetes ends a pod.
        for process, _ in consumers:
            process.send_signal(signal.SIGTERM)
        for process, log in consumers:
            self.assertEqual(process.wait(60), 0, log.read_text())
            self.assertIn("drained", log.read_text())
