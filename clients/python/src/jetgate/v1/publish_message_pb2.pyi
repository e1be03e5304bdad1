import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from jetgate.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Rollup(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLLUP_UNSPECIFIED: _ClassVar[Rollup]
    ROLLUP_SUBJECT: _ClassVar[Rollup]
    ROLLUP_ALL: _ClassVar[Rollup]
ROLLUP_UNSPECIFIED: Rollup
ROLLUP_SUBJECT: Rollup
ROLLUP_ALL: Rollup

class PublishRequest(_message.Message):
    __slots__ = ("subject", "data", "text", "json", "headers", "message_id", "expect", "ttl", "never_expires", "rollup", "counter_increment", "validate_only", "schedule")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECT_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    NEVER_EXPIRES_FIELD_NUMBER: _ClassVar[int]
    ROLLUP_FIELD_NUMBER: _ClassVar[int]
    COUNTER_INCREMENT_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    subject: str
    data: bytes
    text: str
    json: _struct_pb2.Value
    headers: _containers.RepeatedCompositeFieldContainer[_types_pb2.Header]
    message_id: str
    expect: Expectation
    ttl: _duration_pb2.Duration
    never_expires: bool
    rollup: Rollup
    counter_increment: str
    validate_only: bool
    schedule: Schedule
    def __init__(self, subject: _Optional[str] = ..., data: _Optional[bytes] = ..., text: _Optional[str] = ..., json: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., headers: _Optional[_Iterable[_Union[_types_pb2.Header, _Mapping]]] = ..., message_id: _Optional[str] = ..., expect: _Optional[_Union[Expectation, _Mapping]] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., never_expires: _Optional[bool] = ..., rollup: _Optional[_Union[Rollup, str]] = ..., counter_increment: _Optional[str] = ..., validate_only: _Optional[bool] = ..., schedule: _Optional[_Union[Schedule, _Mapping]] = ...) -> None: ...

class Schedule(_message.Message):
    __slots__ = ("at", "every", "cron", "time_zone", "target", "ttl", "source")
    AT_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    CRON_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    every: _duration_pb2.Duration
    cron: str
    time_zone: str
    target: str
    ttl: _duration_pb2.Duration
    source: str
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., every: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cron: _Optional[str] = ..., time_zone: _Optional[str] = ..., target: _Optional[str] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., source: _Optional[str] = ...) -> None: ...

class Expectation(_message.Message):
    __slots__ = ("stream", "last_sequence", "last_subject_sequence", "last_message_id", "last_subject_sequence_subject")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SUBJECT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_SUBJECT_SEQUENCE_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    stream: str
    last_sequence: int
    last_subject_sequence: int
    last_message_id: str
    last_subject_sequence_subject: str
    def __init__(self, stream: _Optional[str] = ..., last_sequence: _Optional[int] = ..., last_subject_sequence: _Optional[int] = ..., last_message_id: _Optional[str] = ..., last_subject_sequence_subject: _Optional[str] = ...) -> None: ...
