#!/usr/bin/env bash
# Chooses the nats-server for development and tests, and prints its absolute path; everything else goes to stderr.
#
#   --any      an installed nats-server when it is recent enough, otherwise the pinned one: for `make run`
#   --pinned   always the pinned one, which `tool.sh` obtains: for `make test`
set -euo pipefail

# The oldest release series that `--any` accepts.
oldest_major=2
oldest_minor=14

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

installed() {
  local path version
  path=$(type -P nats-server) || return 1
  version=$("$path" --version 2>/dev/null) || return 1
  [[ $version =~ v([0-9]+)\.([0-9]+)\. ]] || return 1
  if ((BASH_REMATCH[1] < oldest_major || (BASH_REMATCH[1] == oldest_major && BASH_REMATCH[2] < oldest_minor))); then
    echo "passing over $path: ${version#*: } is older than v$oldest_major.$oldest_minor" >&2
    return 1
  fi
  # PATH may hold relative folders.
  [[ $path == /* ]] || path=$PWD/$path
  printf '%s\n' "$path"
}

case ${1:-} in
  --any) installed || exec "$here/tool.sh" nats-server ;;
  --pinned) exec "$here/tool.sh" nats-server ;;
  *)
    echo "usage: deploy/dev/nats-server.sh --any|--pinned" >&2
    exit 2
    ;;
esac
