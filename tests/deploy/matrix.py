"""Choices of values, and few combinations of them that hold every pair of two choices."""

import itertools

from chart import merged

ANYBODY = {"auth": {"allowAnonymous": True}}
LISTENER_TLS = {"tls": {"existingSecret": "listener"}}

# Who stands in front, in a namespace of its own; the policy must name it wherever there is one.
CONTROLLER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
NAMED = {"networkPolicy": {"ingress": [CONTROLLER]}}

# Each dimension's choices: values that an operator would combine with those of the other dimensions.
DIMENSIONS = {
    "callers": [
        ANYBODY,
        {"auth": {"apiKeys": {"existingSecret": "keys"}}, "test": {"apiKeySecret": "test-key"}},
        merged(LISTENER_TLS, {"tls": {"clientCA": {"existingSecret": "callers"}}, "test": {"clientCertSecret": "me"}}),
        {
            "auth": {"apiKeys": {"existingSecret": "keys"}},
            "tls": {"certManager": {"enabled": True, "issuerRef": {"name": "ca"}, "dnsNames": ["jetgate.example.com"]}},
        },
    ],
    "nats": [
        {},
        {"nats": {"auth": {"existingSecret": "nats", "credentialsKey": "gateway.creds"}}},
        {"nats": {"auth": {"existingSecret": "nats", "userKey": "user", "passwordKey": "password"}}},
        {"nats": {"auth": {"existingSecret": "nats", "tokenKey": "token"}}},
        {"nats": {"auth": {"existingSecret": "nats", "nkeySeedKey": "seed"},
                  "tls": {"existingSecret": "nats-tls", "certKey": "tls.crt", "privateKeyKey": "tls.key"}}},
    ],
    "scale": [
        {},
        {"replicaCount": 1, "podDisruptionBudget": {"enabled": False}, "topologySpreadConstraints": []},
        {"autoscaling": {"enabled": True, "targetSessionsPerPod": 5000}},
        {"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None, "targetSessionsPerPod": 100}},
    ],
    "drain": [
        {},
        {"config": {"shutdown": {"drain": "1m 30s"}}, "preStop": {"sleepSeconds": 15}},
        {"preStop": {"sleepSeconds": 0}, "terminationGracePeriodSeconds": 300},
        {"config": {"shutdown": {"drain": "500ms"}}},
    ],
    "network": [
        {},
        {"networkPolicy": {"enabled": True}},
        {"networkPolicy": {
            "enabled": True,
            "clients": [],
            "ingress": [CONTROLLER],
            "nodeCIDRs": ["10.0.0.0/16"],
            "nats": {"to": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "nats"}}}]},
            "extraEgress": [{"ports": [{"port": 4317, "protocol": "TCP"}]}],
        }},
    ],
    "monitoring": [
        {},
        {"monitoring": {"podMonitor": {"enabled": True}, "labels": {"release": "prometheus"}}},
        {"monitoring": {
            "serviceMonitor": {"enabled": True},
            "rules": {"enabled": True, "disabled": ["JetgateDeadLetters"]},
            "dashboards": {"enabled": True},
        }},
        {"monitoring": {"podMonitor": {"enabled": True}, "rules": {"enabled": True, "nats": False}}},
    ],
    "edge": [
        {},
        NAMED | {"gatewayAPI": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["jetgate.example.com"]}},
        NAMED | {"gatewayAPI": {
            "enabled": True,
            "parentRefs": [{"name": "public", "namespace": "edge", "sectionName": "grpc"}],
            "envoyGateway": {"enabled": True, "clientTrafficPolicy": True},
        }},
        NAMED | {"ingress": {"enabled": True, "hosts": ["jetgate.example.com"], "tlsSecret": "edge-tls"}},
        {"service": {"type": "LoadBalancer", "port": 443, "annotations": {"example.com/scheme": "internal"},
                     "trafficDistribution": "PreferClose", "appProtocol": "kubernetes.io/h2c"}},
    ],
    "names": [
        {},
        {"fullnameOverride": "gateway", "serviceAccount": {"create": False}},
        {"nameOverride": "jg", "commonLabels": {"team": "messaging"}, "podLabels": {"tier": "edge"},
         "podAnnotations": {"example.com/note": "x"}, "serviceAccount": {"name": "own"}},
    ],
    "pod": [
        {},
        {"image": {"repository": "registry.example.com/jetgate", "digest": "sha256:" + "0" * 64},
         "imagePullSecrets": [{"name": "registry"}], "priorityClassName": "high", "listenHost": "[::]"},
        {"extraEnv": [{"name": "JETGATE_LOG_FILTER", "value": "debug"}],
         "extraVolumes": [{"name": "more", "emptyDir": {}}],
         "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
         "nodeSelector": {"pool": "messaging"}, "tolerations": [{"key": "messaging", "operator": "Exists"}],
         "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"},
                           "data": {"a": "b"}}]},
        {"config": {
            "server": {"max_connections": 500, "max_request_bytes": "4MiB", "reflection": False},
            "publish": {"max_in_flight": 2048, "mint_message_id": "always"},
            "log": {"format": "pretty", "filter": "info,jetgate=debug"},
        }, "service": {"headless": {"enabled": True}}},
    ],
}


def pairwise(dimensions=None):
    """Combinations of one choice each, so that every two choices of two dimensions meet at least once."""
    sizes = [len(choices) for choices in (dimensions or DIMENSIONS).values()]
    open_pairs = {
        ((a, i), (b, j))
        for a, b in itertools.combinations(range(len(sizes)), 2)
        for i in range(sizes[a]) for j in range(sizes[b])
    }

    def pairs(row):
        return set(itertools.combinations(enumerate(row), 2))

    rows = []
    while open_pairs:
        # Begins with a pair that is missing, and takes for each other dimension what covers most.
        (a, i), (b, j) = min(open_pairs)
        row = {a: i, b: j}
        for dimension in sorted(set(range(len(sizes))) - {a, b}):
            row[dimension] = max(
                range(sizes[dimension]),
                key=lambda choice: sum(
                    tuple(sorted([(dimension, choice), item])) in open_pairs for item in row.items()
                ),
            )
        rows.append([row[dimension] for dimension in range(len(sizes))])
        open_pairs -= pairs(rows[-1])
    return rows


def combinations():
    """The values of each combination, with a name that says which choices it is made of."""
    for row in pairwise():
        name = " ".join(f"{dimension}={choice}" for dimension, choice in zip(DIMENSIONS, row))
        yield name, merged(*(choices[choice] for choices, choice in zip(DIMENSIONS.values(), row)))
