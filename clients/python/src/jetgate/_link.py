"""A call with frames in both directions that is opened again when it breaks, on one gateway or another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol

import grpc

from jetgate import errors
from jetgate._transport import Backoff, Transport, is_passing
from jetgate.errors import JetgateError

log = logging.getLogger("jetgate")

# The gateway says something at least this often, in seconds; after more than twice that it counts as gone.
HEARTBEAT = 5.0
SILENCE = 2.5 * HEARTBEAT

# How long the answer to the first frame may take.
OPEN_WITHIN = 15.0


class Link:
    """One such call, from its beginning to its end."""

    def __init__(self) -> None:
        self.call: Any = None
        self.over = False
        self.heard = time.monotonic()

    def silent(self) -> bool:
        return time.monotonic() - self.heard > SILENCE

    def cut(self) -> None:
        """Ends the call at once."""
        self.over = True
        if self.call is not None:
            self.call.cancel()


class Peer(Protocol):
    """What the two ends of a call have to do with it. Everything but `requests` runs in one thread."""

    def requests(self, link: Link) -> Iterator[bytes]:
        """The frames to send, encoded; ending is the half-close. It must end soon once `link.over` is set."""

    def received(self, link: Link, response: Any) -> None:
        """Takes a frame of the gateway."""

    def broken(self, link: Link, error: JetgateError) -> float | None:
        """The call is over with an error that may pass. Returns how long to wait at most, or None to give up."""

    def ended(self, error: JetgateError | None) -> None:
        """There will be no other call: all was said, or an error that does not pass."""


class Line:
    """Keeps a peer connected by one call after the other, in a thread of its own."""

    def __init__(self, transport: Transport, method: str, response: Any, peer: Peer, name: str) -> None:
        self._transport = transport
        self._method = method
        self._response = response
        self._peer = peer
        self._stopped = threading.Event()
        self._link: Link | None = None
        self._thread = threading.Thread(target=self._run, name=f"jetgate-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the call at once, and makes no other."""
        self._stopped.set()
        if self._link is not None:
            self._link.cut()

    def join(self, timeout: float | None = None) -> bool:
        if self._thread is not threading.current_thread() and self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        backoff = Backoff()
        while True:
            link = Link()
            self._link = link
            error = self._converse(link, backoff)
            link.over = True
            if error is None or self._stopped.is_set() or not is_passing(error):
                return self._peer.ended(None if self._stopped.is_set() else error)
            longest = self._peer.broken(link, error)
            if longest is None:
                return self._peer.ended(error)
            log.info("connection to the gateway lost, opening another: %s", error)
            if error.reason != "DRAINING":
                self._stopped.wait(min(backoff.pause(), longest))
            if self._stopped.is_set():
                return self._peer.ended(None)

    def _converse(self, link: Link, backoff: Backoff) -> JetgateError | None:
        """One call. None when it ended in order."""
        number = -1
        try:
            number, link.call = self._transport.duplex(self._method, self._response, self._peer.requests(link))
            if self._stopped.is_set():
                link.cut()
            for response in link.call:
                link.heard = time.monotonic()
                backoff.reset()
                self._peer.received(link, response)
            return None
        except grpc.RpcError as problem:
            error = errors.from_rpc(problem)
            if is_passing(error):
                self._transport.failed(number)
            return error
        except JetgateError as error:
            return error
        except Exception as problem:
            # A channel that was closed meanwhile says ValueError; whatever it is, nobody may wait for ever.
            log.debug("the call broke", exc_info=True)
            return JetgateError(f"the call broke: {problem!r}", code="CLIENT")
