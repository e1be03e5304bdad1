import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from jetgate.v1 import error_pb2 as _error_pb2
from jetgate.v1 import session_pb2 as _session_pb2
from jetgate.v1 import source_pb2 as _source_pb2
from jetgate.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConsumeRequest(_message.Message):
    __slots__ = ("open", "settle", "flow", "drain", "ping", "credentials")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    SETTLE_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    open: ConsumeOpen
    settle: SettleFrame
    flow: FlowUpdate
    drain: Drain
    ping: _types_pb2.Ping
    credentials: _session_pb2.UpdateCredentials
    def __init__(self, open: _Optional[_Union[ConsumeOpen, _Mapping]] = ..., settle: _Optional[_Union[SettleFrame, _Mapping]] = ..., flow: _Optional[_Union[FlowUpdate, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., ping: _Optional[_Union[_types_pb2.Ping, _Mapping]] = ..., credentials: _Optional[_Union[_session_pb2.UpdateCredentials, _Mapping]] = ...) -> None: ...

class ConsumeOpen(_message.Message):
    __slots__ = ("stream", "consumer", "ordered", "ephemeral", "flow", "payload_format", "heartbeat_interval", "on_session_end", "max_response_bytes", "held", "client_name", "lease", "resume_token", "stop_at", "on_gap", "priority")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    ORDERED_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FORMAT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    ON_SESSION_END_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STOP_AT_FIELD_NUMBER: _ClassVar[int]
    ON_GAP_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    stream: str
    consumer: str
    ordered: _session_pb2.OrderedConsumer
    ephemeral: _source_pb2.EphemeralConsumer
    flow: _session_pb2.FlowLimits
    payload_format: _types_pb2.PayloadFormat
    heartbeat_interval: _duration_pb2.Duration
    on_session_end: _session_pb2.OnSessionEnd
    max_response_bytes: int
    held: _containers.RepeatedScalarFieldContainer[str]
    client_name: str
    lease: Lease
    resume_token: str
    stop_at: _source_pb2.StopAt
    on_gap: _source_pb2.GapPolicy
    priority: _source_pb2.PriorityOptions
    def __init__(self, stream: _Optional[str] = ..., consumer: _Optional[str] = ..., ordered: _Optional[_Union[_session_pb2.OrderedConsumer, _Mapping]] = ..., ephemeral: _Optional[_Union[_source_pb2.EphemeralConsumer, _Mapping]] = ..., flow: _Optional[_Union[_session_pb2.FlowLimits, _Mapping]] = ..., payload_format: _Optional[_Union[_types_pb2.PayloadFormat, str]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., on_session_end: _Optional[_Union[_session_pb2.OnSessionEnd, str]] = ..., max_response_bytes: _Optional[int] = ..., held: _Optional[_Iterable[str]] = ..., client_name: _Optional[str] = ..., lease: _Optional[_Union[Lease, _Mapping]] = ..., resume_token: _Optional[str] = ..., stop_at: _Optional[_Union[_source_pb2.StopAt, _Mapping]] = ..., on_gap: _Optional[_Union[_source_pb2.GapPolicy, str]] = ..., priority: _Optional[_Union[_source_pb2.PriorityOptions, _Mapping]] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("auto_extend", "max")
    AUTO_EXTEND_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    auto_extend: bool
    max: _duration_pb2.Duration
    def __init__(self, auto_extend: _Optional[bool] = ..., max: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SettleFrame(_message.Message):
    __slots__ = ("settle_id", "acknowledgements", "confirm")
    SETTLE_ID_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    settle_id: int
    acknowledgements: _containers.RepeatedCompositeFieldContainer[_session_pb2.Acknowledgement]
    confirm: bool
    def __init__(self, settle_id: _Optional[int] = ..., acknowledgements: _Optional[_Iterable[_Union[_session_pb2.Acknowledgement, _Mapping]]] = ..., confirm: _Optional[bool] = ...) -> None: ...

class SettleResult(_message.Message):
    __slots__ = ("settle_id", "results")
    SETTLE_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    settle_id: int
    results: _containers.RepeatedCompositeFieldContainer[_error_pb2.ItemStatus]
    def __init__(self, settle_id: _Optional[int] = ..., results: _Optional[_Iterable[_Union[_error_pb2.ItemStatus, _Mapping]]] = ...) -> None: ...

class FlowUpdate(_message.Message):
    __slots__ = ("max_outstanding_messages", "max_outstanding_bytes")
    MAX_OUTSTANDING_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_outstanding_messages: int
    max_outstanding_bytes: int
    def __init__(self, max_outstanding_messages: _Optional[int] = ..., max_outstanding_bytes: _Optional[int] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ConsumeResponse(_message.Message):
    __slots__ = ("opened", "messages", "settled", "heartbeat", "gap", "draining", "pong")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    opened: _session_pb2.SessionOpened
    messages: _session_pb2.MessageBatch
    settled: SettleResult
    heartbeat: _session_pb2.SessionHeartbeat
    gap: _session_pb2.Gap
    draining: _session_pb2.Draining
    pong: _types_pb2.Pong
    def __init__(self, opened: _Optional[_Union[_session_pb2.SessionOpened, _Mapping]] = ..., messages: _Optional[_Union[_session_pb2.MessageBatch, _Mapping]] = ..., settled: _Optional[_Union[SettleResult, _Mapping]] = ..., heartbeat: _Optional[_Union[_session_pb2.SessionHeartbeat, _Mapping]] = ..., gap: _Optional[_Union[_session_pb2.Gap, _Mapping]] = ..., draining: _Optional[_Union[_session_pb2.Draining, _Mapping]] = ..., pong: _Optional[_Union[_types_pb2.Pong, _Mapping]] = ...) -> None: ...
