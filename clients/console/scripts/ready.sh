#!/usr/bin/env bash
# Makes the console ready to be built: the client that it calls with is compiled, what it needs installed. Fails where
# Node is missing.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

bash ../typescript/scripts/ready.sh
if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
  npm ci --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
