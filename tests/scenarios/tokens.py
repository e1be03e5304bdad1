"""An issuer of tokens (JWT): keys made with the openssl command, a server that tells their public halves."""

from __future__ import annotations

import base64
import http.server
import json
import pathlib
import subprocess
import threading
import time
from typing import Any

from certificates import openssl

AUDIENCE = "scenarios"

# The digits of a number of a P-256 signature or key.
P256 = 32


class Issuer:
    """Signs tokens; its server, on a port of its own, ends with `close`."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        for algorithm, how in (("RS256", ["rsa_keygen_bits:2048"]), ("ES256", ["ec_paramgen_curve:P-256"])):
            kind = "RSA" if algorithm == "RS256" else "EC"
            for name in (algorithm, f"{algorithm}-unknown"):
                openssl("genpkey", "-algorithm", kind, "-pkeyopt", *how, "-out", str(self._key(name)))
        page = json.dumps({"keys": [self._rsa(), self._ec()]}).encode()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(page))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def configuration(self) -> str:
        """The entry for the gateway's file of issuers."""
        return f'[[issuer]]\nissuer = "{self.url}"\njwks_url = "{self.url}/keys"\naudiences = ["{AUDIENCE}"]\n'

    def token(self, algorithm: str, expires_in: float, unknown_key: bool) -> str:
        """A token that names its key, and is signed with that or with one that nobody was told of."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "scenarios", "iat": now - 3600, "exp": int(now + expires_in)}
        signed = f"{encode({'alg': algorithm, 'typ': 'JWT', 'kid': algorithm})}.{encode(claims)}"
        key = self._key(f"{algorithm}-unknown" if unknown_key else algorithm)
        command = ["openssl", "dgst", "-sha256", "-sign", str(key)]
        signature = subprocess.run(command, input=signed.encode(), check=True, capture_output=True).stdout
        return f"{signed}.{base64url(signature if algorithm == 'RS256' else joined(signature))}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _key(self, name: str) -> pathlib.Path:
        return self._folder / f"token-{name}.key"

    def _rsa(self) -> dict[str, str]:
        command = ["openssl", "rsa", "-in", str(self._key("RS256")), "-noout", "-modulus"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        modulus = bytes.fromhex(said.strip().partition("=")[2])
        # openssl's exponent is 65537.
        return {"kty": "RSA", "kid": "RS256", "alg": "RS256", "use": "sig", "n": base64url(modulus), "e": "AQAB"}

    def _ec(self) -> dict[str, str]:
        command = ["openssl", "ec", "-in", str(self._key("ES256")), "-pubout", "-outform", "DER"]
        point = subprocess.run(command, check=True, capture_output=True).stdout[-2 * P256 :]
        x, y = base64url(point[:P256]), base64url(point[P256:])
        return {"kty": "EC", "crv": "P-256", "kid": "ES256", "alg": "ES256", "use": "sig", "x": x, "y": y}


def handler(page: bytes) -> type[http.server.BaseHTTPRequestHandler]:
    """Answers every question with the keys."""

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: Any) -> None:
            pass

    return Keys


def joined(signature: bytes) -> bytes:
    """Both numbers of an ECDSA signature as tokens have them, out of openssl's DER."""
    numbers, rest = [], signature[2:]
    for _ in range(2):
        size = rest[1]
        numbers.append(int.from_bytes(rest[2 : 2 + size], "big").to_bytes(P256, "big"))
        rest = rest[2 + size :]
    return b"".join(numbers)


def encode(part: dict[str, Any]) -> str:
    return base64url(json.dumps(part).encode())


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
