"""Between the typed configurations and the contract's messages, field by field and by name."""

from __future__ import annotations

import dataclasses
import datetime
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message

T = TypeVar("T")


def to_proto(value: Any, target: Message) -> Any:
    """Writes what is set in a dataclass into a message; None is not set."""
    for field in dataclasses.fields(value):
        given = getattr(value, field.name)
        descriptor = target.DESCRIPTOR.fields_by_name[field.name]
        if given is not None:
            _write(target, descriptor, given)
    return target


def from_proto(source: Message, kind: type[T]) -> T:
    """A dataclass with what a message has; what is not set there gets the field's default."""
    values: dict[str, Any] = {}
    hints: dict[str, Any] = _hints(kind)  # type: ignore[arg-type]
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        descriptor = source.DESCRIPTOR.fields_by_name[field.name]
        if descriptor.has_presence and not source.HasField(field.name):
            continue
        values[field.name] = _read(getattr(source, field.name), descriptor, hints[field.name])
    return kind(**values)


def _write(target: Message, descriptor: Any, given: Any) -> None:
    name = descriptor.name
    if isinstance(given, Mapping):
        getattr(target, name).update(given)
    elif descriptor.is_repeated:
        field = getattr(target, name)
        for one in given:
            if descriptor.message_type is None:
                field.append(_scalar(descriptor, one))
            else:
                _fill(field.add(), one)
    elif descriptor.message_type is not None:
        part = getattr(target, name)
        part.SetInParent()
        _fill(part, given)
    else:
        setattr(target, name, _scalar(descriptor, given))


def _fill(target: Any, given: Any) -> None:
    if isinstance(given, datetime.timedelta):
        target.FromTimedelta(given)
    elif isinstance(given, datetime.datetime):
        target.FromDatetime(given)
    else:
        to_proto(given, target)


def _scalar(descriptor: Any, given: Any) -> Any:
    if descriptor.enum_type is None:
        return given
    value = descriptor.enum_type.values_by_name.get(_prefix(descriptor.enum_type) + str(given).upper())
    if value is None:
        raise ValueError(f"{descriptor.name}: there is no {given!r}")
    return value.number


def _read(value: Any, descriptor: Any, hint: Any) -> Any:
    if descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry:
        return dict(value)
    if descriptor.is_repeated:
        return [_read_one(one, descriptor, _inner(hint)) for one in value]
    return _read_one(value, descriptor, _inner(hint))


def _read_one(value: Any, descriptor: Any, hint: Any) -> Any:
    if descriptor.enum_type is not None:
        name: str = descriptor.enum_type.values_by_number[value].name
        word = name.removeprefix(_prefix(descriptor.enum_type)).lower()
        return None if word == "unspecified" else word
    if isinstance(value, duration_pb2.Duration):
        return value.ToTimedelta()
    if isinstance(value, timestamp_pb2.Timestamp):
        return value.ToDatetime(tzinfo=datetime.timezone.utc)
    return from_proto(value, hint) if isinstance(value, Message) else value


def _inner(hint: Any) -> Any:
    """The type inside of `X | None` and of a sequence of X."""
    arguments = [one for one in typing.get_args(hint) if one is not types.NoneType]
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return _inner(arguments[0])
    return arguments[0] if arguments and typing.get_origin(hint) is not typing.Literal else hint


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


@cache
def _prefix(descriptor: EnumDescriptor) -> str:
    """What the names of an enum's values begin with: "STORAGE_TYPE_"."""
    zero: str = descriptor.values_by_number[0].name
    return zero.removesuffix("UNSPECIFIED")
