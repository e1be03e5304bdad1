import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from jetgate.v1 import apply_pb2 as _apply_pb2
from jetgate.v1 import consumer_config_pb2 as _consumer_config_pb2
from jetgate.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateConsumerRequest(_message.Message):
    __slots__ = ("stream", "config")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    stream: str
    config: _consumer_config_pb2.ConsumerConfig
    def __init__(self, stream: _Optional[str] = ..., config: _Optional[_Union[_consumer_config_pb2.ConsumerConfig, _Mapping]] = ...) -> None: ...

class CreateConsumerResponse(_message.Message):
    __slots__ = ("consumer",)
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    consumer: Consumer
    def __init__(self, consumer: _Optional[_Union[Consumer, _Mapping]] = ...) -> None: ...

class ApplyConsumerRequest(_message.Message):
    __slots__ = ("stream", "config", "validate_only", "etag")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    stream: str
    config: _consumer_config_pb2.ConsumerConfig
    validate_only: bool
    etag: str
    def __init__(self, stream: _Optional[str] = ..., config: _Optional[_Union[_consumer_config_pb2.ConsumerConfig, _Mapping]] = ..., validate_only: _Optional[bool] = ..., etag: _Optional[str] = ...) -> None: ...

class ApplyConsumerResponse(_message.Message):
    __slots__ = ("consumer", "outcome", "changes")
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    consumer: Consumer
    outcome: _apply_pb2.ApplyOutcome
    changes: _containers.RepeatedCompositeFieldContainer[_apply_pb2.FieldChange]
    def __init__(self, consumer: _Optional[_Union[Consumer, _Mapping]] = ..., outcome: _Optional[_Union[_apply_pb2.ApplyOutcome, str]] = ..., changes: _Optional[_Iterable[_Union[_apply_pb2.FieldChange, _Mapping]]] = ...) -> None: ...

class GetConsumerRequest(_message.Message):
    __slots__ = ("stream", "consumer")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    stream: str
    consumer: str
    def __init__(self, stream: _Optional[str] = ..., consumer: _Optional[str] = ...) -> None: ...

class GetConsumerResponse(_message.Message):
    __slots__ = ("consumer",)
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    consumer: Consumer
    def __init__(self, consumer: _Optional[_Union[Consumer, _Mapping]] = ...) -> None: ...

