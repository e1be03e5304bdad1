"""Every query of the dashboards and alerts is understood by a real Prometheus, and the dashboards' return data.

Prometheus scrapes a real gateway, and nats-server through the exporter, while messages pass.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

import yaml

import certificates
import chart
import metrics
import programs
from chart import CHART, ROOT, needs
from programs import eventually, get

FOLDER = CHART / "dashboards"

# A tenant, for what is said of tenants: whoever calls, by the gateway's own login.
TENANTS = """
[[tenant]]
name = "everybody"
callers = ["*"]

[tenant.nats]
gateway_login = true
"""

# The exporter's flags in the NATS chart 2.14.2, but for the port.
AS_THE_NATS_CHART = ["-connz", "-routez", "-subz", "-varz", "-prefix=nats", "-use_internal_server_id", "-jsz=all"]


def panels():
    for file in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield file.stem, panel["title"], target["expr"]


def with_values(query):
    """The query as Grafana sends it."""
    for variable, value in [("$__rate_interval", "15s"), ("$job", "jetgate"), ("$account", ".*"), ("$stream", ".*")]:
        query = query.replace(variable, value)
    return query


class Files(unittest.TestCase):
    def test_are_made_from_their_description(self):
        subprocess.run([sys.executable, str(ROOT / "deploy/helm/dashboards.py"), "--check"], check=True)

    def test_name_metrics_that_exist(self):
        for dashboard, title, query in panels():
            with self.subTest(dashboard=dashboard, title=title):
                self.assertEqual(metrics.names(with_values(query)) - metrics.known(), set())

    @needs("HELM")
    def test_ask_for_an_exporters_metrics_by_its_prefix(self):
        """So do the alerts: without a prefix the exporter says jetstream where the NATS chart's says nats."""
        values = {"auth": {"allowAnonymous": True}, "monitoring": {
            "natsPrefix": "jetstream", "dashboards": {"enabled": True}, "rules": {"enabled": True}}}
        text = chart.render_text(values)
        self.assertIn("max by (server_name) (jetstream_server_total_streams)", text)
        self.assertIn("deriv(jetstream_consumer_num_pending{", text)
        self.assertNotRegex(text, r"\bnats_(account|consumer|server|stream)_")
        self.assertIn("jetgate_nats_connected", text)

    @needs("HELM")
    def test_are_in_the_chart_as_they_are(self):
        values = {"auth": {"allowAnonymous": True}, "monitoring": {"dashboards": {"enabled": True}}}
        rendered = {}
        for item in chart.of_kind(chart.render(values), "ConfigMap"):
            if item["metadata"]["labels"].get("grafana_dashboard") == "1":
                rendered |= item["data"]
        self.assertEqual({name: json.loads(text) for name, text in rendered.items()},
                         {f"jetgate-{file.name}": json.loads(file.read_text()) for file in FOLDER.glob("*.json")})


@needs("PROMETHEUS", "NATS_EXPORTER", "NATS_SERVER")
class Live(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.programs = programs.Programs(self, folder.name)
        nats, monitoring = self.programs.nats_server()
        made = certificates.make(self.folder)
        tenants = self.folder / "tenants.toml"
        tenants.write_text(TENANTS)
        self.public, self.admin = self.programs.gateway(
            chart.gateway(), nats, JETGATE_TLS_CERT_FILE=made["cert"], JETGATE_TLS_KEY_FILE=made["key"],
            JETGATE_TENANTS_FILE=str(tenants))
        self.reach = ["--server", f"https://{self.public}", "--ca", made["ca"]]
        exporter = programs.free_port()
        self.programs.start("exporter", os.environ["NATS_EXPORTER"], "-addr", "127.0.0.1", "-port", str(exporter),
                            *AS_THE_NATS_CHART, monitoring)
        self.prometheus(exporter)

    def prometheus(self, exporter):
        port = programs.free_port()
        config = self.folder / "prometheus.yml"
        config.write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(file) for file in (CHART / "files").glob("*.yaml")],
            "scrape_configs": [
                {"job_name": "jetgate", "static_configs": [{"targets": [self.admin]}]},
                {"job_name": "nats", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]},
            ],
        }))
        self.url = f"http://127.0.0.1:{port}"
        self.programs.start("prometheus", os.environ["PROMETHEUS"], f"--config.file={config}",
                            f"--storage.tsdb.path={self.folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}")
        eventually("readiness of Prometheus", lambda: get(f"{self.url}/-/ready"))

    def query(self, text):
        return json.loads(get(f"{self.url}/api/v1/query", query=text))["data"]["result"]

    def jetgate(self, *arguments):
        return subprocess.run([chart.gateway(), *arguments, *self.reach], capture_output=True, text=True, timeout=180,
                              env=programs.clean_environment(), check=False)

    def traffic(self):
        """Messages that are published, refused, delivered and acknowledged; a client that speaks no TLS."""
        self.jetgate("pub", "users.login", "ada")
        self.assertNotEqual(self.jetgate("pub", "nobody.takes.this", "x").returncode, 0)
        with socket.create_connection(self.public.rsplit(":", 1), timeout=10) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")

    def test_every_query_of_the_dashboards_returns_data(self):
        applied = self.jetgate("stream", "apply", "-f", str(ROOT / "deploy/examples/user-events.yaml"))
        self.assertEqual(applied.returncode, 0, applied.stderr)
        # A session that gets everything, and one that gets nothing.
        for name, choice in [("sub", ["--consumer", "user-event-processor"]), ("idle", ["--filter", "users.nobody"])]:
            self.programs.start(name, chart.gateway(), "sub", "USER_EVENTS", *choice, *self.reach)
        open_queries = set(panels())

        def without_data():
            self.traffic()
            for item in sorted(open_queries):
                if self.query(with_values(item[2])):
                    open_queries.discard(item)
            return open_queries

        self.none_is_left("queries without data", without_data)
        self.every_rule_is_evaluated()

    def none_is_left(self, what, find):
        """Looks until nothing is found: a scrape that takes too long on a busy machine leaves a gap for a moment."""
        found = []

        def is_none():
            found[:] = sorted(find())
            return not found

        try:
            eventually(what, is_none)
        except AssertionError as late:
            self.fail(f"{late}\n" + "\n".join(map(str, found)))

    def rules(self):
        groups = json.loads(get(f"{self.url}/api/v1/rules"))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def every_rule_is_evaluated(self):
        self.assertGreater(len(self.rules()), 20)

        def unwell():
            said = [(rule["name"], rule["health"], rule.get("lastError", "")) for rule in self.rules()]
            return [(name, *state) for name, *state in said if state != ["ok", ""]]

        def without_data():
            named = {name for rule in self.rules() for name in metrics.names(rule["query"])}
            return [name for name in named if not self.query(name)]

        self.none_is_left("rules that are not evaluated", unwell)
        self.none_is_left("metrics of rules without data", without_data)
        # Nothing is wrong with these programs.
        firing = {rule["name"] for rule in self.rules() if rule["state"] == "firing"}
        self.assertEqual(firing, set())
