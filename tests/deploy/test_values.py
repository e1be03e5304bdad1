"""Which values the chart takes and which it refuses."""

import json
import re
import subprocess
import sys
import unittest

import chart
import matrix
from chart import CHART, ROOT, Refused, merged, needs

ANYBODY = matrix.ANYBODY


@needs("HELM")
class Schema(unittest.TestCase):
    """values.schema.json, as Helm applies it."""

    def setUp(self):
        self.schema = json.loads((CHART / "values.schema.json").read_text())

    def test_is_made_from_the_types_of_the_configuration(self):
        subprocess.run([sys.executable, str(ROOT / "deploy/helm/schema.py"), "--check"], check=True)

    def test_every_default_is_described_and_everything_described_has_a_default(self):
        """So that values.yaml is the whole reference; optional fields of Kubernetes' own objects excepted."""
        def keys(node, path=()):
            for name, child in (node.get("properties") or {}).items():
                yield path + (name,)
                yield from keys(child, path + (name,))

        def given(values, node, path=()):
            for name, child in values.items():
                yield path + (name,)
                if isinstance(child, dict) and "properties" in node["properties"].get(name, {}):
                    yield from given(child, node["properties"][name], path + (name,))

        described = {path for path in keys(self.schema) if path[0] not in ("config", "global")}
        described -= {path for path in described if path[0].endswith("Probe") or path[:2] == ("resources", "claims")}
        defaults = {path for path in given(chart.defaults(), self.schema) if path[0] != "config"}
        defaults = {path for path in defaults if not path[0].endswith("Probe")}
        self.assertEqual(described - {("updateStrategy",)}, defaults - {("updateStrategy",)})

    def test_every_object_with_known_keys_refuses_others(self):
        def objects(node, path):
            if isinstance(node, dict):
                if "properties" in node:
                    yield path, node
                for name, child in node.items():
                    yield from objects(child, f"{path}/{name}")

        for path, node in objects(self.schema, ""):
            self.assertIs(node.get("additionalProperties"), False, path)

    def test_a_misspelt_key_is_refused_at_every_level(self):
        """One key of each object, so that Helm's own answer is seen for each."""
        def misspelt(node, path):
            if "properties" not in node:
                return
            yield path, next(iter(node["properties"])) + "x"
            for name, child in node["properties"].items():
                yield from misspelt(child, path + (name,))

        cases = list(misspelt(self.schema, ()))
        self.assertGreater(len(cases), 30)
        # Helm reports every wrong key of a rendering: one rendering for all objects.
        values = dict(ANYBODY)
        for path, key in cases:
            wrong = {key: 1}
            for name in reversed(path):
                wrong = {name: wrong}
            values = merged(values, wrong)
        with self.assertRaises(Refused) as refused:
            chart.render(values)
        for path, key in cases:
            self.assertRegex(str(refused.exception), f"{key}'? (is )?not allowed", "/".join(path))

    def test_secrets_and_what_the_chart_sets_are_no_keys_of_config(self):
        for section, key in [("nats", "password"), ("nats", "url"), ("server", "listen"), ("tls", "key_file")]:
            with self.subTest(section=section, key=key), self.assertRaises(Refused):
                chart.render(merged(ANYBODY, {"config": {section: {key: "x"}}}))

    def test_values_of_the_wrong_form_are_refused(self):
        for wrong in [
            {"replicaCount": "two"},
            {"config": {"shutdown": {"drain": 30}}},
            {"config": {"server": {"reflection": "yes"}}},
            {"config": {"server": {"max_connections": -1}}},
            {"config": {"publish": {"max_window_bytes": "8 parsecs"}}},
            {"config": {"auth": {"policy_mode": "off"}}},
            {"config": {"traces": {"sample_ratio": "all"}}},
            {"service": {"type": "Clusterip"}},
            {"image": {"digest": "abc"}},
            {"monitoring": {"interval": "fifteen"}},
        ]:
            with self.subTest(wrong=wrong), self.assertRaises(Refused):
                chart.render(merged(ANYBODY, wrong))


