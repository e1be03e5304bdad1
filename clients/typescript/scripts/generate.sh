#!/usr/bin/env bash
# Generates src/gen from the contract, where it is older than the contract.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
root=$(cd ../.. && pwd)

stamp=src/gen/.generated
if [[ -e $stamp && -z $(find "$root/proto" package.json buf.gen.yaml -newer "$stamp" -print -quit) ]]; then exit 0; fi
buf=$("$root/deploy/dev/tool.sh" buf)
rm -rf src/gen
"$buf" generate "$root/proto" --template buf.gen.yaml
touch "$stamp"
