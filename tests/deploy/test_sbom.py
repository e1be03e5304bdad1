"""The bill of materials can be made, and has what the gateway's binary is made of."""

import json
import subprocess
import sys
import tomllib
import unittest

from chart import ROOT


def sbom():
    made = subprocess.run([sys.executable, str(ROOT / "deploy/sbom.py")], stdout=subprocess.PIPE, check=True)
    return made.stdout


class Sbom(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = sbom()
        cls.document = json.loads(cls.text)
        cls.components = {it["name"]: it for it in cls.document["components"]}
        cls.manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())

    def test_names_every_direct_dependency_with_version_licence_and_checksum(self):
        for name in self.manifest["dependencies"]:
            component = self.components[name]
            self.assertEqual(component["purl"], f"pkg:cargo/{name}@{component['version']}")
            self.assertTrue(component["licenses"][0]["expression"], name)
            self.assertEqual(len(component["hashes"][0]["content"]), 64, name)

    def test_knows_every_licence(self):
        self.assertEqual([name for name, it in self.components.items() if not it["licenses"]], [])

    def test_tells_what_is_shipped_from_what_only_builds_it_and_leaves_out_what_only_tests_use(self):
        self.assertEqual(self.components["tokio"]["scope"], "required")
        self.assertEqual(self.components["protox"]["scope"], "excluded")
        for name in ("proptest", "rcgen", "jetgate-faults"):
            self.assertNotIn(name, self.components)

    def test_the_graph_has_no_loose_end_and_begins_with_the_gateway(self):
        own = self.document["metadata"]["component"]
        references = {it["bom-ref"] for it in self.document["components"]} | {own["bom-ref"]}
        depends = {it["ref"]: it["dependsOn"] for it in self.document["dependencies"]}
        self.assertEqual(set(depends), references)
        for dependencies in depends.values():
            self.assertLessEqual(set(dependencies), references)
        direct = {reference.rsplit("@", 1)[0] for reference in depends[own["bom-ref"]]}
        self.assertLessEqual(set(self.manifest["dependencies"]), direct)

    def test_the_same_commit_makes_the_same_document(self):
        self.assertEqual(self.text, sbom())


if __name__ == "__main__":
    unittest.main()
