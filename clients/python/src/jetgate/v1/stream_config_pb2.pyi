import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from jetgate.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PersistMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PERSIST_MODE_UNSPECIFIED: _ClassVar[PersistMode]
    PERSIST_MODE_DEFAULT: _ClassVar[PersistMode]
    PERSIST_MODE_ASYNC: _ClassVar[PersistMode]

class RetentionPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETENTION_POLICY_UNSPECIFIED: _ClassVar[RetentionPolicy]
    RETENTION_POLICY_LIMITS: _ClassVar[RetentionPolicy]
    RETENTION_POLICY_INTEREST: _ClassVar[RetentionPolicy]
    RETENTION_POLICY_WORK_QUEUE: _ClassVar[RetentionPolicy]

class DiscardPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISCARD_POLICY_UNSPECIFIED: _ClassVar[DiscardPolicy]
    DISCARD_POLICY_OLD: _ClassVar[DiscardPolicy]
    DISCARD_POLICY_NEW: _ClassVar[DiscardPolicy]

class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPRESSION_UNSPECIFIED: _ClassVar[Compression]
    COMPRESSION_NONE: _ClassVar[Compression]
    COMPRESSION_S2: _ClassVar[Compression]
PERSIST_MODE_UNSPECIFIED: PersistMode
PERSIST_MODE_DEFAULT: PersistMode
PERSIST_MODE_ASYNC: PersistMode
RETENTION_POLICY_UNSPECIFIED: RetentionPolicy
RETENTION_POLICY_LIMITS: RetentionPolicy
RETENTION_POLICY_INTEREST: RetentionPolicy
RETENTION_POLICY_WORK_QUEUE: RetentionPolicy
DISCARD_POLICY_UNSPECIFIED: DiscardPolicy
DISCARD_POLICY_OLD: DiscardPolicy
DISCARD_POLICY_NEW: DiscardPolicy
COMPRESSION_UNSPECIFIED: Compression
COMPRESSION_NONE: Compression
COMPRESSION_S2: Compression

class StreamConfig(_message.Message):
    __slots__ = ("name", "description", "subjects", "retention", "storage", "num_replicas", "max_msgs", "max_bytes", "max_age", "max_msgs_per_subject", "max_msg_size", "max_consumers", "discard", "discard_new_per_subject", "duplicate_window", "no_ack", "placement", "compression", "first_seq", "metadata", "allow_msg_ttl", "allow_rollup_hdrs", "allow_msg_counter", "deny_delete", "deny_purge", "allow_direct", "sealed", "consumer_limits", "mirror", "sources", "subject_transform", "republish", "mirror_direct", "subject_delete_marker_ttl", "allow_atomic", "allow_batched", "allow_msg_schedules", "persist_mode")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    STORAGE_FIELD_NUMBER: _ClassVar[int]
    NUM_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    MAX_MSGS_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_MSGS_PER_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    MAX_MSG_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    DISCARD_FIELD_NUMBER: _ClassVar[int]
    DISCARD_NEW_PER_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_WINDOW_FIELD_NUMBER: _ClassVar[int]
    NO_ACK_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MSG_TTL_FIELD_NUMBER: _ClassVar[int]
    ALLOW_ROLLUP_HDRS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MSG_COUNTER_FIELD_NUMBER: _ClassVar[int]
    DENY_DELETE_FIELD_NUMBER: _ClassVar[int]
    DENY_PURGE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_DIRECT_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_LIMITS_FIELD_NUMBER: _ClassVar[int]
    MIRROR_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_TRANSFORM_FIELD_NUMBER: _ClassVar[int]
    REPUBLISH_FIELD_NUMBER: _ClassVar[int]
    MIRROR_DIRECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_DELETE_MARKER_TTL_FIELD_NUMBER: _ClassVar[int]
    ALLOW_ATOMIC_FIELD_NUMBER: _ClassVar[int]
    ALLOW_BATCHED_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MSG_SCHEDULES_FIELD_NUMBER: _ClassVar[int]
    PERSIST_MODE_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    subjects: _containers.RepeatedScalarFieldContainer[str]
    retention: RetentionPolicy
    storage: _types_pb2.StorageType
    num_replicas: int
    max_msgs: int
    max_bytes: int
    max_age: _duration_pb2.Duration
    max_msgs_per_subject: int
    max_msg_size: int
    max_consumers: int
    discard: DiscardPolicy
    discard_new_per_subject: bool
    duplicate_window: _duration_pb2.Duration
    no_ack: bool
    placement: Placement
    compression: Compression
    first_seq: int
    metadata: _containers.ScalarMap[str, str]
    allow_msg_ttl: bool
    allow_rollup_hdrs: bool
    allow_msg_counter: bool
    deny_delete: bool
    deny_purge: bool
    allow_direct: bool
    sealed: bool
    consumer_limits: ConsumerLimits
    mirror: StreamSource
    sources: _containers.RepeatedCompositeFieldContainer[StreamSource]
    subject_transform: SubjectTransform
    republish: Republish
    mirror_direct: bool
    subject_delete_marker_ttl: _duration_pb2.Duration
    allow_atomic: bool
    allow_batched: bool
    allow_msg_schedules: bool
    persist_mode: PersistMode
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., subjects: _Optional[_Iterable[str]] = ..., retention: _Optional[_Union[RetentionPolicy, str]] = ..., storage: _Optional[_Union[_types_pb2.StorageType, str]] = ..., num_replicas: _Optional[int] = ..., max_msgs: _Optional[int] = ..., max_bytes: _Optional[int] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_msgs_per_subject: _Optional[int] = ..., max_msg_size: _Optional[int] = ..., max_consumers: _Optional[int] = ..., discard: _Optional[_Union[DiscardPolicy, str]] = ..., discard_new_per_subject: _Optional[bool] = ..., duplicate_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., no_ack: _Optional[bool] = ..., placement: _Optional[_Union[Placement, _Mapping]] = ..., compression: _Optional[_Union[Compression, str]] = ..., first_seq: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., allow_msg_ttl: _Optional[bool] = ..., allow_rollup_hdrs: _Optional[bool] = ..., allow_msg_counter: _Optional[bool] = ..., deny_delete: _Optional[bool] = ..., deny_purge: _Optional[bool] = ..., allow_direct: _Optional[bool] = ..., sealed: _Optional[bool] = ..., consumer_limits: _Optional[_Union[ConsumerLimits, _Mapping]] = ..., mirror: _Optional[_Union[StreamSource, _Mapping]] = ..., sources: _Optional[_Iterable[_Union[StreamSource, _Mapping]]] = ..., subject_transform: _Optional[_Union[SubjectTransform, _Mapping]] = ..., republish: _Optional[_Union[Republish, _Mapping]] = ..., mirror_direct: _Optional[bool] = ..., subject_delete_marker_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., allow_atomic: _Optional[bool] = ..., allow_batched: _Optional[bool] = ..., allow_msg_schedules: _Optional[bool] = ..., persist_mode: _Optional[_Union[PersistMode, str]] = ...) -> None: ...

