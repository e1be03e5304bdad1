"""Starts real nats-servers and gateways for a scenario, and does with them what JSON lines on stdin say.

One JSON object a line in, one a line out: {"ok": true, ...} or {"ok": false, "error": "..."}. When stdin closes
everything ends and is removed. README.md has the commands.
"""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import certificates
from servers import START_WITHIN, Gateway, NatsServer, WorldError, free_ports
from tokens import Issuer
from wire import Wire, raw

# How often to try with other ports when someone else takes one between choosing and using it.
ATTEMPTS = 5


class World:
    """The servers of one scenario, and the folder that holds all they write."""

    def __init__(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jetgate-world-"))
        self.nats: list[NatsServer] = []
        self.gateways: list[Gateway] = []
        self.issuer: Issuer | None = None
        self.facts: dict[str, Any] = {}

    def start(
        self,
        nats: int = 1,
        gateways: int = 1,
        tls: bool = False,
        api_key: bool = False,
        short_key: float = 0.0,
        tokens: bool = False,
        console: bool = False,
        max_payload: int = 0,
        config: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        if self.gateways:
            raise WorldError("the world is started already")
        settings = dict(config or {})
        if tls:
            files = certificates.make(self.folder)
            settings |= {"tls.cert_file": files["cert"], "tls.key_file": files["key"]}
            self.facts |= {"ca_file": files["ca"], "other_ca_file": files["other_ca"]}
        if api_key:
            settings["auth.api_keys_file"] = str(self._keys())
        if short_key:
            settings["auth.reload_interval"] = "1s"
        if tokens:
            self.issuer = Issuer(self.folder)
            issuers = self.folder / "issuers.toml"
            issuers.write_text(self.issuer.configuration())
            settings["auth.token_issuers_file"] = str(issuers)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start_nats(nats, max_payload)
                if api_key:
                    self._make_lasting_key()
                self._start_gateways(gateways, console, settings)
                if short_key:
                    self._make_short_key(short_key)
                break
            except WorldError:
                self._kill_all()
                if attempt == ATTEMPTS:
                    raise
        return self.addresses()

    def addresses(self) -> dict[str, Any]:
        return {
            "gateways": [gateway.address for gateway in self.gateways],
            "consoles": [gateway.console for gateway in self.gateways if gateway.console],
            "nats": [f"nats://127.0.0.1:{server.port}" for server in self.nats],
            **self.facts,
        }

    def token(self, algorithm: str = "RS256", expires_in: float = 600.0, unknown_key: bool = False) -> dict[str, Any]:
        """A token of the issuer whose keys the gateways know."""
        if self.issuer is None:
            raise WorldError("the world has no issuer of tokens")
        return {"token": self.issuer.token(algorithm, expires_in, unknown_key)}

    def kill_gateway(self, gateway: int = 0) -> None:
        self.gateways[gateway].kill()

    def drain_gateway(self, gateway: int = 0) -> None:
        self.gateways[gateway].signal(signal.SIGTERM)

    def wait_gateway(self, gateway: int = 0, within: float = 30.0) -> dict[str, Any]:
        return {"exit_code": self.gateways[gateway].wait(within)}

    def start_gateway(self, gateway: int = 0) -> None:
        self.gateways[gateway].start()

    def pause_gateway(self, gateway: int = 0) -> None:
        self.gateways[gateway].signal(signal.SIGSTOP)

    def resume_gateway(self, gateway: int = 0) -> None:
        self.gateways[gateway].signal(signal.SIGCONT)

    def stop_nats(self, server: int = 0) -> None:
        self.nats[server].kill()

    def start_nats(self, server: int = 0) -> None:
        self.nats[server].start()

    def pause_nats(self, server: int = 0) -> None:
        self.nats[server].signal(signal.SIGSTOP)

    def resume_nats(self, server: int = 0) -> None:
        self.nats[server].signal(signal.SIGCONT)

    def nats_publish(self, subject: str, payload: Any = "", headers: list[list[Any]] | None = None) -> dict[str, Any]:
        """Publishes as a native client would; the answer is JetStream's own."""
        lines = None if headers is None else [(name, raw(value)) for name, value in headers]
        return self._native(lambda wire: wire.request(subject, raw(payload), lines))

    def nats_get(self, stream: str, sequence: int, field: str = "") -> dict[str, Any]:
        """Reads a stored message as a native client would; of a payload that is JSON perhaps one field alone."""
        message = self._native(lambda wire: wire.stored(stream, sequence))
        return message | ({"payload": json.loads(message["payload"])[field]} if field else {})

    def close(self) -> None:
        self._kill_all()
        if self.issuer is not None:
            self.issuer.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_nats(self, count: int, max_payload: int) -> None:
        ports = free_ports(2 * count)
        routes = ports[count:]
        binary = required("JETGATE_TEST_NATS_SERVER")
        self.nats = [NatsServer(binary, self.folder, n, ports[n], routes, max_payload) for n in range(count)]
        for server in self.nats:
            server.start()
        deadline = time.monotonic() + START_WITHIN
        while not all(server.takes_replicas(count) for server in self.nats):
            if time.monotonic() > deadline:
                raise WorldError(f"JetStream did not answer: {self.nats[0].last_words()}")
            time.sleep(0.05)

    def _start_gateways(self, count: int, console: bool, settings: dict[str, str]) -> None:
        ports = free_ports(3 * count)
        urls = ",".join(f"nats://127.0.0.1:{server.port}" for server in self.nats)
        for n in range(count):
            own = ports[3 * n : 3 * n + (3 if console else 2)]
            gateway = Gateway(required("JETGATE_BIN"), self.folder, n, own, {"nats.url": urls, **settings})
            self.gateways.append(gateway)
            gateway.start()

    def _keys(self) -> pathlib.Path:
        return self.folder / "keys.toml"

    def _make_lasting_key(self) -> None:
        self.facts["api_key"], entry = _make_api_key()
        self._keys().write_text(entry)

    def _make_short_key(self, seconds: float) -> None:
        """Another key of the same caller. Its time begins when the gateways run, however long they took to start."""
        key, entry = _make_api_key()
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        with self._keys().open("a") as keys:
            keys.write(f"{entry}expires = {end.isoformat(timespec='milliseconds')}\n")
        deadline = time.monotonic() + seconds
        while not all(self._admits(gateway, key) for gateway in self.gateways):
            if time.monotonic() > deadline:
                raise WorldError("the gateways do not know the short key")
            time.sleep(0.1)
        self.facts["short_key"] = key

    def _admits(self, gateway: Gateway, key: str) -> bool:
        scheme, trust = ("https", ["--ca", self.facts["ca_file"]]) if "ca_file" in self.facts else ("http", [])
        command = [required("JETGATE_BIN"), "stream", "ls", "--server", f"{scheme}://{gateway.address}", *trust]
        return subprocess.run(command, capture_output=True, env={"JETGATE_API_KEY": key}, check=False).returncode == 0

    def _native(self, act: Any) -> dict[str, Any]:
        running = next((server for server in self.nats if server.running()), None)
        if running is None:
            raise WorldError("no nats-server runs")
        wire = Wire(running.port)
        try:
            return dict(act(wire))
        except OSError as problem:
            raise WorldError(str(problem)) from None
        finally:
            wire.close()

    def _kill_all(self) -> None:
        for server in [*self.gateways, *self.nats]:
            server.kill()
        self.gateways, self.nats = [], []
        for store in self.folder.glob("store*"):
            shutil.rmtree(store, ignore_errors=True)


COMMANDS = [
    name for name, what in vars(World).items() if callable(what) and not name.startswith("_") and name != "close"
]


def _make_api_key() -> tuple[str, str]:
    """A key, and its entry for the gateway's file."""
    made = subprocess.run([required("JETGATE_BIN"), "api-key", "scenarios"], check=True, capture_output=True, text=True)
    # The entry goes to stdout and the key itself, with a word of explanation, to stderr.
    return made.stderr.split()[-1], made.stdout


def required(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise WorldError(f"{variable} is not set")
    return value


def answer(world: World, line: str) -> dict[str, Any] | None:
    """Carries out one command; None is the end."""
    try:
        command = json.loads(line)
        name = command.pop("do")
        if name == "quit":
            return None
        if name not in COMMANDS:
            raise WorldError(f"unknown command {name!r}; known are {', '.join(COMMANDS)} and quit")
        return {"ok": True, **(getattr(world, name)(**command) or {})}
    except subprocess.CalledProcessError as problem:
        return {"ok": False, "error": f"{problem}: {problem.stderr!r}"}
    except Exception as problem:  # whatever goes wrong, the test shall read of it
        return {"ok": False, "error": f"{type(problem).__name__}: {problem}"}


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    world = World()
    try:
        # readline instead of iteration: a line is answered before the next one is asked for.
        for line in iter(sys.stdin.readline, ""):
            said = answer(world, line)
            if said is None:
                break
            print(json.dumps(said), flush=True)
    finally:
        world.close()


if __name__ == "__main__":
    main()
