"""A real API server of Kubernetes takes what is rendered, and Helm installs, upgrades and rolls back with it.

Optional, as the server takes long to build (two thousand packages):

    tests/deploy/apiserver/build.sh /tmp/apiserver
    APISERVER=/tmp/apiserver make test-deploy ARGS=test_apiserver

There are no controllers and no nodes: objects are judged and kept, and nothing runs. The namespace enforces the pod
security standard "restricted". NATS_CHART may name a folder with the NATS chart, whose objects are then judged, too.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import yaml

import matrix
import programs
from chart import CHART, ROOT, needs
from programs import eventually
from schemas import update
from test_objects import every_rendering

NAMESPACE = "messaging"

# Where the matrix has the Gateway.
OF_THE_EDGE = "edge"
TOKEN = "of-this-test"


def fenced(name):
    """A namespace that takes no pod below the pod security standard "restricted"."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


@needs("APISERVER", "KUBECTL", "HELM", optional=True)
class ApiServer(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        port = str(programs.free_port())
        self.process, self.log = programs.Programs(self, folder.name).start(
            "apiserver", os.environ["APISERVER"], folder.name, port, TOKEN)
        self.config = self.folder / "kubeconfig"
        self.config.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": NAMESPACE}}],
        }))
        self.config.chmod(0o600)
        eventually("readiness of the API server", self.is_ready, 300)
        self.apply([fenced(NAMESPACE), fenced(OF_THE_EDGE), *update.definitions()])
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=180s")

    def is_ready(self):
        self.assertIsNone(self.process.poll(), self.log.read_text()[-2000:])
        return self.run_with("KUBECTL", "get", "--raw", "/readyz").returncode == 0

    def run_with(self, program, *arguments, stdin=""):
        """Runs kubectl or Helm."""
        environment = programs.clean_environment(KUBECONFIG=str(self.config), HELM_CACHE_HOME=str(self.folder / "helm"))
        return subprocess.run([os.environ[program], *arguments], input=stdin, capture_output=True, text=True,
                              env=environment, timeout=300, check=False)

    def done(self, program, *arguments, stdin=""):
        done = self.run_with(program, *arguments, stdin=stdin)
        self.assertEqual(done.returncode, 0, f"{' '.join(arguments)}\n{done.stderr}")
        return done

    def kubectl(self, *arguments, stdin=""):
        return self.done("KUBECTL", *arguments, stdin=stdin)

    def helm(self, *arguments, values=None):
        files = ["-f", "-"] if values is not None else []
        return self.done("HELM", *arguments, *files, "--namespace", NAMESPACE, stdin=json.dumps(values))

    def apply(self, objects):
        """Unknown fields are refused, and so is a template of pods that pod security would refuse, of which it only warns."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        done = self.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-", stdin=text)
        self.assertNotIn("PodSecurity", done.stderr)

    def test_every_rendering_is_taken(self):
        # One after the other as releases of one name: each is a change of the one before.
        for name, objects in every_rendering():
            with self.subTest(name):
                # What a chart's own change cannot do either: a test's pod and Services of another kind are made anew.
                self.kubectl("delete", "pod,service", "--all", "--wait=false", "--grace-period=0", "--force")
                self.apply(objects)

    def test_helm_installs_upgrades_and_rolls_back(self):
        install = ["jg", str(CHART)]
        self.helm("install", *install, "-f", str(CHART / "values-ha.yaml"), values=matrix.ANYBODY)
        self.helm("upgrade", *install, "-f", str(CHART / "values-ha.yaml"), "-f", str(CHART / "values-mtls.yaml"),
                  values=matrix.ANYBODY)
        self.assertIn("tls", self.volumes())
        self.helm("rollback", "jg", "1")
        self.assertNotIn("tls", self.volumes())
        # What the notes name is there.
        notes = self.helm("get", "notes", "jg").stdout
        self.assertIn("kubectl -n messaging rollout status deployment/jg-jetgate", notes)
        self.kubectl("-n", NAMESPACE, "get", "deployment/jg-jetgate", "service/jg-jetgate", "hpa/jg-jetgate")
        self.helm("uninstall", "jg")
        left = json.loads(self.kubectl("get", "deployment,service,configmap,hpa,pdb,netpol", "-o", "json").stdout)["items"]
        self.assertEqual([item["metadata"]["name"] for item in left if item["metadata"]["name"] != "kube-root-ca.crt"], [])

    def volumes(self):
        found = json.loads(self.kubectl("get", "deployment/jg-jetgate", "-o", "json").stdout)
        return {volume["name"] for volume in found["spec"]["template"]["spec"]["volumes"]}

    def test_the_examples_are_taken(self):
        files = sorted((ROOT / "deploy" / "kubernetes" / "examples").glob("*.yaml"))
        self.apply([item for file in files for item in yaml.safe_load_all(file.read_text())])

    @needs("NATS_CHART", optional=True)
    def test_the_nats_chart_is_taken_with_our_values(self):
        """In a namespace of its own: its pods are not made for the standard."""
        self.kubectl("create", "namespace", "nats")
        self.done("HELM", "install", "nats", os.environ["NATS_CHART"], "--namespace", "nats",
                  "-f", str(ROOT / "deploy" / "nats" / "values.yaml"))
