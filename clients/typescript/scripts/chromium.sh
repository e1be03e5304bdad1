#!/usr/bin/env bash
# Prints the path of a Chromium for tests. On Debian, root installs one where there is none.
set -euo pipefail

names=(chromium-headless-shell chromium chromium-browser google-chrome)
find_browser() {
  if [[ -n ${CHROMIUM_BIN:-} ]]; then printf '%s\n' "$CHROMIUM_BIN"; return; fi
  for name in "${names[@]}"; do command -v "$name" && return; done
  return 1
}

find_browser && exit
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
  echo "installing chromium-headless-shell" >&2
  export DEBIAN_FRONTEND=noninteractive
  install=(apt-get install -y --no-install-recommends)
  { apt-get update && { "${install[@]}" chromium-headless-shell || "${install[@]}" chromium; }; } >/dev/null 2>&1 || true
fi
find_browser
