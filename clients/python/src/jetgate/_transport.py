"""Connections to the gateways: one channel for each address, and which of them is used now."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import grpc

from jetgate.credentials import Credentials
from jetgate.errors import ClosedError, JetgateError

DEFAULT_URL = "http://127.0.0.1:50051"

# Frames of the gateway stay below 3 MiB, but a single message may be larger.
MAX_RECEIVE_BYTES = 80 * 1024 * 1024

Metadata = tuple[tuple[str, str], ...]


class Backoff:
    """How long to wait before the next attempt: longer each time, and never quite the same."""

    def __init__(self, first: float = 0.1, longest: float = 5.0) -> None:
        self._first = self._next = first
        self._longest = longest

    def pause(self) -> float:
        pause = self._next * random.uniform(0.5, 1.0)
        self._next = min(self._next * 2, self._longest)
        return pause

    def reset(self) -> None:
        self._next = self._first


class Transport:
    """The gateways that a client may talk to. Calls and streams go to one until it fails, then to the next."""

    def __init__(self, targets: Sequence[str], credentials: Credentials, metadata: Metadata) -> None:
        self._targets = targets
        self._credentials = credentials
        self._metadata = metadata
        self._lock = threading.Lock()
        self._channels: dict[int, grpc.Channel] = {}
        self._current = 0
        self._closed = False

    @property
    def addresses(self) -> int:
        """How many gateways there are to choose from."""
        return len(self._targets)

    def channel(self) -> tuple[int, grpc.Channel]:
        """The channel in use, and its number for `failed`."""
        with self._lock:
            if self._closed:
                raise ClosedError("the client is closed", code="CANCELLED")
            number = self._current
            if number not in self._channels:
                self._channels[number] = self._open(self._targets[number])
            return number, self._channels[number]

    def failed(self, number: int) -> None:
        """Takes the next gateway, unless somebody has done so already."""
        with self._lock:
            if number == self._current:
                self._current = (number + 1) % len(self._targets)

    def metadata(self) -> Metadata:
        return (*self._metadata, *self._credentials.metadata())

    def close(self) -> None:
        with self._lock:
            self._closed = True
            channels = list(self._channels.values())
            self._channels.clear()
        for channel in channels:
            channel.close()

    def unary(self, method: str, response: Any) -> tuple[int, Any]:
        """A unary method of the channel in use."""
        number, channel = self.channel()
        return number, channel.unary_unary(
            method, request_serializer=_serialize, response_deserializer=response.FromString
        )

    def duplex(self, method: str, response: Any, requests: Iterator[bytes]) -> tuple[int, Any]:
        """Begins a call with frames in both directions; those of the caller are encoded already."""
        number, channel = self.channel()
        stream = channel.stream_stream(method, response_deserializer=response.FromString)
        return number, stream(requests, metadata=self.metadata())

    def _open(self, target: str) -> grpc.Channel:
        secure = target.startswith("https://") or (self._credentials.wants_tls and not target.startswith("http://"))
        address = target.split("://", 1)[-1].rstrip("/")
        options = list(_OPTIONS)
        if not secure:
            return grpc.insecure_channel(address, options)
        if self._credentials.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self._credentials.server_name))
        return grpc.secure_channel(address, self._credentials.channel(), options)


def targets_of(target: str | Iterable[str]) -> list[str]:
    """The addresses that a target names: URLs or host:port, several as a list or separated by commas."""
    parts = target.split(",") if isinstance(target, str) else list(target)
    targets = [part.strip() for part in parts if part.strip()]
    if not targets:
        raise ValueError("no address of a gateway is given")
    for one in targets:
        scheme, found, rest = one.rpartition("://")
        if found and scheme not in ("http", "https"):
            raise ValueError(f"{one}: an address is host:port, http://host:port or https://host:port")
        if ":" not in rest.rstrip("/"):
            raise ValueError(f"{one}: the port is missing")
    return targets


def is_passing(error: JetgateError) -> bool:
    """Whether a stream that ended so is worth opening again."""
    return error.retry.value in ("later", "same_id") and not isinstance(error, ClosedError)


# What gRPC says where it had no connection for a call. It has no code of its own for that.
_NO_CONNECTION = (
    "failed to connect to all addresses",
    "errors resolving",
    "DNS resolution failed",
    "empty address list",
)


def never_left(error: JetgateError) -> bool:
    """Whether a call failed before anything of it was sent."""
    return error.code == "UNAVAILABLE" and not error.reason and error.message.startswith(_NO_CONNECTION)


def _serialize(message: Any) -> bytes:
    encoded: bytes = message.SerializeToString()
    return encoded


def _service_config() -> str:
    """Retries inside gRPC, for methods that may be repeated whatever became of the first attempt."""
    repeatable = {
        "StreamService": ["CreateStream", "ApplyStream", "GetStream", "ListStreams", "GetMessage", "ListSubjects"],
        "ConsumerService": ["CreateConsumer", "ApplyConsumer", "GetConsumer", "ListConsumers"],
        "SubscriberService": ["Acknowledge"],
        "GatewayService": ["GetInfo", "ListErrorReasons", "ListSessions"],
    }
    names = [
        {"service": f"jetgate.v1.{s}", "method": method} for s, methods in repeatable.items() for method in methods
    ]
    policy = {
        "maxAttempts": 3,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": policy}]})


_OPTIONS = (
    ("grpc.service_config", _service_config()),
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.max_send_message_length", -1),
    # A gateway that starts again on its address is found soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A peer that hangs, or a connection that was dropped without a word, is noticed.
    ("grpc.keepalive_time_ms", 20000),
    ("grpc.keepalive_timeout_ms", 10000),
    # Channels of two clients, and of two gateways, share nothing.
    ("grpc.use_local_subchannel_pool", 1),
)
