from jetgate.v1 import error_pb2 as _error_pb2
from jetgate.v1 import publish_message_pb2 as _publish_message_pb2
from jetgate.v1 import publish_stream_pb2 as _publish_stream_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PublishBatchMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PUBLISH_BATCH_MODE_UNSPECIFIED: _ClassVar[PublishBatchMode]
    PUBLISH_BATCH_MODE_INDEPENDENT: _ClassVar[PublishBatchMode]
    PUBLISH_BATCH_MODE_ORDERED_STOP_ON_ERROR: _ClassVar[PublishBatchMode]
    PUBLISH_BATCH_MODE_ATOMIC: _ClassVar[PublishBatchMode]
PUBLISH_BATCH_MODE_UNSPECIFIED: PublishBatchMode
PUBLISH_BATCH_MODE_INDEPENDENT: PublishBatchMode
PUBLISH_BATCH_MODE_ORDERED_STOP_ON_ERROR: PublishBatchMode
PUBLISH_BATCH_MODE_ATOMIC: PublishBatchMode

class PublishResponse(_message.Message):
    __slots__ = ("stream", "sequence", "duplicate", "message_id", "domain", "counter_value")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    COUNTER_VALUE_FIELD_NUMBER: _ClassVar[int]
    stream: str
    sequence: int
    duplicate: bool
    message_id: str
    domain: str
    counter_value: str
    def __init__(self, stream: _Optional[str] = ..., sequence: _Optional[int] = ..., duplicate: _Optional[bool] = ..., message_id: _Optional[str] = ..., domain: _Optional[str] = ..., counter_value: _Optional[str] = ...) -> None: ...

class PublishBatchRequest(_message.Message):
    __slots__ = ("messages", "mode", "mint_message_ids")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    MINT_MESSAGE_IDS_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[_publish_message_pb2.PublishRequest]
    mode: PublishBatchMode
    mint_message_ids: bool
    def __init__(self, messages: _Optional[_Iterable[_Union[_publish_message_pb2.PublishRequest, _Mapping]]] = ..., mode: _Optional[_Union[PublishBatchMode, str]] = ..., mint_message_ids: _Optional[bool] = ...) -> None: ...

class PublishBatchResponse(_message.Message):
    __slots__ = ("results", "failed_count")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[PublishResult]
    failed_count: int
    def __init__(self, results: _Optional[_Iterable[_Union[PublishResult, _Mapping]]] = ..., failed_count: _Optional[int] = ...) -> None: ...

class PublishResult(_message.Message):
    __slots__ = ("status", "published")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    status: _error_pb2.ItemStatus
    published: PublishResponse
    def __init__(self, status: _Optional[_Union[_error_pb2.ItemStatus, _Mapping]] = ..., published: _Optional[_Union[PublishResponse, _Mapping]] = ...) -> None: ...
