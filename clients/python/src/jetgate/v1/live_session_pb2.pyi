import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from jetgate.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SessionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SESSION_KIND_UNSPECIFIED: _ClassVar[SessionKind]
    SESSION_KIND_SUBSCRIBE: _ClassVar[SessionKind]
    SESSION_KIND_CONSUME: _ClassVar[SessionKind]
    SESSION_KIND_PUBLISH_STREAM: _ClassVar[SessionKind]
SESSION_KIND_UNSPECIFIED: SessionKind
SESSION_KIND_SUBSCRIBE: SessionKind
SESSION_KIND_CONSUME: SessionKind
SESSION_KIND_PUBLISH_STREAM: SessionKind

class ListSessionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "stream", "consumer", "client_name", "gateway_id")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    stream: str
    consumer: str
    client_name: str
    gateway_id: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., stream: _Optional[str] = ..., consumer: _Optional[str] = ..., client_name: _Optional[str] = ..., gateway_id: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions", "next_page_token", "replicas")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[SessionInfo]
    next_page_token: str
    replicas: _containers.RepeatedCompositeFieldContainer[ReplicaInfo]
    def __init__(self, sessions: _Optional[_Iterable[_Union[SessionInfo, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., replicas: _Optional[_Iterable[_Union[ReplicaInfo, _Mapping]]] = ...) -> None: ...

class ReplicaInfo(_message.Message):
    __slots__ = ("gateway_id", "answered", "session_count")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    SESSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    answered: bool
    session_count: int
    def __init__(self, gateway_id: _Optional[str] = ..., answered: _Optional[bool] = ..., session_count: _Optional[int] = ...) -> None: ...

class SessionInfo(_message.Message):
    __slots__ = ("session_id", "gateway_id", "kind", "peer", "user_agent", "client_name", "stream", "consumer", "start_time", "max_outstanding_messages", "max_outstanding_bytes", "outstanding_messages", "outstanding_bytes", "message_count", "pending", "stall_reason", "draining", "identity")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    STALL_REASON_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    gateway_id: str
    kind: SessionKind
    peer: str
    user_agent: str
    client_name: str
    stream: str
    consumer: str
    start_time: _timestamp_pb2.Timestamp
    max_outstanding_messages: int
    max_outstanding_bytes: int
    outstanding_messages: int
    outstanding_bytes: int
    message_count: int
    pending: int
    stall_reason: _session_pb2.StallReason
    draining: _session_pb2.DrainingReason
    identity: str
    def __init__(self, session_id: _Optional[str] = ..., gateway_id: _Optional[str] = ..., kind: _Optional[_Union[SessionKind, str]] = ..., peer: _Optional[str] = ..., user_agent: _Optional[str] = ..., client_name: _Optional[str] = ..., stream: _Optional[str] = ..., consumer: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., max_outstanding_messages: _Optional[int] = ..., max_outstanding_bytes: _Optional[int] = ..., outstanding_messages: _Optional[int] = ..., outstanding_bytes: _Optional[int] = ..., message_count: _Optional[int] = ..., pending: _Optional[int] = ..., stall_reason: _Optional[_Union[_session_pb2.StallReason, str]] = ..., draining: _Optional[_Union[_session_pb2.DrainingReason, str]] = ..., identity: _Optional[str] = ...) -> None: ...

class TerminateSessionRequest(_message.Message):
    __slots__ = ("session_id", "grace", "reason")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    grace: _duration_pb2.Duration
    reason: str
    def __init__(self, session_id: _Optional[str] = ..., grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class TerminateSessionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
