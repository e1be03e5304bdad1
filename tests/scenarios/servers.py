"""The processes of a world: nats-servers and gateways on free ports, which can be killed, paused and started again."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable

from wire import Wire

# The longest time for a server to become ready, on a busy machine.
START_WITHIN = 30.0


class WorldError(Exception):
    """Why a command could not be carried out."""


class Server:
    """One process, whose log is kept until the world ends."""

    def __init__(self, name: str, folder: pathlib.Path, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self, ready: Callable[[], bool]) -> None:
        if self.running():
            raise WorldError(f"{self.name} runs already")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )
        deadline = time.monotonic() + START_WITHIN
        while not ready():
            if not self.running():
                raise WorldError(f"{self.name} ended while it started:\n{self.last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise WorldError(f"{self.name} was not ready within {START_WITHIN:.0f} s:\n{self.last_words()}")
            time.sleep(0.02)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self._process is None or not self.running():
            raise WorldError(f"{self.name} does not run")
        self._process.send_signal(number)
        if number == signal.SIGSTOP:
            # A thread of the process may go on for a moment.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def kill(self) -> None:
        """Ends the process at once, paused or not."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait(self, within: float) -> int:
        """The exit code of a process that was asked to end."""
        if self._process is None:
            raise WorldError(f"{self.name} was never started")
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise WorldError(f"{self.name} had not ended after {within:.0f} s") from None

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


class NatsServer(Server):
    """A nats-server with JetStream; with peers, one of a cluster."""

    def __init__(
        self, binary: str, folder: pathlib.Path, number: int, port: int, routes: list[int], max_payload: int
    ) -> None:
        self.port = port
        store = folder / f"store{number}"
        config = folder / f"nats{number}.conf"
        lines = [
            f'server_name: "n{number}"',
            f'listen: "127.0.0.1:{port}"',
            f'jetstream: {{ store_dir: "{store}" }}',
        ]
        if max_payload:
            lines.append(f"max_payload: {max_payload}")
        if len(routes) > 1:
            peers = ", ".join(f'"nats://127.0.0.1:{route}"' for route in routes)
            lines.append(f'cluster: {{ name: "world", listen: "127.0.0.1:{routes[number]}", routes: [{peers}] }}')
        config.write_text("\n".join(lines) + "\n")
        super().__init__(f"nats{number}", folder, [binary, "-c", str(config)], {})

    def start(self) -> None:
        self.launch(self._accepts)

    def takes_replicas(self, count: int) -> bool:
        """Whether JetStream answers here, and knows enough servers for a stream with so many replicas."""
        name = f"probe{self.port}"
        config = {"name": name, "subjects": [name], "storage": "memory", "num_replicas": count}
        try:
            wire = Wire(self.port, timeout=2.0)
        except OSError:
            return False
        try:
            wire.request(f"$JS.API.STREAM.CREATE.{name}", json.dumps(config).encode())
            wire.request(f"$JS.API.STREAM.DELETE.{name}")
        except OSError:
            return False
        finally:
            wire.close()
        return True

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True


class Gateway(Server):
    """A gateway, configured by environment variables alone."""

    def __init__(
        self, binary: str, folder: pathlib.Path, number: int, ports: list[int], settings: dict[str, str]
    ) -> None:
        self.address, admin, *console = (f"127.0.0.1:{port}" for port in ports)
        self.console = console[0] if console else ""
        self._admin = f"http://{admin}/readyz"
        settings = {"server.listen": self.address, "admin.listen": admin, **settings}
        if self.console:
            settings["console.listen"] = self.console
        environment = {"JETGATE_" + key.upper().replace(".", "_"): value for key, value in settings.items()}
        super().__init__(f"gateway{number}", folder, [binary, "serve"], environment)

    def start(self) -> None:
        self.launch(self._ready)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(self._admin, timeout=1.0) as answer:
                return bool(answer.status == 200)
        # What speaks otherwise is another's server, which has taken the port meanwhile.
        except (OSError, http.client.HTTPException):
            return False


# Say which ports this process has chosen.
_marks: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """Free ports below those that the kernel gives to outgoing connections, and which nobody else chooses while this
    process lives: a server that was killed finds its port again, and its callers meet no other's meanwhile."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randint(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports and _reserve(port):
            ports.append(port)
    return ports


def _reserve(port: int) -> bool:
    """Whether no other world has chosen this port. A name of Linux' abstract namespace goes with its process."""
    if sys.platform != "linux":
        return True
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0jetgate-port-{port}")
    except OSError:
        mark.close()
        return False
    _marks.append(mark)
    return True


def end_with_parent() -> None:
    """Lets the kernel end the child when this process is killed; elsewhere than on Linux it may stay."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
