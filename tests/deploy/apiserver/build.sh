#!/usr/bin/env bash
# Builds the API server with its etcd as the file that is named. Its version is that of Kubernetes' Go module; nobody else
# would tell it.
set -euo pipefail
output=$(realpath -- "${1:?usage: build.sh FILE}")
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
exec go build -trimpath -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" -o "$output" .
