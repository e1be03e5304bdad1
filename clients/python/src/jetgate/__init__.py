"""Client of jetgate, the gRPC gateway to NATS JetStream, for programs with threads. `jetgate.aio` is for asyncio.

>>> import jetgate
>>> with jetgate.connect("http://127.0.0.1:50051") as client:  # doctest: +SKIP
...     print(client.publish("orders.new", "hello"))
"""

from jetgate._calls import BatchMode
from jetgate._options import ConsumerOptions, ReaderOptions
from jetgate.client import Client, connect
from jetgate.config import (
    AppliedConsumer,
    AppliedStream,
    ConsumerConfig,
    ConsumerInfo,
    ConsumerLimits,
    ExternalStream,
    FieldChange,
    Placement,
    Republish,
    StreamConfig,
    StreamInfo,
    StreamSource,
    StreamSourceConsumer,
    SubjectTransform,
)
from jetgate.consumer import Consumer, Message
from jetgate.credentials import Credentials
from jetgate.errors import (
    AlreadyExistsError,
    ClosedError,
    ConditionFailedError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidRequestError,
    JetgateError,
    LimitReachedError,
    NotFoundError,
    PermissionDeniedError,
    PublishOutcomeUnknownError,
    Retry,
    UnauthenticatedError,
    UnavailableError,
)
from jetgate.message import ReceivedMessage, StoredMessage
from jetgate.messages import Expect, OutgoingMessage, PublishResult, Schedule
from jetgate.publisher import Publisher, PublisherOptions, PublishFuture
from jetgate.reader import Reader

__all__ = [
    "AlreadyExistsError",
    "AppliedConsumer",
    "AppliedStream",
    "BatchMode",
    "Client",
    "ClosedError",
    "ConditionFailedError",
    "Consumer",
    "ConsumerConfig",
    "ConsumerInfo",
    "ConsumerLimits",
    "ConsumerOptions",
    "Credentials",
    "DeadlineExceededError",
    "Expect",
    "ExternalStream",
    "FailedPreconditionError",
    "FieldChange",
    "InvalidRequestError",
    "JetgateError",
    "LimitReachedError",
    "Message",
    "NotFoundError",
    "OutgoingMessage",
    "PermissionDeniedError",
    "Placement",
    "PublishFuture",
    "PublishOutcomeUnknownError",
    "PublishResult",
    "Publisher",
    "PublisherOptions",
    "Reader",
    "ReaderOptions",
    "ReceivedMessage",
    "Republish",
    "Retry",
    "Schedule",
    "StoredMessage",
    "StreamConfig",
    "StreamInfo",
    "StreamSource",
    "StreamSourceConsumer",
    "SubjectTransform",
    "UnauthenticatedError",
    "UnavailableError",
    "connect",
]
