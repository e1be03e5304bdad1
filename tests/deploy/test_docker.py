"""What can be known of the image and of compose.yaml without a container engine.

NOT run anywhere here: the build of the image, static linking, arm64, and the composed programs together.
"""

import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

import chart
import programs
from chart import ROOT, needs

FOLDER = ROOT / "deploy" / "docker"
DOCKERFILE = FOLDER / "Dockerfile"


def instructions(name):
    """The arguments of every instruction of this name, continuation lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE.read_text()).replace("\\\n", " ")
    return re.findall(rf"(?m)^{name}\s+(.*)$", text)


class Image(unittest.TestCase):
    @needs("HADOLINT")
    def test_hadolint_finds_nothing(self):
        subprocess.run([os.environ["HADOLINT"], "--failure-threshold", "info", str(DOCKERFILE)], check=True)

    def test_every_source_exists_and_is_not_ignored(self):
        allowed = [line[1:] for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
        copies = [copy.split() for copy in instructions("COPY") if "--from" not in copy]
        sources = [source for copy in copies for source in copy[:-1]]
        self.assertGreater(len(sources), 5)
        for source in sources:
            self.assertTrue((ROOT / source).exists(), source)
            self.assertTrue(any(fnmatch.fnmatch(source, pattern) for pattern in allowed), f"{source} is ignored")
        self.assertEqual({pattern for pattern in allowed if pattern not in sources}, set())

    def test_what_is_copied_is_all_that_cargo_needs(self):
        """In a folder that holds nothing else, cargo finds every file that the manifests name."""
        with tempfile.TemporaryDirectory() as folder:
            for copy in instructions("COPY"):
                if "--from" in copy or "/image" in copy:
                    continue
                *sources, _ = copy.split()
                for source in sources:
                    target = pathlib.Path(folder, source)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if (ROOT / source).is_dir():
                        shutil.copytree(ROOT / source, target)
                    else:
                        shutil.copy(ROOT / source, target)
            subprocess.run(["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"], cwd=folder,
                           check=True, stdout=subprocess.DEVNULL, timeout=180)
            # Files that the gateway's own code takes in when it is compiled.
            for file in pathlib.Path(folder, "gateway").rglob("*.rs"):
                code = file.read_text().split("#[cfg(test)]")[0]
                for included in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', code):
                    self.assertTrue((file.parent / included).exists(), f"{file}: {included}")

    def test_the_rust_version_is_one_that_the_package_supports(self):
        supported = re.search(r'(?m)^rust-version = "(.+)"', (ROOT / "Cargo.toml").read_text())[1]
        self.assertIn(f"RUST_VERSION={supported}", instructions("ARG"))

    def test_runs_as_nobody(self):
        (user,) = instructions("USER")
        self.assertEqual(user, "65532:65532")
        self.assertEqual(instructions("FROM")[-1], "scratch")

    def test_its_configuration_is_taken_and_asks_who_may_call(self):
        command = [chart.gateway(), "config", "check", "--config", str(FOLDER / "jetgate.toml")]
        refused = subprocess.run(command, env={}, capture_output=True, text=True, timeout=180, check=False)
        self.assertIn("nobody is asked who they are", refused.stderr)
        subprocess.run(command, env={"JETGATE_SERVER_ALLOW_ANONYMOUS": "true"}, check=True, timeout=180)

    @needs("NATS_SERVER")
    def test_the_gateway_serves_as_nobody_on_a_read_only_root(self):
        """In namespaces of its own, where everything is mounted read-only, with the image's entry point and probe."""
        root = os.getuid() == 0
        namespace = ["unshare", "--mount"] if root else ["unshare", "--user", "--map-root-user", "--mount"]
        can = subprocess.run([*namespace, "true"], capture_output=True, text=True, check=False)
        if can.returncode:
            self.skipTest(f"no namespaces here: {can.stderr.strip()}")
        # Who is not root has no other user to become, and only loses its capabilities.
        user = "--reuid 65532 --regid 65532 --clear-groups" if root else ""
        with tempfile.TemporaryDirectory() as folder:
            running = programs.Programs(self, folder)
            nats, _ = running.nats_server()
            admin = f"127.0.0.1:{programs.free_port()}"
            binary = running.folder / "jetgate"
            shutil.copy(chart.gateway(), binary)
            os.chmod(folder, 0o755)
            script = f"""set -e
                mount --make-rprivate /
                awk '{{print $5}}' /proc/self/mountinfo | while read -r point; do
                  mount -o remount,bind,ro "$point" 2>/dev/null || true
                done
                if touch /is-writable {folder}/is-writable 2>/dev/null; then exit 99; fi
                exec setpriv {user} --no-new-privs --bounding-set=-all --inh-caps=-all "$@" """
            environment = {"PATH": os.environ["PATH"], "JETGATE_NATS_URL": nats}
            process, log = running.start("gateway", *namespace, "sh", "-c", script, "sh", str(binary),
                                         "serve", "--listen", "127.0.0.1:0", "--admin-listen", admin, env=environment)

            def ready():
                self.assertIsNone(process.poll(), log.read_text())
                return programs.get(f"http://{admin}/readyz")

            programs.eventually("readiness", ready)
            # Every step above was an exec, so the process is still the one that was started.
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            self.assertRegex(status, r"CapEff:\s+0+\n")
            self.assertRegex(status, r"NoNewPrivs:\s+1\n")
            if root:
                self.assertRegex(status, r"Uid:\s+65532\s")
            probe = [str(binary), "probe", "--admin", admin]
            self.assertEqual(subprocess.run(probe, check=False, timeout=180).returncode, 0)


