import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from jetgate.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PurgeStreamRequest(_message.Message):
    __slots__ = ("stream", "filter", "up_to_sequence", "keep")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    UP_TO_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    stream: str
    filter: str
    up_to_sequence: int
    keep: int
    def __init__(self, stream: _Optional[str] = ..., filter: _Optional[str] = ..., up_to_sequence: _Optional[int] = ..., keep: _Optional[int] = ...) -> None: ...

class PurgeStreamResponse(_message.Message):
    __slots__ = ("purged",)
    PURGED_FIELD_NUMBER: _ClassVar[int]
    purged: int
    def __init__(self, purged: _Optional[int] = ...) -> None: ...

class GetMessageRequest(_message.Message):
    __slots__ = ("stream", "sequence", "last_by_subject", "next_by_subject", "payload_format")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_BY_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    NEXT_BY_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FORMAT_FIELD_NUMBER: _ClassVar[int]
    stream: str
    sequence: int
    last_by_subject: str
    next_by_subject: NextBySubject
    payload_format: _types_pb2.PayloadFormat
    def __init__(self, stream: _Optional[str] = ..., sequence: _Optional[int] = ..., last_by_subject: _Optional[str] = ..., next_by_subject: _Optional[_Union[NextBySubject, _Mapping]] = ..., payload_format: _Optional[_Union[_types_pb2.PayloadFormat, str]] = ...) -> None: ...

class NextBySubject(_message.Message):
    __slots__ = ("subject", "from_sequence")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    subject: str
    from_sequence: int
    def __init__(self, subject: _Optional[str] = ..., from_sequence: _Optional[int] = ...) -> None: ...

class GetMessageResponse(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: StoredMessage
    def __init__(self, message: _Optional[_Union[StoredMessage, _Mapping]] = ...) -> None: ...

class StoredMessage(_message.Message):
    __slots__ = ("stream", "subject", "sequence", "time", "message_id", "headers", "data", "text")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    stream: str
    subject: str
    sequence: int
    time: _timestamp_pb2.Timestamp
    message_id: str
    headers: _containers.RepeatedCompositeFieldContainer[_types_pb2.Header]
    data: bytes
    text: str
    def __init__(self, stream: _Optional[str] = ..., subject: _Optional[str] = ..., sequence: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., message_id: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[_types_pb2.Header, _Mapping]]] = ..., data: _Optional[bytes] = ..., text: _Optional[str] = ...) -> None: ...

class DeleteMessageRequest(_message.Message):
    __slots__ = ("stream", "sequence", "no_erase")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    NO_ERASE_FIELD_NUMBER: _ClassVar[int]
    stream: str
    sequence: int
    no_erase: bool
    def __init__(self, stream: _Optional[str] = ..., sequence: _Optional[int] = ..., no_erase: _Optional[bool] = ...) -> None: ...

class DeleteMessageResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSubjectsRequest(_message.Message):
    __slots__ = ("stream", "filter", "page_size", "page_token")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    stream: str
    filter: str
    page_size: int
    page_token: str
    def __init__(self, stream: _Optional[str] = ..., filter: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSubjectsResponse(_message.Message):
    __slots__ = ("subjects", "next_page_token", "total")
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    subjects: _containers.RepeatedCompositeFieldContainer[SubjectCount]
    next_page_token: str
    total: int
    def __init__(self, subjects: _Optional[_Iterable[_Union[SubjectCount, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...

class SubjectCount(_message.Message):
    __slots__ = ("subject", "messages")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    subject: str
    messages: int
    def __init__(self, subject: _Optional[str] = ..., messages: _Optional[int] = ...) -> None: ...
