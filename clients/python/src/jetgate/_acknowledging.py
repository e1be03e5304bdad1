"""Settles what no session has answered, by calls of Acknowledge: any gateway takes them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from jetgate import _calls, errors
from jetgate._attempts import perform
from jetgate._settlements import ITEMS, Word, by_token, conclude
from jetgate._transport import Transport
from jetgate.errors import JetgateError

log = logging.getLogger("jetgate")


def acknowledge(transport: Transport, words: Sequence[Word], timeout: float) -> int:
    """Says all of them within this time. Returns how many have failed: those messages come again."""
    deadline = time.monotonic() + timeout
    failed = 0
    for start in range(0, len(words), ITEMS):
        part = words[start : start + ITEMS]
        for word, error in zip(part, _outcomes(transport, part, deadline - time.monotonic()), strict=False):
            conclude(word, error, None)
            failed += error is not None
    if failed:
        log.warning("%d settlements were not taken, the messages may come again", failed)
    return failed


def _outcomes(transport: Transport, words: Sequence[Word], timeout: float) -> Sequence[JetgateError | None]:
    try:
        results = perform(transport, _calls.acknowledge([by_token(word) for word in words]), max(0.0, timeout))
    except JetgateError as error:
        return [error] * len(words)
    return [errors.from_item(status) if status.code else None for status in results]
