import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PriorityPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_POLICY_UNSPECIFIED: _ClassVar[PriorityPolicy]
    PRIORITY_POLICY_NONE: _ClassVar[PriorityPolicy]
    PRIORITY_POLICY_OVERFLOW: _ClassVar[PriorityPolicy]
    PRIORITY_POLICY_PINNED_CLIENT: _ClassVar[PriorityPolicy]
    PRIORITY_POLICY_PRIORITIZED: _ClassVar[PriorityPolicy]

class DeliverPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVER_POLICY_UNSPECIFIED: _ClassVar[DeliverPolicy]
    DELIVER_POLICY_ALL: _ClassVar[DeliverPolicy]
    DELIVER_POLICY_LAST: _ClassVar[DeliverPolicy]
    DELIVER_POLICY_NEW: _ClassVar[DeliverPolicy]
    DELIVER_POLICY_BY_START_SEQUENCE: _ClassVar[DeliverPolicy]
    DELIVER_POLICY_BY_START_TIME: _ClassVar[DeliverPolicy]
    DELIVER_POLICY_LAST_PER_SUBJECT: _ClassVar[DeliverPolicy]

class AckPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACK_POLICY_UNSPECIFIED: _ClassVar[AckPolicy]
    ACK_POLICY_EXPLICIT: _ClassVar[AckPolicy]
    ACK_POLICY_ALL: _ClassVar[AckPolicy]
    ACK_POLICY_NONE: _ClassVar[AckPolicy]

class ReplayPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLAY_POLICY_UNSPECIFIED: _ClassVar[ReplayPolicy]
    REPLAY_POLICY_INSTANT: _ClassVar[ReplayPolicy]
    REPLAY_POLICY_ORIGINAL: _ClassVar[ReplayPolicy]
PRIORITY_POLICY_UNSPECIFIED: PriorityPolicy
PRIORITY_POLICY_NONE: PriorityPolicy
PRIORITY_POLICY_OVERFLOW: PriorityPolicy
PRIORITY_POLICY_PINNED_CLIENT: PriorityPolicy
PRIORITY_POLICY_PRIORITIZED: PriorityPolicy
DELIVER_POLICY_UNSPECIFIED: DeliverPolicy
DELIVER_POLICY_ALL: DeliverPolicy
DELIVER_POLICY_LAST: DeliverPolicy
DELIVER_POLICY_NEW: DeliverPolicy
DELIVER_POLICY_BY_START_SEQUENCE: DeliverPolicy
DELIVER_POLICY_BY_START_TIME: DeliverPolicy
DELIVER_POLICY_LAST_PER_SUBJECT: DeliverPolicy
ACK_POLICY_UNSPECIFIED: AckPolicy
ACK_POLICY_EXPLICIT: AckPolicy
ACK_POLICY_ALL: AckPolicy
ACK_POLICY_NONE: AckPolicy
REPLAY_POLICY_UNSPECIFIED: ReplayPolicy
REPLAY_POLICY_INSTANT: ReplayPolicy
REPLAY_POLICY_ORIGINAL: ReplayPolicy

class ConsumerConfig(_message.Message):
    __slots__ = ("durable_name", "name", "description", "filter_subjects", "filter_subject", "deliver_policy", "opt_start_seq", "opt_start_time", "ack_policy", "ack_wait", "max_deliver", "backoff", "max_ack_pending", "replay_policy", "headers_only", "max_waiting", "max_batch", "max_expires", "max_bytes", "inactive_threshold", "num_replicas", "mem_storage", "metadata", "priority_groups", "priority_policy", "priority_timeout", "pause_until", "sample_freq")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DURABLE_NAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    FILTER_SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    FILTER_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DELIVER_POLICY_FIELD_NUMBER: _ClassVar[int]
    OPT_START_SEQ_FIELD_NUMBER: _ClassVar[int]
    OPT_START_TIME_FIELD_NUMBER: _ClassVar[int]
    ACK_POLICY_FIELD_NUMBER: _ClassVar[int]
    ACK_WAIT_FIELD_NUMBER: _ClassVar[int]
    MAX_DELIVER_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MAX_ACK_PENDING_FIELD_NUMBER: _ClassVar[int]
    REPLAY_POLICY_FIELD_NUMBER: _ClassVar[int]
    HEADERS_ONLY_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_FIELD_NUMBER: _ClassVar[int]
    MAX_EXPIRES_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    INACTIVE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    NUM_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    MEM_STORAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_GROUPS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_POLICY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PAUSE_UNTIL_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FREQ_FIELD_NUMBER: _ClassVar[int]
    durable_name: str
    name: str
    description: str
    filter_subjects: _containers.RepeatedScalarFieldContainer[str]
    filter_subject: str
    deliver_policy: DeliverPolicy
    opt_start_seq: int
    opt_start_time: _timestamp_pb2.Timestamp
    ack_policy: AckPolicy
    ack_wait: _duration_pb2.Duration
    max_deliver: int
    backoff: _containers.RepeatedCompositeFieldContainer[_duration_pb2.Duration]
    max_ack_pending: int
    replay_policy: ReplayPolicy
    headers_only: bool
    max_waiting: int
    max_batch: int
    max_expires: _duration_pb2.Duration
    max_bytes: int
    inactive_threshold: _duration_pb2.Duration
    num_replicas: int
    mem_storage: bool
    metadata: _containers.ScalarMap[str, str]
    priority_groups: _containers.RepeatedScalarFieldContainer[str]
    priority_policy: PriorityPolicy
    priority_timeout: _duration_pb2.Duration
    pause_until: _timestamp_pb2.Timestamp
    sample_freq: int
    def __init__(self, durable_name: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., filter_subjects: _Optional[_Iterable[str]] = ..., filter_subject: _Optional[str] = ..., deliver_policy: _Optional[_Union[DeliverPolicy, str]] = ..., opt_start_seq: _Optional[int] = ..., opt_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ack_policy: _Optional[_Union[AckPolicy, str]] = ..., ack_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_deliver: _Optional[int] = ..., backoff: _Optional[_Iterable[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]]] = ..., max_ack_pending: _Optional[int] = ..., replay_policy: _Optional[_Union[ReplayPolicy, str]] = ..., headers_only: _Optional[bool] = ..., max_waiting: _Optional[int] = ..., max_batch: _Optional[int] = ..., max_expires: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_bytes: _Optional[int] = ..., inactive_threshold: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., num_replicas: _Optional[int] = ..., mem_storage: _Optional[bool] = ..., metadata: _Optional[_Mapping[str, str]] = ..., priority_groups: _Optional[_Iterable[str]] = ..., priority_policy: _Optional[_Union[PriorityPolicy, str]] = ..., priority_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., pause_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sample_freq: _Optional[int] = ...) -> None: ...
