#!/usr/bin/env bash
# Makes the Go stubs (clients/go/jetgatev1) from the contract; with --check it fails where they are not what it makes.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
buf=$("$root/deploy/dev/tool.sh" buf)
cd -- "$root/clients/go"
if [[ ${1:-} == --check ]]; then
  made=$(mktemp -d)
  trap 'rm -rf "$made"' EXIT
  "$buf" generate --output "$made"
  diff -r "$made/jetgatev1" jetgatev1 || { echo "clients/go/jetgatev1 is not what the contract makes: run go generate there" >&2; exit 1; }
else
  "$buf" generate
fi
