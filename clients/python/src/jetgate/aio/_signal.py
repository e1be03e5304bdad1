"""Lets the thread of an engine wake tasks of an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


class Signal:
    """Wakes every task that waits, from any thread. A task looks first at what it waits for, and then waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def send(self) -> None:
        # Nobody waits in a loop that is closed.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    async def until(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """Waits until `ready`, which is not asked again once it was. False when the time is over before."""

        async def wait() -> None:
            while not ready():
                self._event.clear()
                # What was sent before the event was cleared is seen now.
                if ready():
                    return
                await self._event.wait()

        try:
            await asyncio.wait_for(wait(), timeout)
        except asyncio.TimeoutError:
            return ready()
        return True
