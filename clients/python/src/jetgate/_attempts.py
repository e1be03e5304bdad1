"""How often a unary call is tried, on which gateway, and until when."""

from __future__ import annotations

import time
from typing import Any, Generic, TypeVar

import grpc

from jetgate import errors
from jetgate._calls import Call
from jetgate._ledger import SAFE, USUAL_WINDOW
from jetgate._transport import Backoff, Transport, never_left
from jetgate.errors import JetgateError

T = TypeVar("T")

# How long a call may take where the caller does not say.
DEFAULT_TIMEOUT = 10.0

# The gateway answers a little before the deadline; this is for the way back.
_GRACE = 0.5


def perform(transport: Transport, call: Call[T], timeout: float | None) -> T:
    """Makes a call, and again while that may help. Waits for the answer."""
    attempts = Attempts(transport, call, timeout)
    while True:
        try:
            return attempts.read(attempts.begin().result())
        except grpc.RpcError as problem:
            time.sleep(attempts.failed(problem))


class Attempts(Generic[T]):
    """The attempts of one call. `begin` makes one; `failed` says how long to wait before the next, or raises."""

    def __init__(self, transport: Transport, call: Call[T], timeout: float | None) -> None:
        self._transport = transport
        self._call = call
        self._deadline = time.monotonic() + (timeout if timeout is not None else DEFAULT_TIMEOUT)
        self._backoff = Backoff()
        self._number = -1
        self._begun = time.monotonic()
        # Since when an attempt may have done what was asked for: no answer came. Later failures do not take that back.
        self._open_since: float | None = None

    def begin(self) -> Any:
        """Starts an attempt; the answer is a future of gRPC's."""
        self._number, method = self._transport.unary(f"/jetgate.v1.{self._call.method}", self._call.response)
        self._begun = time.monotonic()
        left = max(0.05, self._deadline - self._begun)
        return method.future(self._call.request, timeout=left + _GRACE, metadata=self._transport.metadata())

    def read(self, response: Any) -> T:
        """What an answer says. Of a batch, an earlier attempt may have stored what this one refuses."""
        result = self._call.read(response)
        if self._call.publishes and self._open_since is not None and isinstance(result, list):
            request: Any = self._call.request
            for place, message in enumerate(request.messages):
                if isinstance(result[place], JetgateError):
                    result[place] = errors.in_doubt(result[place], message.message_id)
        return result

    def failed(self, problem: grpc.RpcError) -> float:
        error = errors.from_rpc(problem)
        pause = max(self._backoff.pause(), error.retry_delay or 0.0)
        if error.code == "UNAVAILABLE":
            self._transport.failed(self._number)
        at = time.monotonic() + pause
        if self._open_since is None and _is_open(error):
            self._open_since = self._begun
        if not self._may_repeat(error, at) or at >= self._deadline:
            raise self._verdict(error) from None
        return pause

    def _may_repeat(self, error: JetgateError, at: float) -> bool:
        if error.code != "UNAVAILABLE":
            return False
        if self._call.publishes and self._open_since is not None and at - self._open_since >= USUAL_WINDOW * SAFE:
            return False  # the stream may have forgotten the id
        return self._call.repeatable or not _is_open(error)

    def _verdict(self, error: JetgateError) -> JetgateError:
        """What all attempts together come to."""
        if not self._call.publishes or self._open_since is None:
            return error
        return errors.in_doubt(error, getattr(self._call.request, "message_id", ""))


def _is_open(error: JetgateError) -> bool:
    """Whether the gateway may have done what was asked for, for all that this error says."""
    if error.reason:
        # The gateway itself speaks: nothing was done, unless it says that nobody knows.
        return error.outcome_unknown
    return error.code in errors.TRANSPORT_CODES and not never_left(error)
