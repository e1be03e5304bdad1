#!/usr/bin/env bash
# Fuzzes one target that was built, and says in a line how that went.
#
#   fuzz/run.sh TARGET-DIR NAME SECONDS
#
# FUZZ_SEED fixes where libFuzzer begins, so that a check of the same code does much the same each time.
# New inputs go to TARGET-DIR/fuzz/corpus, all that libFuzzer says to TARGET-DIR/fuzz, and an input that fails to
# fuzz/artifacts. The failure has it in base64 as well: files of a machine that checks a change are soon gone.
set -euo pipefail
folder=$1 name=$2 seconds=$3
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

program=$folder/$(rustc --print host-tuple)/debug/$name
found=$folder/fuzz/corpus/$name log=$folder/fuzz/$name.log failing=fuzz/artifacts/$name
mkdir -p "$found" "$failing"

status=0
"$program" "$found" "fuzz/corpus/$name" -artifact_prefix="$failing/" -seed="${FUZZ_SEED:-0}" \
  -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 >"$log" 2>&1 || status=$?

# said PATTERN: what stands behind it in the log, the last time.
said() { sed -nE "s/$1/\1/p" "$log" | tail -n 1; }

if ((status)); then
  printf 'FAILED: the fuzz target %s by %s, which is in base64: %s\n' "$name" \
    "$(said '.*Test unit written to (.*)')" "$(said '^Base64: (.*)')"
  grep -E -A 2 -m 1 "panicked at|ERROR: libFuzzer" "$log" || tail -n 20 "$log"
  exit 1
fi
printf '%-20s %9d inputs, %6d each second; %5d edges, %5d by the corpus\n' "$name" \
  "$(said '^stat::number_of_executed_units: *([0-9]+)')" "$(said '^stat::average_exec_per_sec: *([0-9]+)')" \
  "$(said '.*DONE +cov: ([0-9]+).*')" "$(said '.*INITED +cov: ([0-9]+).*')"
