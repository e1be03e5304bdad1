#!/usr/bin/env bash
# Makes the package ready to be compiled: what it needs is installed, its code generated. Fails where Node is missing.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || {
  echo "Node.js 20 or later with npm is not installed" >&2
  exit 1
}
if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
  npm ci --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
bash scripts/generate.sh >&2
npx tsc --project tsconfig.json >&2
