"""Starts real programs for a test, on ports that are free, and ends them with it."""

import json
import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request


def eventually(what, condition, seconds=180):
    """Waits until the condition holds and returns what it returned."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            if result := condition():
                return result
        except (OSError, ValueError) as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s ({last})")


def free_port():
    """For programs that cannot tell which port they got."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, **query):
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}" if query else url, timeout=10) as answer:
        return answer.read().decode()


def clean_environment(**more):
    """This process' variables without the gateway's own, some of which it would refuse."""
    return {key: value for key, value in os.environ.items() if not key.startswith("JETGATE_")} | more


class Programs:
    """Programs of a test; they end with it, and their logs are in its folder."""

    def __init__(self, test, folder):
        self.test, self.folder, self.running = test, pathlib.Path(folder), {}

    def start(self, name, *command, env=None):
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env or clean_environment(),
                                       cwd=self.folder)
        self.running[name] = process
        self.test.addCleanup(self._end, process)
        return process, log

    def stop(self, name):
        """As Kubernetes ends a pod: asks it to end, and waits."""
        self._end(self.running[name], 40)

    def _end(self, process, seconds=10):
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def nats_server(self):
        """The client URL and the monitoring URL of a nats-server with JetStream."""
        ports = self.folder / "ports"
        ports.mkdir()
        config = self.folder / "nats.conf"
        # A limit of its own: by default it offers a part of the free disk, less than some streams reserve.
        config.write_text(f'listen: "127.0.0.1:-1"\nhttp: "127.0.0.1:-1"\nserver_name: n1\n'
                          f'ports_file_dir: "{ports}"\njetstream {{ store_dir: "{self.folder}/store", max_file_store: 64GiB }}\n')
        self.start("nats-server", os.environ["NATS_SERVER"], "--config", str(config))
        listening = eventually("ports of nats-server", lambda: [json.loads(file.read_text()) for file in ports.iterdir()])[0]
        return listening["nats"][0], listening["monitoring"][0]

    def gateway(self, binary, nats_url, name="gateway", **env):
        """The gRPC and the admin address of a gateway that is ready."""
        _, log = self.start(
            name, binary, "serve", "--nats-url", nats_url, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
            env=clean_environment(**env))
        found = eventually("addresses of the gateway",
                           lambda: re.search(r"public=(\S+) admin=(\S+)", re.sub(r"\x1b\[\d+m", "", log.read_text())))
        eventually("readiness of the gateway", lambda: get(f"http://{found[2]}/readyz"))
        return found[1], found[2]
