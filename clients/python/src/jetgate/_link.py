"""A call with frames in both directions that is opened again when it breaks, on one gateway or another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
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


# How long a call that another one follows may take to end, in seconds.
_LEAVE_WITHIN = 5.0


class Link:
    """One such call, from its beginning to its end."""

    def __init__(self) -> None:
        self.call: Any = None
        self.number = -1
        """The gateway's, in the transport."""
        self.over = False
        self.ended = threading.Event()
        self.heard = time.monotonic()
        self.announced: float | None = None
        """When the gateway said that it will end the call. Then its status says nothing of the next one."""

    def silent(self) -> bool:
        return time.monotonic() - self.heard > SILENCE

    def cut(self) -> None:
        """Ends the call at once."""
        self.over = True
        if self.call is not None:
            self.call.cancel()


class Peer(Protocol):
    """What the two ends of a call have to do with it.

    Everything but `requests` runs in one thread; only the first frame of a call that follows another comes beside it.
    """

    def requests(self, link: Link) -> Iterator[bytes]:
        """The frames to send, encoded; ending is the half-close. It must end soon once `link.over` is set."""

    def received(self, link: Link, response: Any) -> None:
        """Takes a frame of the gateway."""

    def broken(self, link: Link, error: JetgateError) -> float | None:
        """The call is over with an error that may pass. Returns how long to wait at most, or None to give up."""

    def ended(self, error: JetgateError | None) -> None:
        """There will be no other call: all was said, or an error that does not pass."""


class Succession:
    """The call that is opened beside one that its gateway is about to end."""

    def __init__(self) -> None:
        self.link = Link()
        self.worked = False
        self.decided = threading.Event()


class Line:
    """Keeps a peer connected by one call after the other, in a thread of its own."""

    def __init__(self, transport: Transport, method: str, response: Any, peer: Peer, name: str) -> None:
        self._transport = transport
        self._method = method
        self._response = response
        self._peer = peer
        self._stopped = threading.Event()
        self._link: Link | None = None
        # Guards the two below and the end of a call.
        self._lock = threading.Lock()
        self._succession: Succession | None = None
        self._patience = Backoff()
        self.next_attempt = 0.0
        """When `succeed` is worth another attempt."""
        self._thread = threading.Thread(target=self._run, name=f"jetgate-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the call at once, and makes no other."""
        self._stopped.set()
        for link in (self._link, self._succession.link if self._succession is not None else None):
            if link is not None:
                link.cut()

    def join(self, timeout: float | None = None) -> bool:
        if self._thread is not threading.current_thread() and self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def succeeds(self) -> bool:
        """Whether another call is being opened beside the present one."""
        return self._succession is not None

    def succeed(self, decided: Callable[[], None]) -> None:
        """Opens another call beside the present one, which the peer ends once that is open."""
        with self._lock:
            if self._succession is not None or self._link is None or self._link.over or self._stopped.is_set():
                return
            self._succession = Succession()
            work = (self._succession, self._link, decided)
        threading.Thread(target=self._open_next, args=work, name=f"{self._thread.name}-next", daemon=True).start()

    def _run(self) -> None:
        backoff = Backoff()
        link = Link()
        while True:
            self._link = link
            error = self._converse(link, backoff)
            following = self._end(link)
            if following is not None:
                link = following
                continue
            goes_on = error is not None and (is_passing(error) or link.announced is not None)
            if error is None or not goes_on or self._stopped.is_set():
                return self._peer.ended(None if self._stopped.is_set() else error)
            longest = self._peer.broken(link, error)
            if longest is None:
                return self._peer.ended(error)
            log.info("connection to the gateway lost, opening another: %s", error)
            if error.reason != "DRAINING":
                self._stopped.wait(min(backoff.pause(), longest))
            if self._stopped.is_set():
                return self._peer.ended(None)
            link = Link()

    def _end(self, link: Link) -> Link | None:
        """Returns what follows a call that has ended, where that is open."""
        with self._lock:
            link.over = True
            link.ended.set()
            succession = self._succession
        if succession is None:
            return None
        succession.decided.wait()
        self._succession = None
        return succession.link if succession.worked else None

    def _open_next(self, succession: Succession, present: Link, decided: Callable[[], None]) -> None:
        link = succession.link
        try:
            self._begin(link)
            response = next(link.call)
        except (grpc.RpcError, JetgateError, StopIteration, ValueError) as problem:
            if isinstance(problem, grpc.RpcError):
                self._transport.failed(link.number)
            link.cut()
            log.info("the next session is not open yet: %r", problem)
            with self._lock:
                self.next_attempt = time.monotonic() + self._patience.pause()
                if not present.over:
                    self._succession = None
            succession.decided.set()
            decided()
            return
        self._patience.reset()
        link.heard = time.monotonic()
        self._peer.received(link, response)
        succession.worked = True
        succession.decided.set()
        if not present.ended.wait(_LEAVE_WITHIN):
            present.cut()

    def _begin(self, link: Link) -> None:
        link.number, link.call = self._transport.duplex(self._method, self._response, self._peer.requests(link))
        if self._stopped.is_set():
            link.cut()

    def _converse(self, link: Link, backoff: Backoff) -> JetgateError | None:
        """One call. None when it ended in order."""
        try:
            if link.call is None:
                self._begin(link)
            for response in link.call:
                link.heard = time.monotonic()
                backoff.reset()
                self._peer.received(link, response)
            return None
        except grpc.RpcError as problem:
            error = errors.from_rpc(problem)
            if is_passing(error):
                self._transport.failed(link.number)
            return error
        except JetgateError as error:
            return error
        except Exception as problem:
            # A channel that was closed meanwhile says ValueError; whatever it is, nobody may wait for ever.
            log.debug("the call broke", exc_info=True)
            return JetgateError(f"the call broke: {problem!r}", code="CLIENT")
