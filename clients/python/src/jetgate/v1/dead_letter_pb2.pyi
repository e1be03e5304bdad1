import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from jetgate.v1 import error_pb2 as _error_pb2
from jetgate.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeadLetterCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEAD_LETTER_CAUSE_UNSPECIFIED: _ClassVar[DeadLetterCause]
    DEAD_LETTER_CAUSE_MAX_DELIVERIES: _ClassVar[DeadLetterCause]
    DEAD_LETTER_CAUSE_TERMINATED: _ClassVar[DeadLetterCause]
    DEAD_LETTER_CAUSE_REMOVED: _ClassVar[DeadLetterCause]

class DeadLetterOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEAD_LETTER_ORDER_UNSPECIFIED: _ClassVar[DeadLetterOrder]
    DEAD_LETTER_ORDER_NEWEST_FIRST: _ClassVar[DeadLetterOrder]
    DEAD_LETTER_ORDER_OLDEST_FIRST: _ClassVar[DeadLetterOrder]
DEAD_LETTER_CAUSE_UNSPECIFIED: DeadLetterCause
DEAD_LETTER_CAUSE_MAX_DELIVERIES: DeadLetterCause
DEAD_LETTER_CAUSE_TERMINATED: DeadLetterCause
DEAD_LETTER_CAUSE_REMOVED: DeadLetterCause
DEAD_LETTER_ORDER_UNSPECIFIED: DeadLetterOrder
DEAD_LETTER_ORDER_NEWEST_FIRST: DeadLetterOrder
DEAD_LETTER_ORDER_OLDEST_FIRST: DeadLetterOrder

class DeadLetterFilter(_message.Message):
    __slots__ = ("stream", "consumer", "subject", "cause", "until", "letter_ids")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    LETTER_IDS_FIELD_NUMBER: _ClassVar[int]
    stream: str
    consumer: str
    subject: str
    cause: DeadLetterCause
    until: _timestamp_pb2.Timestamp
    letter_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, stream: _Optional[str] = ..., consumer: _Optional[str] = ..., subject: _Optional[str] = ..., cause: _Optional[_Union[DeadLetterCause, str]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., letter_ids: _Optional[_Iterable[str]] = ..., **kwargs) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("letter_id", "stream", "sequence", "consumer", "consumer_created", "cause", "reason", "deliveries", "time", "subject", "publish_time", "message_id", "has_message", "not_carried", "letter_sequence")
    LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_CREATED_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    HAS_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    NOT_CARRIED_FIELD_NUMBER: _ClassVar[int]
    LETTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    letter_id: str
    stream: str
    sequence: int
    consumer: str
    consumer_created: _timestamp_pb2.Timestamp
    cause: DeadLetterCause
    reason: str
    deliveries: int
    time: _timestamp_pb2.Timestamp
    subject: str
    publish_time: _timestamp_pb2.Timestamp
    message_id: str
    has_message: bool
    not_carried: _containers.RepeatedScalarFieldContainer[str]
    letter_sequence: int
    def __init__(self, letter_id: _Optional[str] = ..., stream: _Optional[str] = ..., sequence: _Optional[int] = ..., consumer: _Optional[str] = ..., consumer_created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cause: _Optional[_Union[DeadLetterCause, str]] = ..., reason: _Optional[str] = ..., deliveries: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., subject: _Optional[str] = ..., publish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., message_id: _Optional[str] = ..., has_message: _Optional[bool] = ..., not_carried: _Optional[_Iterable[str]] = ..., letter_sequence: _Optional[int] = ...) -> None: ...

