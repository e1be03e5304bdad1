import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from jetgate.v1 import consume_pb2 as _consume_pb2
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

class SubscribeRequest(_message.Message):
    __slots__ = ("stream", "consumer", "ordered", "ephemeral", "flow", "payload_format", "heartbeat_interval", "on_session_end", "max_response_bytes", "held", "resume_token", "stop_at", "on_gap", "priority", "client_name")
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
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STOP_AT_FIELD_NUMBER: _ClassVar[int]
    ON_GAP_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
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
    resume_token: str
    stop_at: _source_pb2.StopAt
    on_gap: _source_pb2.GapPolicy
    priority: _source_pb2.PriorityOptions
    client_name: str
    def __init__(self, stream: _Optional[str] = ..., consumer: _Optional[str] = ..., ordered: _Optional[_Union[_session_pb2.OrderedConsumer, _Mapping]] = ..., ephemeral: _Optional[_Union[_source_pb2.EphemeralConsumer, _Mapping]] = ..., flow: _Optional[_Union[_session_pb2.FlowLimits, _Mapping]] = ..., payload_format: _Optional[_Union[_types_pb2.PayloadFormat, str]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., on_session_end: _Optional[_Union[_session_pb2.OnSessionEnd, str]] = ..., max_response_bytes: _Optional[int] = ..., held: _Optional[_Iterable[str]] = ..., resume_token: _Optional[str] = ..., stop_at: _Optional[_Union[_source_pb2.StopAt, _Mapping]] = ..., on_gap: _Optional[_Union[_source_pb2.GapPolicy, str]] = ..., priority: _Optional[_Union[_source_pb2.PriorityOptions, _Mapping]] = ..., client_name: _Optional[str] = ...) -> None: ...

class SubscribeResponse(_message.Message):
    __slots__ = ("opened", "messages", "heartbeat", "gap", "draining")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    opened: _session_pb2.SessionOpened
    messages: _session_pb2.MessageBatch
    heartbeat: _session_pb2.SessionHeartbeat
    gap: _session_pb2.Gap
    draining: _session_pb2.Draining
    def __init__(self, opened: _Optional[_Union[_session_pb2.SessionOpened, _Mapping]] = ..., messages: _Optional[_Union[_session_pb2.MessageBatch, _Mapping]] = ..., heartbeat: _Optional[_Union[_session_pb2.SessionHeartbeat, _Mapping]] = ..., gap: _Optional[_Union[_session_pb2.Gap, _Mapping]] = ..., draining: _Optional[_Union[_session_pb2.Draining, _Mapping]] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("stream", "consumer", "batch", "max_wait", "no_wait", "max_bytes", "payload_format", "max_response_bytes", "priority")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    MAX_WAIT_FIELD_NUMBER: _ClassVar[int]
    NO_WAIT_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FORMAT_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    stream: str
    consumer: str
    batch: int
    max_wait: _duration_pb2.Duration
    no_wait: bool
    max_bytes: int
    payload_format: _types_pb2.PayloadFormat
    max_response_bytes: int
    priority: _source_pb2.PriorityOptions
    def __init__(self, stream: _Optional[str] = ..., consumer: _Optional[str] = ..., batch: _Optional[int] = ..., max_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., no_wait: _Optional[bool] = ..., max_bytes: _Optional[int] = ..., payload_format: _Optional[_Union[_types_pb2.PayloadFormat, str]] = ..., max_response_bytes: _Optional[int] = ..., priority: _Optional[_Union[_source_pb2.PriorityOptions, _Mapping]] = ...) -> None: ...

class FetchResponse(_message.Message):
    __slots__ = ("messages", "pin_id")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    PIN_ID_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[_session_pb2.ReceivedMessage]
    pin_id: str
    def __init__(self, messages: _Optional[_Iterable[_Union[_session_pb2.ReceivedMessage, _Mapping]]] = ..., pin_id: _Optional[str] = ...) -> None: ...

class AcknowledgeRequest(_message.Message):
    __slots__ = ("acknowledgements", "confirm")
    ACKNOWLEDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    acknowledgements: _containers.RepeatedCompositeFieldContainer[_session_pb2.Acknowledgement]
    confirm: bool
    def __init__(self, acknowledgements: _Optional[_Iterable[_Union[_session_pb2.Acknowledgement, _Mapping]]] = ..., confirm: _Optional[bool] = ...) -> None: ...

class AcknowledgeResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_error_pb2.ItemStatus]
    def __init__(self, results: _Optional[_Iterable[_Union[_error_pb2.ItemStatus, _Mapping]]] = ...) -> None: ...