class ListConsumersRequest(_message.Message):
    __slots__ = ("stream", "page_size", "page_token", "name", "subject")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    stream: str
    page_size: int
    page_token: str
    name: str
    subject: str
    def __init__(self, stream: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., name: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...

class ListConsumersResponse(_message.Message):
    __slots__ = ("consumers", "next_page_token", "missing")
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    consumers: _containers.RepeatedCompositeFieldContainer[Consumer]
    next_page_token: str
    missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, consumers: _Optional[_Iterable[_Union[Consumer, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., missing: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateConsumerRequest(_message.Message):
    __slots__ = ("stream", "config", "update_mask", "etag")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    stream: str
    config: _consumer_config_pb2.ConsumerConfig
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    def __init__(self, stream: _Optional[str] = ..., config: _Optional[_Union[_consumer_config_pb2.ConsumerConfig, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class UpdateConsumerResponse(_message.Message):
    __slots__ = ("consumer",)
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    consumer: Consumer
    def __init__(self, consumer: _Optional[_Union[Consumer, _Mapping]] = ...) -> None: ...

class DeleteConsumerRequest(_message.Message):
    __slots__ = ("stream", "consumer")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    stream: str
    consumer: str
    def __init__(self, stream: _Optional[str] = ..., consumer: _Optional[str] = ...) -> None: ...

class DeleteConsumerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PauseConsumerRequest(_message.Message):
    __slots__ = ("stream", "consumer", "pause_until", "pause_for")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    PAUSE_UNTIL_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FOR_FIELD_NUMBER: _ClassVar[int]
    stream: str
    consumer: str
    pause_until: _timestamp_pb2.Timestamp
    pause_for: _duration_pb2.Duration
    def __init__(self, stream: _Optional[str] = ..., consumer: _Optional[str] = ..., pause_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pause_for: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class PauseConsumerResponse(_message.Message):
    __slots__ = ("paused", "pause_until", "pause_remaining")
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    PAUSE_UNTIL_FIELD_NUMBER: _ClassVar[int]
    PAUSE_REMAINING_FIELD_NUMBER: _ClassVar[int]
    paused: bool
    pause_until: _timestamp_pb2.Timestamp
    pause_remaining: _duration_pb2.Duration
    def __init__(self, paused: _Optional[bool] = ..., pause_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pause_remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ResumeConsumerRequest(_message.Message):
    __slots__ = ("stream", "consumer")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    stream: str
    consumer: str
    def __init__(self, stream: _Optional[str] = ..., consumer: _Optional[str] = ...) -> None: ...

class ResumeConsumerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResetConsumerRequest(_message.Message):
    __slots__ = ("stream", "consumer", "sequence")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    stream: str
    consumer: str
    sequence: int
    def __init__(self, stream: _Optional[str] = ..., consumer: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...

class ResetConsumerResponse(_message.Message):
    __slots__ = ("consumer", "reset_sequence")
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    RESET_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    consumer: Consumer
    reset_sequence: int
    def __init__(self, consumer: _Optional[_Union[Consumer, _Mapping]] = ..., reset_sequence: _Optional[int] = ...) -> None: ...

class UnpinConsumerRequest(_message.Message):
    __slots__ = ("stream", "consumer", "group")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    stream: str
    consumer: str
    group: str
    def __init__(self, stream: _Optional[str] = ..., consumer: _Optional[str] = ..., group: _Optional[str] = ...) -> None: ...

class UnpinConsumerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Consumer(_message.Message):
    __slots__ = ("stream", "name", "config", "create_time", "state", "cluster", "etag")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    stream: str
    name: str
    config: _consumer_config_pb2.ConsumerConfig
    create_time: _timestamp_pb2.Timestamp
    state: ConsumerState
    cluster: _types_pb2.ClusterInfo
    etag: str
    def __init__(self, stream: _Optional[str] = ..., name: _Optional[str] = ..., config: _Optional[_Union[_consumer_config_pb2.ConsumerConfig, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[ConsumerState, _Mapping]] = ..., cluster: _Optional[_Union[_types_pb2.ClusterInfo, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class ConsumerState(_message.Message):
    __slots__ = ("delivered", "ack_floor", "num_ack_pending", "num_redelivered", "num_waiting", "num_pending", "paused", "pause_remaining", "priority_groups")
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    ACK_FLOOR_FIELD_NUMBER: _ClassVar[int]
    NUM_ACK_PENDING_FIELD_NUMBER: _ClassVar[int]
    NUM_REDELIVERED_FIELD_NUMBER: _ClassVar[int]
    NUM_WAITING_FIELD_NUMBER: _ClassVar[int]
    NUM_PENDING_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    PAUSE_REMAINING_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_GROUPS_FIELD_NUMBER: _ClassVar[int]
    delivered: SequencePair
    ack_floor: SequencePair
    num_ack_pending: int
    num_redelivered: int
    num_waiting: int
    num_pending: int
    paused: bool
    pause_remaining: _duration_pb2.Duration
    priority_groups: _containers.RepeatedCompositeFieldContainer[PriorityGroupState]
    def __init__(self, delivered: _Optional[_Union[SequencePair, _Mapping]] = ..., ack_floor: _Optional[_Union[SequencePair, _Mapping]] = ..., num_ack_pending: _Optional[int] = ..., num_redelivered: _Optional[int] = ..., num_waiting: _Optional[int] = ..., num_pending: _Optional[int] = ..., paused: _Optional[bool] = ..., pause_remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., priority_groups: _Optional[_Iterable[_Union[PriorityGroupState, _Mapping]]] = ...) -> None: ...

class PriorityGroupState(_message.Message):
    __slots__ = ("group", "pinned_client_id", "pinned_time")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PINNED_CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    PINNED_TIME_FIELD_NUMBER: _ClassVar[int]
    group: str
    pinned_client_id: str
    pinned_time: _timestamp_pb2.Timestamp
    def __init__(self, group: _Optional[str] = ..., pinned_client_id: _Optional[str] = ..., pinned_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SequencePair(_message.Message):
    __slots__ = ("consumer_sequence", "stream_sequence", "last_active")
    CONSUMER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STREAM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    consumer_sequence: int
    stream_sequence: int
    last_active: _timestamp_pb2.Timestamp
    def __init__(self, consumer_sequence: _Optional[int] = ..., stream_sequence: _Optional[int] = ..., last_active: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
