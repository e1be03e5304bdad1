from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatusCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_CODE_UNSPECIFIED: _ClassVar[StatusCode]
    STATUS_CODE_INVALID_ARGUMENT: _ClassVar[StatusCode]
    STATUS_CODE_DEADLINE_EXCEEDED: _ClassVar[StatusCode]
    STATUS_CODE_NOT_FOUND: _ClassVar[StatusCode]
    STATUS_CODE_ALREADY_EXISTS: _ClassVar[StatusCode]
    STATUS_CODE_PERMISSION_DENIED: _ClassVar[StatusCode]
    STATUS_CODE_RESOURCE_EXHAUSTED: _ClassVar[StatusCode]
    STATUS_CODE_FAILED_PRECONDITION: _ClassVar[StatusCode]
    STATUS_CODE_ABORTED: _ClassVar[StatusCode]
    STATUS_CODE_UNIMPLEMENTED: _ClassVar[StatusCode]
    STATUS_CODE_INTERNAL: _ClassVar[StatusCode]
    STATUS_CODE_UNAVAILABLE: _ClassVar[StatusCode]
    STATUS_CODE_UNAUTHENTICATED: _ClassVar[StatusCode]

class Retry(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETRY_UNSPECIFIED: _ClassVar[Retry]
    RETRY_NEVER: _ClassVar[Retry]
    RETRY_LATER: _ClassVar[Retry]
    RETRY_WITH_SAME_ID: _ClassVar[Retry]
    RETRY_AFTER_READ: _ClassVar[Retry]

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_REQUEST: _ClassVar[ErrorReason]
    ERROR_REASON_MALFORMED_REQUEST: _ClassVar[ErrorReason]
    ERROR_REASON_MESSAGE_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_TOKEN: _ClassVar[ErrorReason]
    ERROR_REASON_REJECTED_BY_JETSTREAM: _ClassVar[ErrorReason]
    ERROR_REASON_UNEXPECTED_FRAME: _ClassVar[ErrorReason]
    ERROR_REASON_RESUME_TOKEN_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_STREAM_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_CONSUMER_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_NO_STREAM_FOR_SUBJECT: _ClassVar[ErrorReason]
    ERROR_REASON_MESSAGE_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_DEAD_LETTER_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_SESSION_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_STREAM_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_CONSUMER_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_DUPLICATE_MESSAGE_ID: _ClassVar[ErrorReason]
    ERROR_REASON_WRONG_LAST_SEQUENCE: _ClassVar[ErrorReason]
    ERROR_REASON_WRONG_LAST_MESSAGE_ID: _ClassVar[ErrorReason]
    ERROR_REASON_STALE_ETAG: _ClassVar[ErrorReason]
    ERROR_REASON_POSITION_LOST: _ClassVar[ErrorReason]
    ERROR_REASON_PRECEDING_FAILED: _ClassVar[ErrorReason]
    ERROR_REASON_WRONG_STREAM: _ClassVar[ErrorReason]
    ERROR_REASON_STREAM_WITHOUT_ACKS: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_ENABLED_ON_STREAM: _ClassVar[ErrorReason]
    ERROR_REASON_SUBJECTS_OVERLAP: _ClassVar[ErrorReason]
    ERROR_REASON_JETSTREAM_NOT_ENABLED: _ClassVar[ErrorReason]
    ERROR_REASON_CONSUMER_IS_PUSH: _ClassVar[ErrorReason]
    ERROR_REASON_IMMUTABLE_FIELD: _ClassVar[ErrorReason]
    ERROR_REASON_FAILED_PRECONDITION: _ClassVar[ErrorReason]
    ERROR_REASON_STALE_TOKEN: _ClassVar[ErrorReason]
    ERROR_REASON_LEASE_EXPIRED: _ClassVar[ErrorReason]
    ERROR_REASON_CONSUMER_WITHOUT_ACKS: _ClassVar[ErrorReason]
    ERROR_REASON_PRIORITY_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_BATCH_SPANS_STREAMS: _ClassVar[ErrorReason]
    ERROR_REASON_NATS_LOGIN_FAILED: _ClassVar[ErrorReason]
    ERROR_REASON_DEAD_LETTERS_NOT_CONFIGURED: _ClassVar[ErrorReason]
    ERROR_REASON_DEAD_LETTER_WITHOUT_MESSAGE: _ClassVar[ErrorReason]
    ERROR_REASON_JETSTREAM_LIMIT: _ClassVar[ErrorReason]
    ERROR_REASON_STREAM_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_CONSUMERS: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_REQUESTS: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_SESSIONS: _ClassVar[ErrorReason]
    ERROR_REASON_CALLER_LIMIT: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_TENANTS: _ClassVar[ErrorReason]
    ERROR_REASON_BUFFERS_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_NATS_PERMISSION_DENIED: _ClassVar[ErrorReason]
    ERROR_REASON_DISABLED_BY_OPERATOR: _ClassVar[ErrorReason]
    ERROR_REASON_PERMISSION_DENIED: _ClassVar[ErrorReason]
    ERROR_REASON_NO_TENANT: _ClassVar[ErrorReason]
    ERROR_REASON_UNAUTHENTICATED: _ClassVar[ErrorReason]
    ERROR_REASON_NATS_DISCONNECTED: _ClassVar[ErrorReason]
    ERROR_REASON_JETSTREAM_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_DRAINING: _ClassVar[ErrorReason]
    ERROR_REASON_PUBLISH_OUTCOME_UNKNOWN: _ClassVar[ErrorReason]
    ERROR_REASON_ACK_OUTCOME_UNKNOWN: _ClassVar[ErrorReason]
    ERROR_REASON_PINGS_MISSED: _ClassVar[ErrorReason]
    ERROR_REASON_BATCH_INCOMPLETE: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_KEYS_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_METHOD_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
STATUS_CODE_UNSPECIFIED: StatusCode
STATUS_CODE_INVALID_ARGUMENT: StatusCode
STATUS_CODE_DEADLINE_EXCEEDED: StatusCode
STATUS_CODE_NOT_FOUND: StatusCode
STATUS_CODE_ALREADY_EXISTS: StatusCode
STATUS_CODE_PERMISSION_DENIED: StatusCode
STATUS_CODE_RESOURCE_EXHAUSTED: StatusCode
STATUS_CODE_FAILED_PRECONDITION: StatusCode
STATUS_CODE_ABORTED: StatusCode
STATUS_CODE_UNIMPLEMENTED: StatusCode
STATUS_CODE_INTERNAL: StatusCode
STATUS_CODE_UNAVAILABLE: StatusCode
STATUS_CODE_UNAUTHENTICATED: StatusCode
RETRY_UNSPECIFIED: Retry
RETRY_NEVER: Retry
RETRY_LATER: Retry
RETRY_WITH_SAME_ID: Retry
RETRY_AFTER_READ: Retry
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_INVALID_REQUEST: ErrorReason
ERROR_REASON_MALFORMED_REQUEST: ErrorReason
ERROR_REASON_MESSAGE_TOO_LARGE: ErrorReason
ERROR_REASON_INVALID_TOKEN: ErrorReason
ERROR_REASON_REJECTED_BY_JETSTREAM: ErrorReason
ERROR_REASON_UNEXPECTED_FRAME: ErrorReason
ERROR_REASON_RESUME_TOKEN_MISMATCH: ErrorReason
ERROR_REASON_STREAM_NOT_FOUND: ErrorReason
ERROR_REASON_CONSUMER_NOT_FOUND: ErrorReason
ERROR_REASON_NO_STREAM_FOR_SUBJECT: ErrorReason
ERROR_REASON_MESSAGE_NOT_FOUND: ErrorReason
ERROR_REASON_DEAD_LETTER_NOT_FOUND: ErrorReason
ERROR_REASON_SESSION_NOT_FOUND: ErrorReason
ERROR_REASON_STREAM_EXISTS: ErrorReason
ERROR_REASON_CONSUMER_EXISTS: ErrorReason
ERROR_REASON_DUPLICATE_MESSAGE_ID: ErrorReason
ERROR_REASON_WRONG_LAST_SEQUENCE: ErrorReason
ERROR_REASON_WRONG_LAST_MESSAGE_ID: ErrorReason
ERROR_REASON_STALE_ETAG: ErrorReason
ERROR_REASON_POSITION_LOST: ErrorReason
ERROR_REASON_PRECEDING_FAILED: ErrorReason
ERROR_REASON_WRONG_STREAM: ErrorReason
ERROR_REASON_STREAM_WITHOUT_ACKS: ErrorReason
ERROR_REASON_NOT_ENABLED_ON_STREAM: ErrorReason
ERROR_REASON_SUBJECTS_OVERLAP: ErrorReason
ERROR_REASON_JETSTREAM_NOT_ENABLED: ErrorReason
ERROR_REASON_CONSUMER_IS_PUSH: ErrorReason
ERROR_REASON_IMMUTABLE_FIELD: ErrorReason
ERROR_REASON_FAILED_PRECONDITION: ErrorReason
ERROR_REASON_STALE_TOKEN: ErrorReason
ERROR_REASON_LEASE_EXPIRED: ErrorReason
ERROR_REASON_CONSUMER_WITHOUT_ACKS: ErrorReason
ERROR_REASON_PRIORITY_MISMATCH: ErrorReason
ERROR_REASON_BATCH_SPANS_STREAMS: ErrorReason
ERROR_REASON_NATS_LOGIN_FAILED: ErrorReason
ERROR_REASON_DEAD_LETTERS_NOT_CONFIGURED: ErrorReason
ERROR_REASON_DEAD_LETTER_WITHOUT_MESSAGE: ErrorReason
ERROR_REASON_JETSTREAM_LIMIT: ErrorReason
ERROR_REASON_STREAM_FULL: ErrorReason
ERROR_REASON_TOO_MANY_CONSUMERS: ErrorReason
ERROR_REASON_TOO_MANY_REQUESTS: ErrorReason
ERROR_REASON_TOO_MANY_SESSIONS: ErrorReason
ERROR_REASON_CALLER_LIMIT: ErrorReason
ERROR_REASON_TOO_MANY_TENANTS: ErrorReason
ERROR_REASON_BUFFERS_FULL: ErrorReason
ERROR_REASON_NATS_PERMISSION_DENIED: ErrorReason
ERROR_REASON_DISABLED_BY_OPERATOR: ErrorReason
ERROR_REASON_PERMISSION_DENIED: ErrorReason
ERROR_REASON_NO_TENANT: ErrorReason
ERROR_REASON_UNAUTHENTICATED: ErrorReason
ERROR_REASON_NATS_DISCONNECTED: ErrorReason
ERROR_REASON_JETSTREAM_UNAVAILABLE: ErrorReason
ERROR_REASON_DRAINING: ErrorReason
ERROR_REASON_PUBLISH_OUTCOME_UNKNOWN: ErrorReason
ERROR_REASON_ACK_OUTCOME_UNKNOWN: ErrorReason
ERROR_REASON_PINGS_MISSED: ErrorReason
ERROR_REASON_BATCH_INCOMPLETE: ErrorReason
ERROR_REASON_TOKEN_KEYS_UNAVAILABLE: ErrorReason
ERROR_REASON_DEADLINE_EXCEEDED: ErrorReason
ERROR_REASON_METHOD_NOT_FOUND: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
REASON_FIELD_NUMBER: _ClassVar[int]
reason: _descriptor.FieldDescriptor

class ReasonOptions(_message.Message):
    __slots__ = ("code", "retry")
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    code: StatusCode
    retry: Retry
    def __init__(self, code: _Optional[_Union[StatusCode, str]] = ..., retry: _Optional[_Union[Retry, str]] = ...) -> None: ...

class ItemStatus(_message.Message):
    __slots__ = ("code", "reason", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: ErrorReason
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[_Union[ErrorReason, str]] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...