class Compose(unittest.TestCase):
    def setUp(self):
        self.compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
        self.services = self.compose["services"]

    def test_every_file_that_is_mounted_or_built_from_exists(self):
        for name, service in self.services.items():
            for volume in service.get("volumes", []):
                source = pathlib.Path(os.path.normpath(FOLDER / volume.split(":")[0]))
                self.assertTrue(source.exists(), f"{name}: {source}")
        build = self.services["jetgate-1"]["build"]
        self.assertTrue((FOLDER / build["context"] / build["dockerfile"]).exists())

    def test_names_that_are_dialled_are_services(self):
        hosts = set(self.services) | {"127.0.0.1", "localhost"}
        texts = [(FOLDER / name).read_text() for name in ("prometheus.yaml", "nats.conf", "grafana/datasource.yaml")]
        texts += [" ".join(service.get("command", [])) for service in self.services.values()]
        texts += [str(service.get("environment")) for service in self.services.values()]
        dialled = {host for text in texts for host in re.findall(r"([a-z][a-z0-9-]*):\d{4,5}", text)}
        self.assertGreater(len(dialled), 8)
        self.assertLessEqual(dialled, hosts)
        envoy = yaml.safe_load((FOLDER / "envoy.yaml").read_text())["static_resources"]["clusters"][0]
        address = envoy["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        for name in ("jetgate-1", "jetgate-2"):
            self.assertIn(address["address"], self.services[name]["networks"]["default"]["aliases"])

    def test_gateways_get_the_time_that_their_drain_takes(self):
        for name in ("jetgate-1", "jetgate-2"):
            self.assertGreaterEqual(int(self.services[name]["stop_grace_period"].rstrip("s")), 30 + 10)
            self.assertTrue(self.services[name]["read_only"])

    @needs("PROMTOOL")
    def test_prometheus_takes_its_configuration(self):
        config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
        self.assertEqual(config["rule_files"], ["/etc/prometheus/rules/*.yaml"])
        config["rule_files"] = [str(chart.FILES / "*.yaml")]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(config, file)
            file.flush()
            subprocess.run([os.environ["PROMTOOL"], "check", "config", file.name], check=True, stdout=subprocess.DEVNULL)

    @needs("NATS_SERVER")
    def test_nats_takes_its_configuration(self):
        subprocess.run([os.environ["NATS_SERVER"], "-t", "--config", str(FOLDER / "nats.conf")], check=True,
                       env=programs.clean_environment(NAME="nats-1"), stderr=subprocess.DEVNULL)

    @needs("NATS_SERVER", "ENVOY")
    def test_envoy_spreads_calls_over_both_gateways(self):
        """With its configuration, and theirs, at other addresses."""
        with tempfile.TemporaryDirectory() as folder:
            running = programs.Programs(self, folder)
            nats, _ = running.nats_server()
            settings = self.services["jetgate-1"]["environment"] | {
                "JETGATE_CONFIG": str(FOLDER / "jetgate.toml"), "JETGATE_NATS_URL": nats,
                # In which this test looks for addresses.
                "JETGATE_LOG_FORMAT": "pretty"}
            gateways = [running.gateway(chart.gateway(), nats, name, **settings) for name in ("jetgate-1", "jetgate-2")]
            port = programs.free_port()
            config = yaml.safe_load((FOLDER / "envoy.yaml").read_text())
            config["admin"]["address"]["socket_address"]["port_value"] = 0
            (listener,), (cluster,) = (config["static_resources"][kind] for kind in ("listeners", "clusters"))
            self.assertEqual(self.services["envoy"]["ports"], ["127.0.0.1:8080:8080"])
            self.assertEqual(listener["address"]["socket_address"], {"address": "0.0.0.0", "port_value": 8080})
            listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
            (locality,) = cluster["load_assignment"]["endpoints"]
            locality["lb_endpoints"] = [
                {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(at)}}}}
                for host, at in (public.split(":") for public, _ in gateways)]
            file = running.folder / "envoy.yaml"
            file.write_text(yaml.safe_dump(config))
            running.start("envoy", os.environ["ENVOY"], "--use-dynamic-base-id", "--concurrency", "1", "-c", str(file))

            def both_are_called():
                subprocess.run([chart.gateway(), "stream", "ls", "--server", f"http://127.0.0.1:{port}"], timeout=180,
                               env=programs.clean_environment(), check=False, capture_output=True)
                pages = [programs.get(f"http://{admin}/metrics") for _, admin in gateways]
                return all(re.search(r'(?m)^grpc_server_handled_total.*"ListStreams",grpc_code="OK"} [1-9]', page)
                           for page in pages)

            programs.eventually("calls of both gateways", both_are_called)

    def docker_compose(self, text):
        """What it says against a file beside compose.yaml; nothing where it takes the file."""
        command = [os.environ["DOCKER_COMPOSE"], "--project-directory", str(FOLDER), "--file", "-", "config", "--quiet"]
        done = subprocess.run(command, input=text, env=programs.clean_environment(), capture_output=True, text=True,
                              timeout=180, check=False)
        self.assertEqual(done.returncode == 0, not done.stderr)
        return done.stderr

    @needs("DOCKER_COMPOSE")
    def test_docker_compose_takes_the_file(self):
        """And no misspelt key in it, which a reader of YAML would take."""
        text = (FOLDER / "compose.yaml").read_text()
        self.assertEqual(self.docker_compose(text), "")
        self.assertIn("read_onyl", self.docker_compose(text.replace("read_only", "read_onyl")))
