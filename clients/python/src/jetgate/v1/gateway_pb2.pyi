import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from jetgate.v1 import error_pb2 as _error_pb2
from jetgate.v1 import live_session_pb2 as _live_session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GatewayState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GATEWAY_STATE_UNSPECIFIED: _ClassVar[GatewayState]
    GATEWAY_STATE_STARTING: _ClassVar[GatewayState]
    GATEWAY_STATE_READY: _ClassVar[GatewayState]
    GATEWAY_STATE_NATS_UNAVAILABLE: _ClassVar[GatewayState]
    GATEWAY_STATE_DRAINING: _ClassVar[GatewayState]

class DeadLetterState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEAD_LETTER_STATE_UNSPECIFIED: _ClassVar[DeadLetterState]
    DEAD_LETTER_STATE_STARTING: _ClassVar[DeadLetterState]
    DEAD_LETTER_STATE_COLLECTING: _ClassVar[DeadLetterState]
    DEAD_LETTER_STATE_FAILING: _ClassVar[DeadLetterState]
GATEWAY_STATE_UNSPECIFIED: GatewayState
GATEWAY_STATE_STARTING: GatewayState
GATEWAY_STATE_READY: GatewayState
GATEWAY_STATE_NATS_UNAVAILABLE: GatewayState
GATEWAY_STATE_DRAINING: GatewayState
DEAD_LETTER_STATE_UNSPECIFIED: DeadLetterState
DEAD_LETTER_STATE_STARTING: DeadLetterState
DEAD_LETTER_STATE_COLLECTING: DeadLetterState
DEAD_LETTER_STATE_FAILING: DeadLetterState

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetInfoResponse(_message.Message):
    __slots__ = ("version", "gateway_id", "state", "nats", "limits", "dead_letters", "identity", "start_time", "tenant")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NATS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    version: str
    gateway_id: str
    state: GatewayState
    nats: NatsInfo
    limits: Limits
    dead_letters: DeadLetterInfo
    identity: str
    start_time: _timestamp_pb2.Timestamp
    tenant: str
    def __init__(self, version: _Optional[str] = ..., gateway_id: _Optional[str] = ..., state: _Optional[_Union[GatewayState, str]] = ..., nats: _Optional[_Union[NatsInfo, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., dead_letters: _Optional[_Union[DeadLetterInfo, _Mapping]] = ..., identity: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., tenant: _Optional[str] = ...) -> None: ...

class NatsInfo(_message.Message):
    __slots__ = ("server_name", "server_version", "api_level", "domain", "streams", "consumers", "features", "usage", "tiers")
    class TiersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: AccountUsage
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[AccountUsage, _Mapping]] = ...) -> None: ...
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    API_LEVEL_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    server_name: str
    server_version: str
    api_level: int
    domain: str
    streams: int
    consumers: int
    features: _containers.RepeatedCompositeFieldContainer[Feature]
    usage: AccountUsage
    tiers: _containers.MessageMap[str, AccountUsage]
    def __init__(self, server_name: _Optional[str] = ..., server_version: _Optional[str] = ..., api_level: _Optional[int] = ..., domain: _Optional[str] = ..., streams: _Optional[int] = ..., consumers: _Optional[int] = ..., features: _Optional[_Iterable[_Union[Feature, _Mapping]]] = ..., usage: _Optional[_Union[AccountUsage, _Mapping]] = ..., tiers: _Optional[_Mapping[str, AccountUsage]] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ("name", "api_level", "available")
    NAME_FIELD_NUMBER: _ClassVar[int]
    API_LEVEL_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    api_level: int
    available: bool
    def __init__(self, name: _Optional[str] = ..., api_level: _Optional[int] = ..., available: _Optional[bool] = ...) -> None: ...

class AccountUsage(_message.Message):
    __slots__ = ("memory_bytes", "storage_bytes", "reserved_memory_bytes", "reserved_storage_bytes", "streams", "consumers", "limits")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESERVED_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESERVED_STORAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: int
    storage_bytes: int
    reserved_memory_bytes: int
    reserved_storage_bytes: int
    streams: int
    consumers: int
    limits: AccountLimits
    def __init__(self, memory_bytes: _Optional[int] = ..., storage_bytes: _Optional[int] = ..., reserved_memory_bytes: _Optional[int] = ..., reserved_storage_bytes: _Optional[int] = ..., streams: _Optional[int] = ..., consumers: _Optional[int] = ..., limits: _Optional[_Union[AccountLimits, _Mapping]] = ...) -> None: ...

class AccountLimits(_message.Message):
    __slots__ = ("max_memory_bytes", "max_storage_bytes", "max_streams", "max_consumers", "max_ack_pending", "memory_max_stream_bytes", "storage_max_stream_bytes", "max_bytes_required")
    MAX_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_STORAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    MAX_ACK_PENDING_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MAX_STREAM_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORAGE_MAX_STREAM_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    max_memory_bytes: int
    max_storage_bytes: int
    max_streams: int
    max_consumers: int
    max_ack_pending: int
    memory_max_stream_bytes: int
    storage_max_stream_bytes: int
    max_bytes_required: bool
    def __init__(self, max_memory_bytes: _Optional[int] = ..., max_storage_bytes: _Optional[int] = ..., max_streams: _Optional[int] = ..., max_consumers: _Optional[int] = ..., max_ack_pending: _Optional[int] = ..., memory_max_stream_bytes: _Optional[int] = ..., storage_max_stream_bytes: _Optional[int] = ..., max_bytes_required: _Optional[bool] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_message_bytes", "max_request_bytes", "max_response_bytes", "default_outstanding_messages", "default_outstanding_bytes", "max_outstanding_messages", "max_outstanding_bytes", "max_sessions", "max_connections", "max_concurrent_streams", "drain", "allow_republish", "allow_external_sources", "allow_placement", "caller")
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_OUTSTANDING_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_STREAMS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    ALLOW_REPUBLISH_FIELD_NUMBER: _ClassVar[int]
    ALLOW_EXTERNAL_SOURCES_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    max_message_bytes: int
    max_request_bytes: int
    max_response_bytes: int
    default_outstanding_messages: int
    default_outstanding_bytes: int
    max_outstanding_messages: int
    max_outstanding_bytes: int
    max_sessions: int
    max_connections: int
    max_concurrent_streams: int
    drain: _duration_pb2.Duration
    allow_republish: bool
    allow_external_sources: bool
    allow_placement: bool
    caller: CallerLimits
    def __init__(self, max_message_bytes: _Optional[int] = ..., max_request_bytes: _Optional[int] = ..., max_response_bytes: _Optional[int] = ..., default_outstanding_messages: _Optional[int] = ..., default_outstanding_bytes: _Optional[int] = ..., max_outstanding_messages: _Optional[int] = ..., max_outstanding_bytes: _Optional[int] = ..., max_sessions: _Optional[int] = ..., max_connections: _Optional[int] = ..., max_concurrent_streams: _Optional[int] = ..., drain: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., allow_republish: _Optional[bool] = ..., allow_external_sources: _Optional[bool] = ..., allow_placement: _Optional[bool] = ..., caller: _Optional[_Union[CallerLimits, _Mapping]] = ...) -> None: ...

class CallerLimits(_message.Message):
    __slots__ = ("requests_per_second", "bytes_per_second", "max_calls", "max_sessions", "max_in_flight", "max_message_bytes")
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    requests_per_second: int
    bytes_per_second: int
    max_calls: int
    max_sessions: int
    max_in_flight: int
    max_message_bytes: int
    def __init__(self, requests_per_second: _Optional[int] = ..., bytes_per_second: _Optional[int] = ..., max_calls: _Optional[int] = ..., max_sessions: _Optional[int] = ..., max_in_flight: _Optional[int] = ..., max_message_bytes: _Optional[int] = ...) -> None: ...

class DeadLetterInfo(_message.Message):
    __slots__ = ("letters", "advisories", "state", "problem", "pending")
    LETTERS_FIELD_NUMBER: _ClassVar[int]
    ADVISORIES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    letters: str
    advisories: str
    state: DeadLetterState
    problem: str
    pending: int
    def __init__(self, letters: _Optional[str] = ..., advisories: _Optional[str] = ..., state: _Optional[_Union[DeadLetterState, str]] = ..., problem: _Optional[str] = ..., pending: _Optional[int] = ...) -> None: ...

class ListErrorReasonsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListErrorReasonsResponse(_message.Message):
    __slots__ = ("reasons",)
    REASONS_FIELD_NUMBER: _ClassVar[int]
    reasons: _containers.RepeatedCompositeFieldContainer[ErrorReasonInfo]
    def __init__(self, reasons: _Optional[_Iterable[_Union[ErrorReasonInfo, _Mapping]]] = ...) -> None: ...

class ErrorReasonInfo(_message.Message):
    __slots__ = ("reason", "name", "code", "retry", "description")
    REASON_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    reason: _error_pb2.ErrorReason
    name: str
    code: _error_pb2.StatusCode
    retry: _error_pb2.Retry
    description: str
    def __init__(self, reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., name: _Optional[str] = ..., code: _Optional[_Union[_error_pb2.StatusCode, str]] = ..., retry: _Optional[_Union[_error_pb2.Retry, str]] = ..., description: _Optional[str] = ...) -> None: ...
