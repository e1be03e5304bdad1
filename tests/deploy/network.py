"""Evaluates a NetworkPolicy: who gets in, and where its pods get to."""

import ipaddress

HERE = "messaging"


def admits(policy, port, labels=None, namespace=HERE, address=None):
    """Whether a pod of these labels, or an address outside the cluster, may connect to the port."""
    return any(_port(rule, port) and _peer(rule.get("from"), labels, namespace, address)
               for rule in policy["spec"].get("ingress", []))


def reaches(policy, port, labels=None, namespace=HERE, address=None, protocol="TCP"):
    """Whether the policy's pods may connect to the port of a pod of these labels, or of an address outside the cluster."""
    return any(_port(rule, port, protocol) and _peer(rule.get("to"), labels, namespace, address)
               for rule in policy["spec"].get("egress", []))


def _port(rule, port, protocol="TCP"):
    ports = rule.get("ports")
    return not ports or any(item["port"] == port and item["protocol"] == protocol for item in ports)


def _peer(peers, labels, namespace, address):
    return not peers or any(_matches(peer, labels, namespace, address) for peer in peers)


def _matches(peer, labels, namespace, address):
    if "ipBlock" in peer:
        return address is not None and ipaddress.ip_address(address) in ipaddress.ip_network(peer["ipBlock"]["cidr"])
    if labels is None:
        return False
    if "namespaceSelector" in peer:
        wanted = peer["namespaceSelector"].get("matchLabels", {})
        in_namespace = wanted.items() <= {"kubernetes.io/metadata.name": namespace}.items()
    else:
        in_namespace = namespace == HERE
    return in_namespace and peer.get("podSelector", {}).get("matchLabels", {}).items() <= labels.items()


def check(test, policy, container, edge, keys):
    """With an edge in front, and keys of token issuers to be got, or without.

    Kubelets are let in by the node that they run on, and by nodeCIDRs where a plug-in does not do that.
    """
    test.assertEqual(sorted(policy["spec"]["policyTypes"]), ["Egress", "Ingress"])
    fenced = not admits(policy, "grpc", {"app": "caller"})
    pod = {"app": "any"}
    test.assertEqual(admits(policy, "grpc", pod, namespace="ingress"), fenced or edge)
    if fenced:
        test.assertTrue(admits(policy, container["readinessProbe"]["httpGet"]["port"], address="10.0.3.4"))
        test.assertFalse(admits(policy, "admin", address="192.0.2.1"))
    test.assertTrue(admits(policy, "admin", pod, namespace="monitoring"))
    test.assertFalse(admits(policy, "grpc", pod, namespace="elsewhere"))
    test.assertFalse(admits(policy, "admin", pod, namespace="elsewhere"))
    test.assertFalse(admits(policy, "grpc", pod, namespace="monitoring"))
    name = policy["spec"]["podSelector"]["matchLabels"]
    test.assertTrue(admits(policy, "grpc", name | {"app.kubernetes.io/component": "test"}))
    test.assertTrue(reaches(policy, 53, {"k8s-app": "kube-dns"}, "kube-system", protocol="UDP"))
    test.assertTrue(reaches(policy, 4222, {"app.kubernetes.io/name": "nats"}))
    test.assertEqual(reaches(policy, 443, pod, "elsewhere"), keys)
    test.assertFalse(reaches(policy, 8080, pod, "elsewhere"))
