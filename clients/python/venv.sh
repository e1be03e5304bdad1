#!/usr/bin/env bash
# Makes a virtual environment with all that the Python client's tests need and its stubs, and prints its path.
#
# It lands in .tools/ under a name that carries a checksum of the requirements, so changed ones are a new environment.
# Where there is no Python 3.10 or newer, or no network for a new environment, it says so and fails.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
tools=$here/../../.tools
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }

"$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
  { say "there is no Python 3.10 or newer with venv: install one, or name it in PYTHON"; exit 1; }

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
venv=$tools/python-$version-$(cksum <"$here/requirements.txt" | cut -d' ' -f1)
if [[ ! -e $venv/ready ]]; then
  say "making an environment for the Python client in .tools/"
  rm -rf "$venv"
  mkdir -p "$tools"
  "$python" -m venv "$venv" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --requirement "$here/requirements.txt" >&2 || { say "cannot get what requirements.txt names: see above"; exit 1; }
  # The package is used from where it is written.
  printf '%s\n' "$here/src" >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/jetgate.pth"
  touch "$venv/ready"
fi
newest=$(find "$here/../../proto" "$here/generate.py" -newer "$here/src/jetgate/v1/__init__.py" 2>&1 | head -1)
[[ -z $newest ]] || "$venv/bin/python" "$here/generate.py" >&2
printf '%s\n' "$venv"