@needs("HELM")
class Rules(unittest.TestCase):
    """Rules between values, which a schema cannot say."""

    def refused(self, values, says):
        with self.assertRaisesRegex(Refused, re.escape(says)):
            chart.render(values)

    def test_somebody_must_be_let_in_and_nobody_by_accident(self):
        self.refused({}, "nobody may call")
        self.refused({"config": {"auth": {"token_keys_interval": "1m"}}}, "nobody may call")
        chart.render({"config": {"auth": {"token_issuers_file": "/etc/jetgate/more/issuers.toml"}}})

    def test_a_grace_period_that_cuts_the_drain_is_refused(self):
        for grace, drain, fits in [(44, "30s", False), (45, "30s", True), (104, "1m 30s", False), (16, "500ms", True)]:
            values = merged(ANYBODY, {"terminationGracePeriodSeconds": grace, "config": {"shutdown": {"drain": drain}}})
            with self.subTest(grace=grace, drain=drain):
                if fits:
                    chart.render(values)
                else:
                    self.refused(values, "terminationGracePeriodSeconds is")

    def test_a_network_policy_that_keeps_out_the_edge_is_refused(self):
        elsewhere, address = {"namespaceSelector": {}}, {"ipBlock": {"cidr": "192.0.2.0/24"}}
        for edge in (
            {"ingress": {"enabled": True, "hosts": ["jetgate.example.com"], "tlsSecret": "edge-tls"}},
            {"gatewayAPI": {"enabled": True, "parentRefs": [{"name": "public"}]}},
        ):
            for policy, fits in [
                ({}, False),
                ({"clients": []}, False),
                ({"clients": [{"podSelector": {"matchLabels": {"app": "caller"}}}]}, False),
                ({"ingress": [elsewhere]}, True),
                # A controller in the release's own namespace.
                ({"clients": [], "ingress": [{"podSelector": {}}]}, True),
                ({"clients": [{"podSelector": {}}, elsewhere]}, True),
                ({"clients": [address]}, True),
                ({"enabled": False}, True),
            ]:
                # The profile has the policy on.
                values = merged(ANYBODY, edge, {"networkPolicy": policy})
                with self.subTest(edge=edge, policy=policy):
                    if fits:
                        chart.render(values, profiles=["values-ha.yaml"])
                    else:
                        with self.assertRaisesRegex(Refused, r"in networkPolicy\.ingress"):
                            chart.render(values, profiles=["values-ha.yaml"])

    def test_what_belongs_together_is_asked_for(self):
        for values, says in [
            ({"tls": {"clientCA": {"existingSecret": "ca"}}}, "tls.clientCA needs a certificate"),
            (merged(ANYBODY, {"tls": {"certManager": {"enabled": True}}}), "issuerRef.name is required"),
            (merged(ANYBODY, {"nats": {"auth": {"existingSecret": "nats"}}}), "needs one way"),
            (merged(ANYBODY, {"nats": {"auth": {"existingSecret": "nats", "tokenKey": "a", "nkeySeedKey": "b"}}}),
             "needs one way"),
            (merged(ANYBODY, {"nats": {"auth": {"tokenKey": "a"}}}), "without nats.auth.existingSecret"),
            (merged(ANYBODY, {"nats": {"auth": {"existingSecret": "nats", "userKey": "a"}}}), "belong together"),
            (merged(ANYBODY, {"gatewayAPI": {"enabled": True}}), "parentRefs is required"),
            (merged(ANYBODY, {"gatewayAPI": {"enabled": True, "parentRefs": [{"name": "a"}],
                                             "backendTLS": {"enabled": True}}}), "backendTLS needs"),
            (merged(ANYBODY, {"ingress": {"enabled": True, "hosts": ["a.example.com"]}}), "tlsSecret are required"),
            (merged(ANYBODY, {"monitoring": {"serviceMonitor": {"enabled": True}},
                              "service": {"headless": {"enabled": False}}}), "needs service.headless"),
            (merged(ANYBODY, {"autoscaling": {"enabled": True, "minReplicas": 20}}), "above autoscaling.maxReplicas"),
            (merged(ANYBODY, {"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}}),
             "autoscaling needs"),
        ]:
            with self.subTest(says=says):
                self.refused(values, says)


@needs("HELM")
class Chart(unittest.TestCase):
    def test_lint_finds_nothing(self):
        chart.lint(ANYBODY)

    def test_version_is_that_of_the_gateway(self):
        cargo = re.search(r'(?m)^version = "(.+)"', (ROOT / "Cargo.toml").read_text())[1]
        self.assertRegex((CHART / "Chart.yaml").read_text(), f'(?m)^appVersion: "{re.escape(cargo)}"$')

    def test_numbers_are_written_as_they_are(self):
        config = {"traces": {"sample_ratio": 0.001}, "subscribe": {"max_sessions": 20_000_000}}
        _, written = chart.gateway_config(chart.render(merged(ANYBODY, {"config": config})))
        for section, keys in config.items():
            self.assertEqual({key: written[section][key] for key in keys}, keys)

    def test_profiles_render_alone_and_together(self):
        chart.render(profiles=["values-dev.yaml"])
        chart.render(ANYBODY, profiles=["values-ha.yaml"])
        chart.render(profiles=["values-mtls.yaml"])
        chart.render(profiles=["values-ha.yaml", "values-mtls.yaml"])
        chart.render(profiles=["values-service-accounts.yaml"])
        chart.render(profiles=["values-ha.yaml", "values-mtls.yaml", "values-service-accounts.yaml"])

    def test_pairs_of_all_choices_are_covered(self):
        rows = matrix.pairwise()
        sizes = [len(choices) for choices in matrix.DIMENSIONS.values()]
        for a in range(len(sizes)):
            for b in range(a):
                met = {(row[a], row[b]) for row in rows}
                self.assertEqual(len(met), sizes[a] * sizes[b], (a, b))
