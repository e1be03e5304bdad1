"""Compares what came with what a scenario expects."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import jetgate


def value_of(written: Any) -> str | bytes:
    """Text, or the bytes that are written as base64."""
    return base64.b64decode(written["base64"]) if isinstance(written, dict) else str(written)


def as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def sorted_headers(pairs: Iterable[Any]) -> list[tuple[str, bytes]]:
    """By name; several values of a name keep their order."""
    return by_name((name, value_of(value)) for name, value in pairs)


def by_name(pairs: Iterable[tuple[str, str | bytes]]) -> list[tuple[str, bytes]]:
    return sorted(((name, as_bytes(value)) for name, value in pairs), key=lambda pair: pair[0])


def check_message(message: Any, expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if name == "payload":
            assert message.payload == as_bytes(value_of(value)), f"the payload is {message.payload!r}"
        elif name == "headers":
            assert by_name(message.headers) == sorted_headers(value), f"the headers are {message.headers}"
        else:
            assert getattr(message, name) == value, f"{name} is {getattr(message, name)!r}"


def check_outcome(outcome: Any, expected: dict[str, Any]) -> None:
    if "error" in expected:
        check_error(outcome, expected["error"])
    elif isinstance(outcome, BaseException):
        raise outcome
    else:
        check_result(outcome, expected)


def check_result(result: jetgate.PublishResult, expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        assert getattr(result, name) == value, f"{name} is {getattr(result, name)!r}"


def check_error(error: Any, expected: dict[str, Any]) -> None:
    assert isinstance(error, jetgate.JetgateError), f"{error!r} instead of an error"
    facts = {
        "reason": error.reason,
        "code": error.code,
        "retry": error.retry.value,
        "retry_delay": error.retry_delay,
        "violations": list(error.violations),
    }
    for name, value in expected.items():
        if name == "metadata":
            assert value.items() <= error.metadata.items(), f"metadata is {error.metadata}"
        elif name == "says":
            assert value in str(error).lower(), f"{error!r} does not speak of the {value}"
        else:
            assert facts[name] == value, f"{error!r} has the {name} {facts[name]}"
