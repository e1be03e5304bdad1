"""A page in a real browser gets each heartbeat of a stream as it comes: from the gateway, and through Envoy and nginx.

The proxies run the configurations of deploy/, at other addresses. The page speaks gRPC-Web by itself, so that nothing but
the browser and the proxy is between it and the gateway.
"""

import http.server
import json
import os
import pathlib
import queue
import shutil
import subprocess
import tempfile
import threading
import unittest

import certificates
import chart
import programs
from chart import ROOT, needs
from programs import eventually

HEARTBEATS = 3
INTERVAL = 2.0
# How often a page looks: a machine that is busy may hold up a heartbeat of one visit, what gathers them does so in each.
VISITS = 3

# SubscribeRequest: stream (1) ORDERS, consumer (2) worker, heartbeat_interval (6) of 2 s; in a frame of gRPC-Web.
MESSAGE = b"\x0a\x06ORDERS\x12\x06worker\x32\x02\x08\x02"
FRAME = list(b"\x00" + len(MESSAGE).to_bytes(4, "big") + MESSAGE)

# Notes when each frame comes, and the first byte of its message, which names the event.
# Of each gateway: when each frame came, and the field of its message, which names the event.
PAGE = """<!doctype html><title>heartbeats</title><script type="module">
async function subscribe(gateway) {
  const seen = [], began = performance.now();
  const response = await fetch(gateway + "/jetgate.v1.SubscriberService/Subscribe", {
    method: "POST", headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
    body: new Uint8Array(REQUEST),
  });
  const reader = response.body.getReader();
  let bytes = [];
  while (seen.length <= HEARTBEATS) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the stream ended with " + response.status);
    bytes.push(...value);
    for (;;) {
      const length = (bytes[1] << 24) | (bytes[2] << 16) | (bytes[3] << 8) | bytes[4];
      if (bytes.length < 5 || bytes.length < 5 + length) break;
      if (bytes[0] & 0x80) throw new Error("the stream ended: " + String.fromCharCode(...bytes));
      seen.push({ event: bytes[5] >> 3, at: (performance.now() - began) / 1000 });
      bytes = bytes.slice(5 + length);
    }
  }
  await reader.cancel();
  return seen;
}
const results = {};
await Promise.all(Object.entries(GATEWAYS).map(async ([name, gateway]) => {
  results[name] = await subscribe(gateway).catch(String);
}));
await fetch("/results", { method: "POST", body: JSON.stringify(results) });
</script>"""


class Page(http.server.ThreadingHTTPServer):
    """The server that a page comes from and reports to."""

    def __init__(self):
        self.results, self.text = queue.Queue(), ""
        super().__init__(("127.0.0.1", 0), Visit)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.server_port}"


