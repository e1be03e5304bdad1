"""NATS' wire protocol, as much as the scenarios need: publish with headers, request, read a stored message."""

from __future__ import annotations

import base64
import json
import os
import socket
from typing import Any, BinaryIO

Headers = list[tuple[str, bytes]]


class Wire:
    """One connection to a nats-server, for one request at a time."""

    def __init__(self, port: int, timeout: float = 5.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._input: BinaryIO = self._socket.makefile("rb")
        self._inbox = f"_INBOX.{os.urandom(8).hex()}"
        self._requests = 0
        self._line()  # INFO
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "scenarios"}
        self._socket.sendall(f"CONNECT {json.dumps(options)}\r\nSUB {self._inbox}.* 1\r\n".encode())

    def close(self) -> None:
        self._input.close()
        self._socket.close()

    def request(self, subject: str, payload: bytes = b"", headers: Headers | None = None) -> dict[str, Any]:
        """Sends one message with a reply subject and returns the answer's JSON."""
        self._requests += 1
        reply = f"{self._inbox}.{self._requests}"
        if headers is None:
            frame = f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload
        else:
            block = b"NATS/1.0\r\n" + b"".join(n.encode() + b": " + v + b"\r\n" for n, v in headers) + b"\r\n"
            sizes = f"{len(block)} {len(block) + len(payload)}"
            frame = f"HPUB {subject} {reply} {sizes}\r\n".encode() + block + payload
        self._socket.sendall(frame + b"\r\n")
        while True:
            arrived, status, answer = self._message()
            if arrived != reply:
                continue
            if status.startswith(b"NATS/1.0 503"):
                raise OSError(f"nobody answers on {subject}")
            parsed: dict[str, Any] = json.loads(answer)
            if "error" in parsed:
                raise OSError(f"JetStream refused: {parsed['error']}")
            return parsed

    def stored(self, stream: str, sequence: int) -> dict[str, Any]:
        """A stored message as its stream keeps it: subject, headers and payload."""
        answer = self.request(f"$JS.API.STREAM.MSG.GET.{stream}", json.dumps({"seq": sequence}).encode())
        message = answer["message"]
        block = base64.b64decode(message.get("hdrs", ""))
        return {
            "subject": message["subject"],
            "sequence": message["seq"],
            "headers": [[name, text(value)] for name, value in parse_headers(block)],
            "payload": text(base64.b64decode(message.get("data", ""))),
        }

    def _message(self) -> tuple[str, bytes, bytes]:
        """The next message: its subject, its header block and its payload."""
        while True:
            line = self._line()
            words = line.split()
            if not words:
                continue
            if words[0] == b"PING":
                self._socket.sendall(b"PONG\r\n")
            elif words[0] == b"MSG":
                payload = self._exactly(int(words[-1]))
                return words[1].decode(), b"", payload
            elif words[0] == b"HMSG":
                header_size, size = int(words[-2]), int(words[-1])
                data = self._exactly(size)
                return words[1].decode(), data[:header_size], data[header_size:]
            elif words[0] == b"-ERR":
                raise OSError(line.decode())

    def _line(self) -> bytes:
        line = self._input.readline()
        if not line.endswith(b"\n"):
            raise OSError("the nats-server closed the connection")
        return line.rstrip(b"\r\n")

    def _exactly(self, size: int) -> bytes:
        data = self._input.read(size + 2)
        if len(data) != size + 2:
            raise OSError("the nats-server closed the connection")
        return data[:size]


def parse_headers(block: bytes) -> Headers:
    """The headers of a block, in their order."""
    lines = [line.split(b":", 1) for line in block.split(b"\r\n")[1:] if b":" in line]
    return [(name.decode(), value.lstrip(b" ")) for name, value in lines]


def text(value: bytes) -> Any:
    """Bytes as scenarios write them: text, or base64 where they are none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def raw(value: Any) -> bytes:
    """The other way round; also so many bytes, whatever they are."""
    if isinstance(value, dict):
        return b"x" * value["bytes"] if "bytes" in value else base64.b64decode(value["base64"])
    return str(value).encode()
