"""What is rendered fits together: for every combination of the matrix, and for every profile."""

import concurrent.futures
import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import chart
import matrix
import network
from chart import gateway_pod, needs, of_kind, the

SCHEMAS = pathlib.Path(__file__).parent / "schemas"
OLDEST, NEWEST = "1.30.0", "1.37.0"


def every_rendering():
    """Names and objects; Helm renders several at a time."""
    cases = [(name, values, ()) for name, values in matrix.combinations()] + [
        ("values-dev", {}, ("values-dev.yaml",)),
        ("values-ha", matrix.ANYBODY, ("values-ha.yaml",)),
        ("values-mtls", {}, ("values-mtls.yaml",)),
        ("values-ha and -mtls", {}, ("values-ha.yaml", "values-mtls.yaml")),
        ("values-service-accounts", {}, ("values-service-accounts.yaml",)),
        ("values-ha and -service-accounts", {}, ("values-ha.yaml", "values-service-accounts.yaml")),
    ]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda case: (case[0], chart.render(*case[1:])), cases))


def each(test):
    """Runs the test for every rendering."""

    @functools.wraps(test)
    def run(self):
        for name, objects in self.renderings:
            with self.subTest(name):
                test(self, objects)

    return run


@needs("HELM")
class Renderings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.renderings = every_rendering()

    @needs("KUBECONFORM")
    def test_kubernetes_and_its_extensions_know_every_field(self):
        with tempfile.TemporaryDirectory() as folder:
            for number, (_, objects) in enumerate(self.renderings):
                text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
                (pathlib.Path(folder) / f"{number}.json").write_text(text)
            for version in (OLDEST, NEWEST):
                subprocess.run(
                    [os.environ["KUBECONFORM"], "-strict", "-summary", "-output", "text",
                     "-schema-location", f"{SCHEMAS}/kubernetes-{version}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
                     "-schema-location",
                     f"{SCHEMAS}/custom/{{{{.ResourceKind}}}}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json",
                     folder],
                    check=True, timeout=300,
                )

    @each
    def test_names_are_unique_and_fit_a_dns_label(self, objects):
        names = [(item["kind"], item["metadata"]["name"]) for item in objects]
        self.assertEqual(len(names), len(set(names)))
        for _, name in names:
            self.assertRegex(name, r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")

    @each
    def test_selectors_select_the_gateways_pods_and_no_others(self, objects):
        deployment = the(objects, "Deployment")
        selectors = [deployment["spec"]["selector"]["matchLabels"]]
        selectors += [item["spec"]["selector"] for item in of_kind(objects, "Service")]
        selectors += [item["spec"]["selector"]["matchLabels"]
                      for kind in ("PodDisruptionBudget", "PodMonitor") for item in of_kind(objects, kind)]
        selectors += [item["spec"]["podSelector"]["matchLabels"] for item in of_kind(objects, "NetworkPolicy")]
        selectors += [item["labelSelector"]["matchLabels"]
                      for item in gateway_pod(objects)["spec"].get("topologySpreadConstraints", [])]
        for selector in selectors:
            for labels, _ in chart.pods(objects):
                mine = labels["app.kubernetes.io/component"] == "gateway"
                self.assertEqual(selector.items() <= labels.items(), mine, selector)
        # A selector of a Deployment cannot be changed: versions have no place in it.
        self.assertNotIn("app.kubernetes.io/version", deployment["spec"]["selector"]["matchLabels"])

    @each
    def test_ports_that_are_named_exist(self, objects):
        container = gateway_pod(objects)["spec"]["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            self.assertEqual(container[probe]["httpGet"]["port"], "admin")
        for service in of_kind(objects, "Service"):
            self.assertLessEqual({port["targetPort"] for port in service["spec"]["ports"]}, ports.keys())
        for policy in of_kind(objects, "NetworkPolicy"):
            for rule in policy["spec"]["ingress"]:
                self.assertLessEqual({port["port"] for port in rule["ports"]}, ports.keys())
        for monitor in of_kind(objects, "PodMonitor"):
            self.assertIn(monitor["spec"]["podMetricsEndpoints"][0]["port"], ports)
        # What the container listens on is what the configuration says.
        _, config = chart.gateway_config(objects)
        for section, name in (("server", "grpc"), ("admin", "admin")):
            self.assertEqual(int(config[section]["listen"].rsplit(":", 1)[1]), ports[name])

    @each
    def test_what_refers_to_the_service_finds_it_and_its_port(self, objects):
        services = {item["metadata"]["name"]: {port["name"]: port["port"] for port in item["spec"]["ports"]}
                    for item in of_kind(objects, "Service")}
        for route in of_kind(objects, "GRPCRoute"):
            (backend,) = route["spec"]["rules"][0]["backendRefs"]
            self.assertIn(backend["port"], services[backend["name"]].values())
        for ingress in of_kind(objects, "Ingress"):
            for rule in ingress["spec"]["rules"]:
                backend = rule["http"]["paths"][0]["backend"]["service"]
                self.assertIn(backend["port"]["name"], services[backend["name"]])
        for monitor in of_kind(objects, "ServiceMonitor"):
            wanted = monitor["spec"]["selector"]["matchLabels"].items()
            found = [item for item in of_kind(objects, "Service") if wanted <= item["metadata"]["labels"].items()]
            self.assertEqual([port["name"] for port in found[0]["spec"]["ports"] if port["name"] == "admin"],
                             [monitor["spec"]["endpoints"][0]["port"]])
        for monitor in of_kind(objects, "ServiceMonitor") + of_kind(objects, "PodMonitor"):
            (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
            # The job of every alert and dashboard.
            self.assertEqual(endpoint["relabelings"], [{"targetLabel": "job", "replacement": "jetgate"}])
        for policy in of_kind(objects, "BackendTrafficPolicy"):
            self.assertEqual(policy["spec"]["targetRefs"][0]["name"], the(objects, "GRPCRoute")["metadata"]["name"])
        for test in of_kind(objects, "Pod"):
            (server,) = [a for a in test["spec"]["containers"][0]["args"] if a.startswith("--server=")]
            name, port = re.fullmatch(r"--server=https?://([^.]+)\.messaging:(\d+)", server).groups()
            self.assertEqual(services[name]["grpc"], int(port))
        for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
            self.assertEqual(scaler["spec"]["scaleTargetRef"]["name"], the(objects, "Deployment")["metadata"]["name"])
            self.assertNotIn("replicas", the(objects, "Deployment")["spec"])

    @each
    def test_streams_outlive_the_default_timers_of_envoy(self, objects):
        for policy in of_kind(objects, "BackendTrafficPolicy"):
            timers = policy["spec"]["timeout"]["http"]
            self.assertEqual((timers["requestTimeout"], timers["maxStreamDuration"]), ("0s", "0s"))
            self.assertGreaterEqual(policy["spec"]["circuitBreaker"]["maxParallelRequests"], 1_000_000)

    @each
    def test_every_mounted_volume_exists_and_every_secret_is_one_that_was_named(self, objects):
        for _, spec in chart.pods(objects):
            volumes = {volume["name"] for volume in spec.get("volumes", [])}
            mounts = {mount["name"] for container in spec["containers"] for mount in container.get("volumeMounts", [])}
            self.assertEqual(volumes, mounts)
        self.assertEqual(of_kind(objects, "Secret"), [])

    @each
    def test_every_file_of_the_configuration_is_mounted(self, objects):
        container = gateway_pod(objects)["spec"]["containers"][0]
        folders = [mount["mountPath"] for mount in container["volumeMounts"]]
        _, config = chart.gateway_config(objects)
        files = [value for section in config.values() for value in section.values()
                 if isinstance(value, str) and value.startswith("/")]
        for file in files + container["args"][2:]:
            self.assertIn(os.path.dirname(file), folders)

    @each
    def test_the_grace_period_covers_waiting_and_drain(self, objects):
        seconds = {"30s": 30, "1m 30s": 90, "500ms": 0.5, "5s": 5, "60s": 60}
        spec = gateway_pod(objects)["spec"]
        lifecycle = spec["containers"][0].get("lifecycle")
        waiting = lifecycle["preStop"]["sleep"]["seconds"] if lifecycle else 0
        _, config = chart.gateway_config(objects)
        self.assertGreaterEqual(spec["terminationGracePeriodSeconds"],
                                waiting + seconds[config["shutdown"]["drain"]] + 10)

    @each
    def test_pods_satisfy_the_restricted_pod_security_standard(self, objects):
        for _, spec in chart.pods(objects):
            self.assertTrue(spec["securityContext"]["runAsNonRoot"])
            self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertIs(spec["automountServiceAccountToken"], False)
            self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & spec.keys())
            for volume in spec.get("volumes", []):
                self.assertFalse({"hostPath", "nfs"} & volume.keys())
            for container in spec["containers"]:
                security = container["securityContext"]
                self.assertIs(security["allowPrivilegeEscalation"], False)
                self.assertIs(security["readOnlyRootFilesystem"], True)
                self.assertEqual(security["capabilities"], {"drop": ["ALL"]})
                self.assertIn("memory", container["resources"]["limits"])

    @each
    def test_kubernetes_sets_no_variables_that_the_gateway_would_refuse(self, objects):
        for _, spec in chart.pods(objects):
            self.assertIs(spec["enableServiceLinks"], False)

    @each
    def test_only_readiness_depends_on_nats(self, objects):
        container = gateway_pod(objects)["spec"]["containers"][0]
        paths = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
        self.assertEqual(paths, ["/livez", "/readyz", "/livez"])

    def test_the_gateway_takes_the_configuration(self):
        """With the pod's variables, and none of this process: the gateway refuses those that it does not know."""
        seen = set()
        for name, objects in self.renderings:
            text, _ = chart.gateway_config(objects)
            # The one file that the check opens; the profile's ConfigMap is made of it.
            text = text.replace("/etc/jetgate/issuers/", f"{chart.ROOT}/deploy/config/")
            variables = gateway_pod(objects)["spec"]["containers"][0].get("env", [])
            variables = {item["name"]: item["value"] for item in variables if "value" in item}
            if (text, *variables.items()) in seen:
                continue
            seen.add((text, *variables.items()))
            with self.subTest(name), tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
                file.write(text)
                file.flush()
                checked = subprocess.run([chart.gateway(), "config", "check", "--config", file.name], env=variables,
                                         capture_output=True, text=True, timeout=180, check=False)
                self.assertEqual((checked.returncode, checked.stderr), (0, ""), text)

    @each
    def test_the_network_policy_admits_whoever_must_get_in_and_nobody_else(self, objects):
        edge = bool(of_kind(objects, "Ingress") + of_kind(objects, "GRPCRoute"))
        _, config = chart.gateway_config(objects)
        keys = "token_issuers_file" in config.get("auth", {})
        for policy in of_kind(objects, "NetworkPolicy"):
            network.check(self, policy, gateway_pod(objects)["spec"]["containers"][0], edge, keys)


@needs("HELM")
class Configuration(unittest.TestCase):
    def test_numbers_and_quotes_arrive_as_they_were_written(self):
        config = {
            "server": {"max_connections": 12345678, "reflection": False, "max_request_bytes": 4194304},
            "log": {"filter": 'info,"quoted"\\', "format": "json"},
        }
        _, parsed = chart.gateway_config(chart.render(chart.merged(matrix.ANYBODY, {"config": config})))
        self.assertEqual(parsed["server"]["max_connections"], 12345678)
        self.assertEqual(parsed["server"]["max_request_bytes"], 4194304)
        self.assertIs(parsed["server"]["reflection"], False)
        self.assertEqual(parsed["log"]["filter"], 'info,"quoted"\\')

    def test_a_changed_configuration_is_a_rollout(self):
        def checksum(values):
            return gateway_pod(chart.render(values))["metadata"]["annotations"]["checksum/config"]

        changed = chart.merged(matrix.ANYBODY, {"config": {"server": {"max_connections": 7}}})
        scaled = chart.merged(matrix.ANYBODY, {"replicaCount": 7})
        self.assertNotEqual(checksum(matrix.ANYBODY), checksum(changed))
        self.assertEqual(checksum(matrix.ANYBODY), checksum(scaled))
