import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from jetgate.v1 import error_pb2 as _error_pb2
from jetgate.v1 import publish_message_pb2 as _publish_message_pb2
from jetgate.v1 import session_pb2 as _session_pb2
from jetgate.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PublishAckMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PUBLISH_ACK_MODE_UNSPECIFIED: _ClassVar[PublishAckMode]
    PUBLISH_ACK_MODE_PER_MESSAGE: _ClassVar[PublishAckMode]
    PUBLISH_ACK_MODE_CUMULATIVE: _ClassVar[PublishAckMode]

class PublishOrdering(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PUBLISH_ORDERING_UNSPECIFIED: _ClassVar[PublishOrdering]
    PUBLISH_ORDERING_NONE: _ClassVar[PublishOrdering]
    PUBLISH_ORDERING_STRICT: _ClassVar[PublishOrdering]

class PublishOnError(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PUBLISH_ON_ERROR_UNSPECIFIED: _ClassVar[PublishOnError]
    PUBLISH_ON_ERROR_CONTINUE: _ClassVar[PublishOnError]
    PUBLISH_ON_ERROR_HALT: _ClassVar[PublishOnError]

class PublishPath(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PUBLISH_PATH_UNSPECIFIED: _ClassVar[PublishPath]
    PUBLISH_PATH_PIPELINED: _ClassVar[PublishPath]
    PUBLISH_PATH_ONE_IN_FLIGHT: _ClassVar[PublishPath]
    PUBLISH_PATH_FAST_INGEST: _ClassVar[PublishPath]

class PublishStall(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PUBLISH_STALL_UNSPECIFIED: _ClassVar[PublishStall]
    PUBLISH_STALL_IN_FLIGHT: _ClassVar[PublishStall]
    PUBLISH_STALL_WINDOW_FULL: _ClassVar[PublishStall]
    PUBLISH_STALL_GATEWAY_FULL: _ClassVar[PublishStall]
    PUBLISH_STALL_HALTED: _ClassVar[PublishStall]
    PUBLISH_STALL_NATS_DISCONNECTED: _ClassVar[PublishStall]
PUBLISH_ACK_MODE_UNSPECIFIED: PublishAckMode
PUBLISH_ACK_MODE_PER_MESSAGE: PublishAckMode
PUBLISH_ACK_MODE_CUMULATIVE: PublishAckMode
PUBLISH_ORDERING_UNSPECIFIED: PublishOrdering
PUBLISH_ORDERING_NONE: PublishOrdering
PUBLISH_ORDERING_STRICT: PublishOrdering
PUBLISH_ON_ERROR_UNSPECIFIED: PublishOnError
PUBLISH_ON_ERROR_CONTINUE: PublishOnError
PUBLISH_ON_ERROR_HALT: PublishOnError
PUBLISH_PATH_UNSPECIFIED: PublishPath
PUBLISH_PATH_PIPELINED: PublishPath
PUBLISH_PATH_ONE_IN_FLIGHT: PublishPath
PUBLISH_PATH_FAST_INGEST: PublishPath
PUBLISH_STALL_UNSPECIFIED: PublishStall
PUBLISH_STALL_IN_FLIGHT: PublishStall
PUBLISH_STALL_WINDOW_FULL: PublishStall
PUBLISH_STALL_GATEWAY_FULL: PublishStall
PUBLISH_STALL_HALTED: PublishStall
PUBLISH_STALL_NATS_DISCONNECTED: PublishStall

class PublishStreamRequest(_message.Message):
    __slots__ = ("open", "messages", "resume", "ping", "credentials")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    open: PublishOpen
    messages: PublishFrame
    resume: PublishResume
    ping: _types_pb2.Ping
    credentials: _session_pb2.UpdateCredentials
    def __init__(self, open: _Optional[_Union[PublishOpen, _Mapping]] = ..., messages: _Optional[_Union[PublishFrame, _Mapping]] = ..., resume: _Optional[_Union[PublishResume, _Mapping]] = ..., ping: _Optional[_Union[_types_pb2.Ping, _Mapping]] = ..., credentials: _Optional[_Union[_session_pb2.UpdateCredentials, _Mapping]] = ...) -> None: ...

class PublishOpen(_message.Message):
    __slots__ = ("stream", "ack_mode", "ordering", "on_error", "max_in_flight", "max_in_flight_bytes", "publish_timeout", "producer_id", "resume", "mint_message_ids", "heartbeat_interval", "client_name")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    ACK_MODE_FIELD_NUMBER: _ClassVar[int]
    ORDERING_FIELD_NUMBER: _ClassVar[int]
    ON_ERROR_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    MINT_MESSAGE_IDS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    stream: str
    ack_mode: PublishAckMode
    ordering: PublishOrdering
    on_error: PublishOnError
    max_in_flight: int
    max_in_flight_bytes: int
    publish_timeout: _duration_pb2.Duration
    producer_id: str
    resume: bool
    mint_message_ids: bool
    heartbeat_interval: _duration_pb2.Duration
    client_name: str
    def __init__(self, stream: _Optional[str] = ..., ack_mode: _Optional[_Union[PublishAckMode, str]] = ..., ordering: _Optional[_Union[PublishOrdering, str]] = ..., on_error: _Optional[_Union[PublishOnError, str]] = ..., max_in_flight: _Optional[int] = ..., max_in_flight_bytes: _Optional[int] = ..., publish_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., producer_id: _Optional[str] = ..., resume: _Optional[bool] = ..., mint_message_ids: _Optional[bool] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., client_name: _Optional[str] = ...) -> None: ...

class PublishFrame(_message.Message):
    __slots__ = ("first_number", "messages")
    FIRST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    first_number: int
    messages: _containers.RepeatedCompositeFieldContainer[_publish_message_pb2.PublishRequest]
    def __init__(self, first_number: _Optional[int] = ..., messages: _Optional[_Iterable[_Union[_publish_message_pb2.PublishRequest, _Mapping]]] = ...) -> None: ...

class PublishResume(_message.Message):
    __slots__ = ("through",)
    THROUGH_FIELD_NUMBER: _ClassVar[int]
    through: int
    def __init__(self, through: _Optional[int] = ...) -> None: ...

class PublishStreamResponse(_message.Message):
    __slots__ = ("opened", "acks", "flow", "heartbeat", "draining", "pong")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    ACKS_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    opened: PublishOpened
    acks: PublishAcks
    flow: PublishFlow
    heartbeat: PublishHeartbeat
    draining: _session_pb2.Draining
    pong: _types_pb2.Pong
    def __init__(self, opened: _Optional[_Union[PublishOpened, _Mapping]] = ..., acks: _Optional[_Union[PublishAcks, _Mapping]] = ..., flow: _Optional[_Union[PublishFlow, _Mapping]] = ..., heartbeat: _Optional[_Union[PublishHeartbeat, _Mapping]] = ..., draining: _Optional[_Union[_session_pb2.Draining, _Mapping]] = ..., pong: _Optional[_Union[_types_pb2.Pong, _Mapping]] = ...) -> None: ...

class PublishOpened(_message.Message):
    __slots__ = ("session_id", "path", "ack_mode", "ordering", "on_error", "max_in_flight", "max_in_flight_bytes", "max_message_bytes", "publish_timeout", "heartbeat_interval", "ping_within", "producer_id", "duplicate_window")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    ACK_MODE_FIELD_NUMBER: _ClassVar[int]
    ORDERING_FIELD_NUMBER: _ClassVar[int]
    ON_ERROR_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    PING_WITHIN_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_ID_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_WINDOW_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    path: PublishPath
    ack_mode: PublishAckMode
    ordering: PublishOrdering
    on_error: PublishOnError
    max_in_flight: int
    max_in_flight_bytes: int
    max_message_bytes: int
    publish_timeout: _duration_pb2.Duration
    heartbeat_interval: _duration_pb2.Duration
    ping_within: _duration_pb2.Duration
    producer_id: str
    duplicate_window: _duration_pb2.Duration
    def __init__(self, session_id: _Optional[str] = ..., path: _Optional[_Union[PublishPath, str]] = ..., ack_mode: _Optional[_Union[PublishAckMode, str]] = ..., ordering: _Optional[_Union[PublishOrdering, str]] = ..., on_error: _Optional[_Union[PublishOnError, str]] = ..., max_in_flight: _Optional[int] = ..., max_in_flight_bytes: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., publish_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ping_within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., producer_id: _Optional[str] = ..., duplicate_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class PublishAcks(_message.Message):
    __slots__ = ("stored", "failed", "settled_through", "last_sequence")
    STORED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    SETTLED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    stored: _containers.RepeatedCompositeFieldContainer[PublishedRange]
    failed: _containers.RepeatedCompositeFieldContainer[PublishFailure]
    settled_through: int
    last_sequence: int
    def __init__(self, stored: _Optional[_Iterable[_Union[PublishedRange, _Mapping]]] = ..., failed: _Optional[_Iterable[_Union[PublishFailure, _Mapping]]] = ..., settled_through: _Optional[int] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class PublishedRange(_message.Message):
    __slots__ = ("first_number", "last_number", "first_sequence", "stream", "duplicate", "domain", "counter_value")
    FIRST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    COUNTER_VALUE_FIELD_NUMBER: _ClassVar[int]
    first_number: int
    last_number: int
    first_sequence: int
    stream: str
    duplicate: bool
    domain: str
    counter_value: str
    def __init__(self, first_number: _Optional[int] = ..., last_number: _Optional[int] = ..., first_sequence: _Optional[int] = ..., stream: _Optional[str] = ..., duplicate: _Optional[bool] = ..., domain: _Optional[str] = ..., counter_value: _Optional[str] = ...) -> None: ...

class PublishFailure(_message.Message):
    __slots__ = ("first_number", "last_number", "status")
    FIRST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    first_number: int
    last_number: int
    status: _error_pb2.ItemStatus
    def __init__(self, first_number: _Optional[int] = ..., last_number: _Optional[int] = ..., status: _Optional[_Union[_error_pb2.ItemStatus, _Mapping]] = ...) -> None: ...

class PublishFlow(_message.Message):
    __slots__ = ("max_in_flight_bytes", "max_in_flight_messages")
    MAX_IN_FLIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    max_in_flight_bytes: int
    max_in_flight_messages: int
    def __init__(self, max_in_flight_bytes: _Optional[int] = ..., max_in_flight_messages: _Optional[int] = ...) -> None: ...

class PublishHeartbeat(_message.Message):
    __slots__ = ("in_flight_messages", "in_flight_bytes", "settled_through", "stall")
    IN_FLIGHT_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    SETTLED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    STALL_FIELD_NUMBER: _ClassVar[int]
    in_flight_messages: int
    in_flight_bytes: int
    settled_through: int
    stall: PublishStall
    def __init__(self, in_flight_messages: _Optional[int] = ..., in_flight_bytes: _Optional[int] = ..., settled_through: _Optional[int] = ..., stall: _Optional[_Union[PublishStall, str]] = ...) -> None: ...
