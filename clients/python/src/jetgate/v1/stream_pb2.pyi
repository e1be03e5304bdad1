import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from jetgate.v1 import apply_pb2 as _apply_pb2
from jetgate.v1 import stream_config_pb2 as _stream_config_pb2
from jetgate.v1 import stream_message_pb2 as _stream_message_pb2
from jetgate.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateStreamRequest(_message.Message):
    __slots__ = ("config",)
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: _stream_config_pb2.StreamConfig
    def __init__(self, config: _Optional[_Union[_stream_config_pb2.StreamConfig, _Mapping]] = ...) -> None: ...

class CreateStreamResponse(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: Stream
    def __init__(self, stream: _Optional[_Union[Stream, _Mapping]] = ...) -> None: ...

class ApplyStreamRequest(_message.Message):
    __slots__ = ("config", "validate_only", "etag")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    config: _stream_config_pb2.StreamConfig
    validate_only: bool
    etag: str
    def __init__(self, config: _Optional[_Union[_stream_config_pb2.StreamConfig, _Mapping]] = ..., validate_only: _Optional[bool] = ..., etag: _Optional[str] = ...) -> None: ...

class ApplyStreamResponse(_message.Message):
    __slots__ = ("stream", "outcome", "changes")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    stream: Stream
    outcome: _apply_pb2.ApplyOutcome
    changes: _containers.RepeatedCompositeFieldContainer[_apply_pb2.FieldChange]
    def __init__(self, stream: _Optional[_Union[Stream, _Mapping]] = ..., outcome: _Optional[_Union[_apply_pb2.ApplyOutcome, str]] = ..., changes: _Optional[_Iterable[_Union[_apply_pb2.FieldChange, _Mapping]]] = ...) -> None: ...

class GetStreamRequest(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: str
    def __init__(self, stream: _Optional[str] = ...) -> None: ...

class GetStreamResponse(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: Stream
    def __init__(self, stream: _Optional[_Union[Stream, _Mapping]] = ...) -> None: ...

class ListStreamsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "subject", "name")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    subject: str
    name: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., subject: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ListStreamsResponse(_message.Message):
    __slots__ = ("streams", "next_page_token", "missing")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    streams: _containers.RepeatedCompositeFieldContainer[Stream]
    next_page_token: str
    missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, streams: _Optional[_Iterable[_Union[Stream, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., missing: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateStreamRequest(_message.Message):
    __slots__ = ("config", "update_mask", "etag")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    config: _stream_config_pb2.StreamConfig
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    def __init__(self, config: _Optional[_Union[_stream_config_pb2.StreamConfig, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class UpdateStreamResponse(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: Stream
    def __init__(self, stream: _Optional[_Union[Stream, _Mapping]] = ...) -> None: ...

class DeleteStreamRequest(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: str
    def __init__(self, stream: _Optional[str] = ...) -> None: ...

class DeleteStreamResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Stream(_message.Message):
    __slots__ = ("config", "create_time", "state", "cluster", "etag", "domain", "mirror", "sources")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    MIRROR_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    config: _stream_config_pb2.StreamConfig
    create_time: _timestamp_pb2.Timestamp
    state: StreamState
    cluster: _types_pb2.ClusterInfo
    etag: str
    domain: str
    mirror: StreamSourceState
    sources: _containers.RepeatedCompositeFieldContainer[StreamSourceState]
    def __init__(self, config: _Optional[_Union[_stream_config_pb2.StreamConfig, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[StreamState, _Mapping]] = ..., cluster: _Optional[_Union[_types_pb2.ClusterInfo, _Mapping]] = ..., etag: _Optional[str] = ..., domain: _Optional[str] = ..., mirror: _Optional[_Union[StreamSourceState, _Mapping]] = ..., sources: _Optional[_Iterable[_Union[StreamSourceState, _Mapping]]] = ...) -> None: ...

class StreamSourceState(_message.Message):
    __slots__ = ("name", "filter_subject", "external", "lag", "active", "error")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FILTER_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    name: str
    filter_subject: str
    external: _stream_config_pb2.ExternalStream
    lag: int
    active: _duration_pb2.Duration
    error: str
    def __init__(self, name: _Optional[str] = ..., filter_subject: _Optional[str] = ..., external: _Optional[_Union[_stream_config_pb2.ExternalStream, _Mapping]] = ..., lag: _Optional[int] = ..., active: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., error: _Optional[str] = ...) -> None: ...

class StreamState(_message.Message):
    __slots__ = ("messages", "bytes", "first_sequence", "last_sequence", "first_time", "last_time", "subject_count", "deleted_count", "consumer_count")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FIRST_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_COUNT_FIELD_NUMBER: _ClassVar[int]
    messages: int
    bytes: int
    first_sequence: int
    last_sequence: int
    first_time: _timestamp_pb2.Timestamp
    last_time: _timestamp_pb2.Timestamp
    subject_count: int
    deleted_count: int
    consumer_count: int
    def __init__(self, messages: _Optional[int] = ..., bytes: _Optional[int] = ..., first_sequence: _Optional[int] = ..., last_sequence: _Optional[int] = ..., first_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., subject_count: _Optional[int] = ..., deleted_count: _Optional[int] = ..., consumer_count: _Optional[int] = ...) -> None: ...