class StreamSource(_message.Message):
    __slots__ = ("name", "opt_start_seq", "opt_start_time", "filter_subject", "subject_transforms", "external", "consumer")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPT_START_SEQ_FIELD_NUMBER: _ClassVar[int]
    OPT_START_TIME_FIELD_NUMBER: _ClassVar[int]
    FILTER_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_TRANSFORMS_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    name: str
    opt_start_seq: int
    opt_start_time: _timestamp_pb2.Timestamp
    filter_subject: str
    subject_transforms: _containers.RepeatedCompositeFieldContainer[SubjectTransform]
    external: ExternalStream
    consumer: StreamSourceConsumer
    def __init__(self, name: _Optional[str] = ..., opt_start_seq: _Optional[int] = ..., opt_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., filter_subject: _Optional[str] = ..., subject_transforms: _Optional[_Iterable[_Union[SubjectTransform, _Mapping]]] = ..., external: _Optional[_Union[ExternalStream, _Mapping]] = ..., consumer: _Optional[_Union[StreamSourceConsumer, _Mapping]] = ...) -> None: ...

class ExternalStream(_message.Message):
    __slots__ = ("api", "deliver")
    API_FIELD_NUMBER: _ClassVar[int]
    DELIVER_FIELD_NUMBER: _ClassVar[int]
    api: str
    deliver: str
    def __init__(self, api: _Optional[str] = ..., deliver: _Optional[str] = ...) -> None: ...

class StreamSourceConsumer(_message.Message):
    __slots__ = ("name", "deliver_subject")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DELIVER_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    name: str
    deliver_subject: str
    def __init__(self, name: _Optional[str] = ..., deliver_subject: _Optional[str] = ...) -> None: ...

class SubjectTransform(_message.Message):
    __slots__ = ("src", "dest")
    SRC_FIELD_NUMBER: _ClassVar[int]
    DEST_FIELD_NUMBER: _ClassVar[int]
    src: str
    dest: str
    def __init__(self, src: _Optional[str] = ..., dest: _Optional[str] = ...) -> None: ...

class Republish(_message.Message):
    __slots__ = ("src", "dest", "headers_only")
    SRC_FIELD_NUMBER: _ClassVar[int]
    DEST_FIELD_NUMBER: _ClassVar[int]
    HEADERS_ONLY_FIELD_NUMBER: _ClassVar[int]
    src: str
    dest: str
    headers_only: bool
    def __init__(self, src: _Optional[str] = ..., dest: _Optional[str] = ..., headers_only: _Optional[bool] = ...) -> None: ...

class ConsumerLimits(_message.Message):
    __slots__ = ("inactive_threshold", "max_ack_pending")
    INACTIVE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MAX_ACK_PENDING_FIELD_NUMBER: _ClassVar[int]
    inactive_threshold: _duration_pb2.Duration
    max_ack_pending: int
    def __init__(self, inactive_threshold: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_ack_pending: _Optional[int] = ...) -> None: ...

class Placement(_message.Message):
    __slots__ = ("cluster", "tags")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, cluster: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...