class ListDeadLettersRequest(_message.Message):
    __slots__ = ("filter", "order", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: DeadLetterFilter
    order: DeadLetterOrder
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[DeadLetterFilter, _Mapping]] = ..., order: _Optional[_Union[DeadLetterOrder, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDeadLettersResponse(_message.Message):
    __slots__ = ("letters", "next_page_token")
    LETTERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    letters: _containers.RepeatedCompositeFieldContainer[DeadLetter]
    next_page_token: str
    def __init__(self, letters: _Optional[_Iterable[_Union[DeadLetter, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDeadLetterRequest(_message.Message):
    __slots__ = ("letter_id", "payload_format")
    LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FORMAT_FIELD_NUMBER: _ClassVar[int]
    letter_id: str
    payload_format: _types_pb2.PayloadFormat
    def __init__(self, letter_id: _Optional[str] = ..., payload_format: _Optional[_Union[_types_pb2.PayloadFormat, str]] = ...) -> None: ...

class GetDeadLetterResponse(_message.Message):
    __slots__ = ("letter", "headers", "data", "text", "replays")
    LETTER_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REPLAYS_FIELD_NUMBER: _ClassVar[int]
    letter: DeadLetter
    headers: _containers.RepeatedCompositeFieldContainer[_types_pb2.Header]
    data: bytes
    text: str
    replays: _containers.RepeatedCompositeFieldContainer[DeadLetterReplay]
    def __init__(self, letter: _Optional[_Union[DeadLetter, _Mapping]] = ..., headers: _Optional[_Iterable[_Union[_types_pb2.Header, _Mapping]]] = ..., data: _Optional[bytes] = ..., text: _Optional[str] = ..., replays: _Optional[_Iterable[_Union[DeadLetterReplay, _Mapping]]] = ...) -> None: ...

class DeadLetterReplay(_message.Message):
    __slots__ = ("replay_id", "time", "sequence")
    REPLAY_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    replay_id: str
    time: _timestamp_pb2.Timestamp
    sequence: int
    def __init__(self, replay_id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sequence: _Optional[int] = ...) -> None: ...

class ReplayDeadLettersRequest(_message.Message):
    __slots__ = ("filter", "all", "replay_id", "dry_run", "rate")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    REPLAY_ID_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    filter: DeadLetterFilter
    all: bool
    replay_id: str
    dry_run: bool
    rate: int
    def __init__(self, filter: _Optional[_Union[DeadLetterFilter, _Mapping]] = ..., all: _Optional[bool] = ..., replay_id: _Optional[str] = ..., dry_run: _Optional[bool] = ..., rate: _Optional[int] = ...) -> None: ...

class ReplayDeadLettersResponse(_message.Message):
    __slots__ = ("letter", "summary")
    LETTER_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    letter: ReplayedLetter
    summary: ReplaySummary
    def __init__(self, letter: _Optional[_Union[ReplayedLetter, _Mapping]] = ..., summary: _Optional[_Union[ReplaySummary, _Mapping]] = ...) -> None: ...

class ReplayedLetter(_message.Message):
    __slots__ = ("letter_id", "subject", "stream", "sequence", "duplicate", "headers_left_out", "status")
    LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    letter_id: str
    subject: str
    stream: str
    sequence: int
    duplicate: bool
    headers_left_out: _containers.RepeatedScalarFieldContainer[str]
    status: _error_pb2.ItemStatus
    def __init__(self, letter_id: _Optional[str] = ..., subject: _Optional[str] = ..., stream: _Optional[str] = ..., sequence: _Optional[int] = ..., duplicate: _Optional[bool] = ..., headers_left_out: _Optional[_Iterable[str]] = ..., status: _Optional[_Union[_error_pb2.ItemStatus, _Mapping]] = ...) -> None: ...

class ReplaySummary(_message.Message):
    __slots__ = ("published", "duplicates", "failed", "complete")
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    published: int
    duplicates: int
    failed: int
    complete: bool
    def __init__(self, published: _Optional[int] = ..., duplicates: _Optional[int] = ..., failed: _Optional[int] = ..., complete: _Optional[bool] = ...) -> None: ...

class PurgeDeadLettersRequest(_message.Message):
    __slots__ = ("filter", "all", "dry_run")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    filter: DeadLetterFilter
    all: bool
    dry_run: bool
    def __init__(self, filter: _Optional[_Union[DeadLetterFilter, _Mapping]] = ..., all: _Optional[bool] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class PurgeDeadLettersResponse(_message.Message):
    __slots__ = ("purged", "complete")
    PURGED_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    purged: int
    complete: bool
    def __init__(self, purged: _Optional[int] = ..., complete: _Optional[bool] = ...) -> None: ...
