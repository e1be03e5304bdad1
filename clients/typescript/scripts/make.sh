#!/usr/bin/env bash
# What `make` does with the TypeScript client: test, lint or pack. Where Node is missing it says so, and with CI=true fails.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
root=$(cd ../.. && pwd)
task=$1

if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || ! command -v npm >/dev/null; then
  echo "LEFT OUT: make $task-typescript, as Node.js 20 or later with npm is not installed" >&2
  [[ ${CI:-} != true ]]
  exit
fi

if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi
npm run --silent generate

case $task in
  test)
    npx tsc --project tsconfig.json
    npx tsc --project tsconfig.tests.json
    exec node --test --test-concurrency=3 build/tests/
    ;;
  lint)
    npx tsc --project tsconfig.json
    npx tsc --project tsconfig.tests.json --noEmit
    exec npx eslint .
    ;;
  pack)
    mkdir -p "$root/target/clients"
    npx tsc --project tsconfig.json
    exec npm pack --silent --ignore-scripts --pack-destination "$root/target/clients"
    ;;
esac
