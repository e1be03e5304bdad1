import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from jetgate.v1 import consumer_config_pb2 as _consumer_config_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GapPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_POLICY_UNSPECIFIED: _ClassVar[GapPolicy]
    GAP_POLICY_REPORT: _ClassVar[GapPolicy]
    GAP_POLICY_FAIL: _ClassVar[GapPolicy]

class Resumption(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESUMPTION_UNSPECIFIED: _ClassVar[Resumption]
    RESUMPTION_POSITION: _ClassVar[Resumption]
    RESUMPTION_CONSUMER: _ClassVar[Resumption]
    RESUMPTION_ACK_FLOOR: _ClassVar[Resumption]
GAP_POLICY_UNSPECIFIED: GapPolicy
GAP_POLICY_REPORT: GapPolicy
GAP_POLICY_FAIL: GapPolicy
RESUMPTION_UNSPECIFIED: Resumption
RESUMPTION_POSITION: Resumption
RESUMPTION_CONSUMER: Resumption
RESUMPTION_ACK_FLOOR: Resumption

class EphemeralConsumer(_message.Message):
    __slots__ = ("filter_subjects", "deliver_policy", "opt_start_seq", "opt_start_time", "replay_policy", "headers_only", "ack_policy", "ack_wait", "max_deliver", "backoff", "max_ack_pending", "inactive_threshold", "num_replicas", "mem_storage", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FILTER_SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    DELIVER_POLICY_FIELD_NUMBER: _ClassVar[int]
    OPT_START_SEQ_FIELD_NUMBER: _ClassVar[int]
    OPT_START_TIME_FIELD_NUMBER: _ClassVar[int]
    REPLAY_POLICY_FIELD_NUMBER: _ClassVar[int]
    HEADERS_ONLY_FIELD_NUMBER: _ClassVar[int]
    ACK_POLICY_FIELD_NUMBER: _ClassVar[int]
    ACK_WAIT_FIELD_NUMBER: _ClassVar[int]
    MAX_DELIVER_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MAX_ACK_PENDING_FIELD_NUMBER: _ClassVar[int]
    INACTIVE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    NUM_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    MEM_STORAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    filter_subjects: _containers.RepeatedScalarFieldContainer[str]
    deliver_policy: _consumer_config_pb2.DeliverPolicy
    opt_start_seq: int
    opt_start_time: _timestamp_pb2.Timestamp
    replay_policy: _consumer_config_pb2.ReplayPolicy
    headers_only: bool
    ack_policy: _consumer_config_pb2.AckPolicy
    ack_wait: _duration_pb2.Duration
    max_deliver: int
    backoff: _containers.RepeatedCompositeFieldContainer[_duration_pb2.Duration]
    max_ack_pending: int
    inactive_threshold: _duration_pb2.Duration
    num_replicas: int
    mem_storage: bool
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, filter_subjects: _Optional[_Iterable[str]] = ..., deliver_policy: _Optional[_Union[_consumer_config_pb2.DeliverPolicy, str]] = ..., opt_start_seq: _Optional[int] = ..., opt_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replay_policy: _Optional[_Union[_consumer_config_pb2.ReplayPolicy, str]] = ..., headers_only: _Optional[bool] = ..., ack_policy: _Optional[_Union[_consumer_config_pb2.AckPolicy, str]] = ..., ack_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_deliver: _Optional[int] = ..., backoff: _Optional[_Iterable[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]]] = ..., max_ack_pending: _Optional[int] = ..., inactive_threshold: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., num_replicas: _Optional[int] = ..., mem_storage: _Optional[bool] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class StopAt(_message.Message):
    __slots__ = ("last", "sequence", "time")
    LAST_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    last: bool
    sequence: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, last: _Optional[bool] = ..., sequence: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PriorityOptions(_message.Message):
    __slots__ = ("group", "priority", "min_pending", "min_ack_pending", "pin_id")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    MIN_PENDING_FIELD_NUMBER: _ClassVar[int]
    MIN_ACK_PENDING_FIELD_NUMBER: _ClassVar[int]
    PIN_ID_FIELD_NUMBER: _ClassVar[int]
    group: str
    priority: int
    min_pending: int
    min_ack_pending: int
    pin_id: str
    def __init__(self, group: _Optional[str] = ..., priority: _Optional[int] = ..., min_pending: _Optional[int] = ..., min_ack_pending: _Optional[int] = ..., pin_id: _Optional[str] = ...) -> None: ...

class SessionPriority(_message.Message):
    __slots__ = ("group", "policy", "pinned_elsewhere")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    PINNED_ELSEWHERE_FIELD_NUMBER: _ClassVar[int]
    group: str
    policy: _consumer_config_pb2.PriorityPolicy
    pinned_elsewhere: bool
    def __init__(self, group: _Optional[str] = ..., policy: _Optional[_Union[_consumer_config_pb2.PriorityPolicy, str]] = ..., pinned_elsewhere: _Optional[bool] = ...) -> None: ...
