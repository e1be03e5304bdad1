#!/usr/bin/env bash
# Runs the tests of the clients in lanes: the suites of one argument one after the other, the lanes side by side.
# Each suite's output is printed whole when it ends; fails when any suite failed, and names it, or when the table of the
# scenarios in clients/README.md is not what came out.
set -uo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM

lane() {
  local client start
  for client in $1; do
    start=$SECONDS
    make --no-print-directory "test-$client" >"$folder/$client" 2>&1 || echo "test-$client" >>"$folder/failed"
    {
      flock 9
      printf '\n--- make test-%s, %d s\n' "$client" $((SECONDS - start))
      cat "$folder/$client"
    } 9>"$folder/printing"
  done
}

# Reports of this run alone.
rm -f "${JETGATE_SCENARIO_REPORTS:-target/scenarios}"/*.jsonl

for clients in "$@"; do lane "$clients" & done
wait
printf '\n--- the table of the scenarios\n'
python3 tests/scenarios/matrix.py --check || echo "matrix.py --check" >>"$folder/failed"
if [[ -e "$folder/failed" ]]; then
  printf 'FAILED: %s\n' "$(paste -sd ' ' "$folder/failed")"
  exit 1
fi
