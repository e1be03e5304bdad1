"""The profile for callers with tokens of Kubernetes gives the gateway all that its entry of issuers.toml needs."""

import os
import pathlib
import tomllib
import unittest
import urllib.parse

import chart
import network
from chart import ROOT, gateway_pod, needs, the

ISSUERS = ROOT / "deploy" / "config" / "issuers.toml"
PROFILES = ["values-ha.yaml", "values-service-accounts.yaml"]

# Of the API server, outside of every pod's namespace.
API_SERVER = "10.0.0.1"


def entry():
    """The issuer whose keys are got with a token of the gateway's own."""
    (found,) = [issuer for issuer in tomllib.loads(ISSUERS.read_text())["issuer"] if "bearer_file" in issuer]
    return found


def names(source):
    """The files that a source of a projected volume makes."""
    if token := source.get("serviceAccountToken"):
        return [token["path"]]
    return [item["path"] for item in source["configMap"]["items"]]


@needs("HELM")
class ServiceAccounts(unittest.TestCase):
    def setUp(self):
        self.objects = chart.render(profiles=PROFILES)
        spec = gateway_pod(self.objects)["spec"]
        self.spec, self.volumes = spec, {volume["name"]: volume for volume in spec["volumes"]}
        self.mounts = {mount["mountPath"]: mount for mount in spec["containers"][0]["volumeMounts"]}

    def test_token_and_authority_are_where_the_issuers_file_reads_them(self):
        wanted = {entry()["ca_file"], entry()["bearer_file"]}
        (folder,) = {os.path.dirname(file) for file in wanted}
        sources = self.volumes[self.mounts[folder]["name"]]["projected"]["sources"]
        self.assertEqual({f"{folder}/{name}" for source in sources for name in names(source)}, wanted)
        self.assertIs(self.mounts[folder]["readOnly"], True)

    def test_the_token_is_for_the_api_server_and_short_lived(self):
        sources = [source for volume in self.volumes.values() for source in volume.get("projected", {}).get("sources", [])]
        (token,) = [source["serviceAccountToken"] for source in sources if "serviceAccountToken" in source]
        # Without an audience it is the API server's; Kubernetes refuses less than ten minutes.
        self.assertNotIn("audience", token)
        self.assertTrue(600 <= token["expirationSeconds"] <= 3600)
        # No other one that lives as long as the pod.
        self.assertIs(self.spec["automountServiceAccountToken"], False)

    def test_the_issuers_file_is_the_one_that_is_shipped(self):
        _, config = chart.gateway_config(self.objects)
        file = pathlib.PurePath(config["auth"]["token_issuers_file"])
        self.assertEqual(file.name, ISSUERS.name)
        config_map = self.volumes[self.mounts[str(file.parent)]["name"]]["configMap"]["name"]
        self.assertIn(f"kubectl create configmap {config_map} --from-file={file.name}",
                      (chart.CHART / PROFILES[-1]).read_text())

    def test_the_network_policy_lets_the_gateway_ask_for_the_keys(self):
        """At the port of the URL, and at the one behind it that most clusters have."""
        without = the(chart.render({"auth": {"allowAnonymous": True}}, profiles=PROFILES[:1]), "NetworkPolicy")
        policy = the(self.objects, "NetworkPolicy")
        url = urllib.parse.urlsplit(entry()["jwks_url"])
        for port in (url.port or {"https": 443}[url.scheme], 6443):
            self.assertFalse(network.reaches(without, port, address=API_SERVER))
            self.assertTrue(network.reaches(policy, port, address=API_SERVER))
        self.assertFalse(network.reaches(policy, 8080, address=API_SERVER))
