import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from jetgate.v1 import consumer_config_pb2 as _consumer_config_pb2
from jetgate.v1 import source_pb2 as _source_pb2
from jetgate.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OnSessionEnd(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_SESSION_END_UNSPECIFIED: _ClassVar[OnSessionEnd]
    ON_SESSION_END_NAK_DELAYED: _ClassVar[OnSessionEnd]
    ON_SESSION_END_NAK: _ClassVar[OnSessionEnd]
    ON_SESSION_END_LEAVE: _ClassVar[OnSessionEnd]

class AckKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACK_KIND_UNSPECIFIED: _ClassVar[AckKind]
    ACK_KIND_ACK: _ClassVar[AckKind]
    ACK_KIND_NAK: _ClassVar[AckKind]
    ACK_KIND_IN_PROGRESS: _ClassVar[AckKind]
    ACK_KIND_TERM: _ClassVar[AckKind]

class StallReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STALL_REASON_UNSPECIFIED: _ClassVar[StallReason]
    STALL_REASON_NO_MESSAGES: _ClassVar[StallReason]
    STALL_REASON_WINDOW_FULL: _ClassVar[StallReason]
    STALL_REASON_NOTHING_SETTLED: _ClassVar[StallReason]
    STALL_REASON_MAX_ACK_PENDING: _ClassVar[StallReason]
    STALL_REASON_MAX_WAITING: _ClassVar[StallReason]
    STALL_REASON_PAUSED: _ClassVar[StallReason]
    STALL_REASON_NATS_DISCONNECTED: _ClassVar[StallReason]
    STALL_REASON_CONSUMER_LEADERLESS: _ClassVar[StallReason]
    STALL_REASON_NOT_PINNED: _ClassVar[StallReason]
    STALL_REASON_BELOW_OVERFLOW: _ClassVar[StallReason]

class DrainingReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRAINING_REASON_UNSPECIFIED: _ClassVar[DrainingReason]
    DRAINING_REASON_SHUTDOWN: _ClassVar[DrainingReason]
    DRAINING_REASON_MAX_AGE: _ClassVar[DrainingReason]
    DRAINING_REASON_TERMINATED: _ClassVar[DrainingReason]
    DRAINING_REASON_CREDENTIALS_EXPIRE: _ClassVar[DrainingReason]
ON_SESSION_END_UNSPECIFIED: OnSessionEnd
ON_SESSION_END_NAK_DELAYED: OnSessionEnd
ON_SESSION_END_NAK: OnSessionEnd
ON_SESSION_END_LEAVE: OnSessionEnd
ACK_KIND_UNSPECIFIED: AckKind
ACK_KIND_ACK: AckKind
ACK_KIND_NAK: AckKind
ACK_KIND_IN_PROGRESS: AckKind
ACK_KIND_TERM: AckKind
STALL_REASON_UNSPECIFIED: StallReason
STALL_REASON_NO_MESSAGES: StallReason
STALL_REASON_WINDOW_FULL: StallReason
STALL_REASON_NOTHING_SETTLED: StallReason
STALL_REASON_MAX_ACK_PENDING: StallReason
STALL_REASON_MAX_WAITING: StallReason
STALL_REASON_PAUSED: StallReason
STALL_REASON_NATS_DISCONNECTED: StallReason
STALL_REASON_CONSUMER_LEADERLESS: StallReason
STALL_REASON_NOT_PINNED: StallReason
STALL_REASON_BELOW_OVERFLOW: StallReason
DRAINING_REASON_UNSPECIFIED: DrainingReason
DRAINING_REASON_SHUTDOWN: DrainingReason
DRAINING_REASON_MAX_AGE: DrainingReason
DRAINING_REASON_TERMINATED: DrainingReason
DRAINING_REASON_CREDENTIALS_EXPIRE: DrainingReason

class OrderedConsumer(_message.Message):
    __slots__ = ("filter_subjects", "deliver_policy", "opt_start_seq", "opt_start_time", "replay_policy", "headers_only")
    FILTER_SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    DELIVER_POLICY_FIELD_NUMBER: _ClassVar[int]
    OPT_START_SEQ_FIELD_NUMBER: _ClassVar[int]
    OPT_START_TIME_FIELD_NUMBER: _ClassVar[int]
    REPLAY_POLICY_FIELD_NUMBER: _ClassVar[int]
    HEADERS_ONLY_FIELD_NUMBER: _ClassVar[int]
    filter_subjects: _containers.RepeatedScalarFieldContainer[str]
    deliver_policy: _consumer_config_pb2.DeliverPolicy
    opt_start_seq: int
    opt_start_time: _timestamp_pb2.Timestamp
    replay_policy: _consumer_config_pb2.ReplayPolicy
    headers_only: bool
    def __init__(self, filter_subjects: _Optional[_Iterable[str]] = ..., deliver_policy: _Optional[_Union[_consumer_config_pb2.DeliverPolicy, str]] = ..., opt_start_seq: _Optional[int] = ..., opt_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replay_policy: _Optional[_Union[_consumer_config_pb2.ReplayPolicy, str]] = ..., headers_only: _Optional[bool] = ...) -> None: ...

class FlowLimits(_message.Message):
    __slots__ = ("max_outstanding_messages", "max_outstanding_bytes")
    MAX_OUTSTANDING_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_outstanding_messages: int
    max_outstanding_bytes: int
    def __init__(self, max_outstanding_messages: _Optional[int] = ..., max_outstanding_bytes: _Optional[int] = ...) -> None: ...

class SessionOpened(_message.Message):
    __slots__ = ("session_id", "stream", "consumer", "flow", "heartbeat_interval", "ack_wait", "ack_policy", "ping_within", "not_held", "held", "resumed", "resume_token", "priority")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    ACK_WAIT_FIELD_NUMBER: _ClassVar[int]
    ACK_POLICY_FIELD_NUMBER: _ClassVar[int]
    PING_WITHIN_FIELD_NUMBER: _ClassVar[int]
    NOT_HELD_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    stream: str
    consumer: str
    flow: FlowLimits
    heartbeat_interval: _duration_pb2.Duration
    ack_wait: _duration_pb2.Duration
    ack_policy: _consumer_config_pb2.AckPolicy
    ping_within: _duration_pb2.Duration
    not_held: _containers.RepeatedScalarFieldContainer[str]
    held: _containers.RepeatedScalarFieldContainer[str]
    resumed: _source_pb2.Resumption
    resume_token: str
    priority: _source_pb2.SessionPriority
    def __init__(self, session_id: _Optional[str] = ..., stream: _Optional[str] = ..., consumer: _Optional[str] = ..., flow: _Optional[_Union[FlowLimits, _Mapping]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ack_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ack_policy: _Optional[_Union[_consumer_config_pb2.AckPolicy, str]] = ..., ping_within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., not_held: _Optional[_Iterable[str]] = ..., held: _Optional[_Iterable[str]] = ..., resumed: _Optional[_Union[_source_pb2.Resumption, str]] = ..., resume_token: _Optional[str] = ..., priority: _Optional[_Union[_source_pb2.SessionPriority, _Mapping]] = ...) -> None: ...

class MessageBatch(_message.Message):
    __slots__ = ("messages", "resume_token")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[ReceivedMessage]
    resume_token: str
    def __init__(self, messages: _Optional[_Iterable[_Union[ReceivedMessage, _Mapping]]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class ReceivedMessage(_message.Message):
    __slots__ = ("delivery_id", "ack_token", "subject", "stream", "consumer", "stream_sequence", "consumer_sequence", "delivery_attempt", "message_id", "publish_time", "ack_deadline", "pending", "headers", "data", "text")
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    ACK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    STREAM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_FIELD_NUMBER: _ClassVar[int]
    ACK_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    delivery_id: int
    ack_token: str
    subject: str
    stream: str
    consumer: str
    stream_sequence: int
    consumer_sequence: int
    delivery_attempt: int
    message_id: str
    publish_time: _timestamp_pb2.Timestamp
    ack_deadline: _timestamp_pb2.Timestamp
    pending: int
    headers: _containers.RepeatedCompositeFieldContainer[_types_pb2.Header]
    data: bytes
    text: str
    def __init__(self, delivery_id: _Optional[int] = ..., ack_token: _Optional[str] = ..., subject: _Optional[str] = ..., stream: _Optional[str] = ..., consumer: _Optional[str] = ..., stream_sequence: _Optional[int] = ..., consumer_sequence: _Optional[int] = ..., delivery_attempt: _Optional[int] = ..., message_id: _Optional[str] = ..., publish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ack_deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pending: _Optional[int] = ..., headers: _Optional[_Iterable[_Union[_types_pb2.Header, _Mapping]]] = ..., data: _Optional[bytes] = ..., text: _Optional[str] = ...) -> None: ...

class Acknowledgement(_message.Message):
    __slots__ = ("ack_token", "range", "kind", "delay", "reason")
    ACK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ack_token: str
    range: DeliveryRange
    kind: AckKind
    delay: _duration_pb2.Duration
    reason: str
    def __init__(self, ack_token: _Optional[str] = ..., range: _Optional[_Union[DeliveryRange, _Mapping]] = ..., kind: _Optional[_Union[AckKind, str]] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class DeliveryRange(_message.Message):
    __slots__ = ("first", "last")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class SessionHeartbeat(_message.Message):
    __slots__ = ("stream_sequence", "pending", "outstanding_messages", "outstanding_bytes", "stall_reason", "resume_token")
    STREAM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    STALL_REASON_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    stream_sequence: int
    pending: int
    outstanding_messages: int
    outstanding_bytes: int
    stall_reason: StallReason
    resume_token: str
    def __init__(self, stream_sequence: _Optional[int] = ..., pending: _Optional[int] = ..., outstanding_messages: _Optional[int] = ..., outstanding_bytes: _Optional[int] = ..., stall_reason: _Optional[_Union[StallReason, str]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("last_sequence", "first_available_sequence", "stream_recreated")
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FIRST_AVAILABLE_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STREAM_RECREATED_FIELD_NUMBER: _ClassVar[int]
    last_sequence: int
    first_available_sequence: int
    stream_recreated: bool
    def __init__(self, last_sequence: _Optional[int] = ..., first_available_sequence: _Optional[int] = ..., stream_recreated: _Optional[bool] = ...) -> None: ...

class Draining(_message.Message):
    __slots__ = ("reason", "deadline", "resume_token")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    reason: DrainingReason
    deadline: _timestamp_pb2.Timestamp
    resume_token: str
    def __init__(self, reason: _Optional[_Union[DrainingReason, str]] = ..., deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class UpdateCredentials(_message.Message):
    __slots__ = ("bearer",)
    BEARER_FIELD_NUMBER: _ClassVar[int]
    bearer: str
    def __init__(self, bearer: _Optional[str] = ...) -> None: ...