class Visit(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(self.server.text.encode())

    def do_POST(self):
        self.server.results.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.answer(b"")

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def adapted(path, *changes):
    """A shipped file with other words for some of its own, which must be there."""
    text = (ROOT / "deploy" / path).read_text()
    for shipped, own in changes:
        assert shipped in text, f"{path}: `{shipped}` is not there any more"
        text = text.replace(shipped, own)
    return text


@needs("NATS_SERVER", "CHROMIUM", "ENVOY", "NGINX")
class Browser(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.page = Page()
        self.addCleanup(self.page.server_close)
        self.addCleanup(self.page.shutdown)
        self.programs = programs.Programs(self, folder.name)
        nats, _ = self.programs.nats_server()
        self.gateway, _ = self.programs.gateway(chart.gateway(), nats, JETGATE_WEB_ORIGINS=self.page.origin)
        streams = self.folder / "streams.yaml"
        streams.write_text("streams: [{name: ORDERS, subjects: [orders.>]}]\n"
                           "consumers: [{stream: ORDERS, durable_name: worker}]\n")
        self.jetgate("stream", "apply", "--server", f"http://{self.gateway}", "-f", str(streams))
        made = certificates.make(self.folder)
        self.ca = made["ca"]
        for kind, name in [("cert", "edge-tls.crt"), ("key", "edge-tls.key")]:
            shutil.copy(made[kind], self.folder / name)

    def jetgate(self, *arguments):
        done = subprocess.run([chart.gateway(), *arguments], env=programs.clean_environment(), check=True,
                              capture_output=True, timeout=180)
        return done.stdout

    def proxy(self, name, text, port, command):
        """Starts a proxy, and waits until calls come through."""
        (self.folder / name).write_text(text)
        process, log = self.programs.start(name + "-proxy", *command, str(self.folder / name))

        def serves():
            self.assertIsNone(process.poll(), log.read_text())
            try:
                return self.jetgate("stream", "ls", "--ca", self.ca, "--server", f"https://localhost:{port}")
            except subprocess.CalledProcessError:
                return False

        eventually(f"calls through {name}", serves)
        return f"https://localhost:{port}"

    def envoy(self):
        port, descriptors = programs.free_port(), self.folder / "jetgate.binpb"
        descriptors.write_bytes(self.jetgate("descriptors"))
        host, gateway_port = self.gateway.split(":")
        text = adapted(
            "envoy/envoy.yaml",
            ("0.0.0.0, port_value: 8443", f"127.0.0.1, port_value: {port}"),
            ("127.0.0.1, port_value: 9901", "127.0.0.1, port_value: 0"),
            ("/etc/envoy/tls/", f"{self.folder}/edge-"),
            ("/etc/envoy/jetgate.binpb", str(descriptors)),
            ("address: jetgate-headless, port_value: 50051", f"address: {host}, port_value: {gateway_port}"),
        )
        options = ["--use-dynamic-base-id", "--concurrency", "1", "-l", "warn"]
        return self.proxy("envoy.yaml", text, port, [os.environ["ENVOY"], *options, "-c"])

    def nginx(self):
        port = programs.free_port()
        folders = "".join(f"{kind}_temp_path {self.folder}/{kind};\n"
                          for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        text = adapted(
            "nginx/nginx.conf",
            ("listen 8443", f"listen 127.0.0.1:{port}"),
            ("/run/nginx.pid", f"{self.folder}/nginx.pid"),
            ("/etc/nginx/tls/", f"{self.folder}/edge-"),
            ("http {\n", f"http {{\n{folders}"),
            ("jetgate-0:50051", self.gateway),
            ("jetgate-1:50051", self.gateway),
        )
        options = ["-g", "daemon off; master_process off;", "-e", "stderr"]
        return self.proxy("nginx.conf", text, port, [os.environ["NGINX"], *options, "-c"])

    def visit(self, gateways):
        """What the page saw of each gateway."""
        text = PAGE.replace("GATEWAYS", json.dumps(gateways)).replace("REQUEST", json.dumps(FRAME))
        self.page.text = text.replace("HEARTBEATS", str(HEARTBEATS))
        _, log = self.programs.start(
            "chromium", os.environ["CHROMIUM"], "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--no-proxy-server", "--disable-background-networking", "--ignore-certificate-errors",
            f"--user-data-dir={tempfile.mkdtemp(dir=self.folder)}", "--remote-debugging-port=0", self.page.origin)
        try:
            return self.page.results.get(timeout=180)
        except queue.Empty:
            self.fail(f"the page says nothing: {log.read_text()}")
        finally:
            self.programs.stop("chromium")

    def test_heartbeats_reach_a_page_one_by_one(self):
        gateways = {"directly": f"http://{self.gateway}", "through Envoy": self.envoy(), "through nginx": self.nginx()}
        for _ in range(VISITS):
            times = {way: self.times(way, seen) for way, seen in self.visit(gateways).items()}
            self.assertEqual(times.keys(), gateways.keys())
            gateways = {way: gateways[way] for way in gateways if not come_one_by_one(times[way])}
            if not gateways:
                return
        self.fail("\n".join(f"{way}: {times[way]}" for way in gateways))

    def times(self, way, seen):
        """When each frame came: `opened` is the first event; then nothing is there but heartbeats."""
        self.assertIsInstance(seen, list, way)
        self.assertEqual([frame["event"] for frame in seen], [1] + [3] * HEARTBEATS, way)
        return [frame["at"] for frame in seen]


def come_one_by_one(times):
    """Whether none waits for the next one."""
    gaps = [after - before for before, after in zip(times, times[1:])]
    return max(gaps) < 2 * INTERVAL and min(gaps) > INTERVAL / 4
