"""What can go wrong, as exceptions that carry the gateway's reason and whether a retry helps.

Programs branch on the class or on `reason`, never on the message. The reasons are those of `ErrorReason` in
`jetgate/v1/error.proto`, without the prefix: "STREAM_NOT_FOUND".
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from jetgate.v1 import error_pb2

OUTCOME_UNKNOWN = "PUBLISH_OUTCOME_UNKNOWN"


class Retry(enum.Enum):
    """Whether repeating a failed call may help."""

    UNSPECIFIED = "unspecified"
    NEVER = "never"
    """The same request fails again."""
    LATER = "later"
    """The same request may succeed later; wait at least `retry_delay` where it is given."""
    SAME_ID = "same_id"
    """Safe only with the same message id, inside the stream's duplicate window."""
    AFTER_READ = "after_read"
    """Read the current state first, then decide."""


class JetgateError(Exception):
    """A call, or one message of it, failed."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "UNKNOWN",
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Mapping[str, str] | None = None,
        retry_delay: float | None = None,
    ) -> None:
        super().__init__(f"{code} {reason}: {message}" if reason else f"{code}: {message}")
        self.message = message
        self.code = code
        """The gRPC status: "NOT_FOUND"."""
        self.reason = reason
        """Why, in one word: "STREAM_NOT_FOUND". Empty where the gateway was not reached."""
        self.metadata = dict(metadata or {})
        """Facts that belong to the reason."""
        self.violations = dict(violations or {})
        """What is wrong with which field of the request."""
        self.retry_delay = retry_delay
        """How long to wait before a retry, in seconds, where the gateway says so."""

    @property
    def retry(self) -> Retry:
        """Whether repeating the call may help."""
        if not self.reason:
            return Retry.LATER if self.code in TRANSPORT_CODES else Retry.UNSPECIFIED
        known = _RETRIES.get(self.reason)
        # A reason that is younger than this client comes with a code that it knows.
        return known if known is not None else _RETRIES_BY_CODE.get(self.code, Retry.NEVER)

    @property
    def outcome_unknown(self) -> bool:
        """Whether a publish that failed may have been stored: repeat it with the same message id."""
        return self.reason == OUTCOME_UNKNOWN


class InvalidRequestError(JetgateError):
    """INVALID_ARGUMENT: the request is wrong whatever the state of the system."""


class NotFoundError(JetgateError):
    """NOT_FOUND: what the request names does not exist."""


class AlreadyExistsError(JetgateError):
    """ALREADY_EXISTS: what the request would create exists with other settings."""


class PermissionDeniedError(JetgateError):
    """PERMISSION_DENIED: the gateway or its NATS user may not do this."""


class UnauthenticatedError(JetgateError):
    """UNAUTHENTICATED: the caller did not prove who it is."""


class LimitReachedError(JetgateError):
    """RESOURCE_EXHAUSTED: a limit or a quota is reached."""


class FailedPreconditionError(JetgateError):
    """FAILED_PRECONDITION: the system is not in a state in which the request can work."""


class ConditionFailedError(JetgateError):
    """ABORTED: a condition that the caller set does not hold. Read again, then decide."""


class DeadlineExceededError(JetgateError):
    """DEADLINE_EXCEEDED: the time ran out."""


class UnavailableError(JetgateError):
    """UNAVAILABLE: not possible right now."""


class PublishOutcomeUnknownError(JetgateError):
    """The message was sent and no answer came: it may be stored. Repeat it with the same message id."""


class ClosedError(JetgateError):
    """The client, publisher or consumer was closed."""


_CLASSES = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "UNAUTHENTICATED": UnauthenticatedError,
    "RESOURCE_EXHAUSTED": LimitReachedError,
    "FAILED_PRECONDITION": FailedPreconditionError,
    "ABORTED": ConditionFailedError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "UNAVAILABLE": UnavailableError,
}

# What gRPC itself reports of connections that break, or that something between here and the gateway ended.
TRANSPORT_CODES = {"UNAVAILABLE", "CANCELLED", "UNKNOWN", "INTERNAL", "DEADLINE_EXCEEDED"}

# What a gateway means by a code, whatever its reason is.
_RETRIES_BY_CODE = {
    "UNAVAILABLE": Retry.LATER,
    "DEADLINE_EXCEEDED": Retry.LATER,
    "RESOURCE_EXHAUSTED": Retry.LATER,
    "ABORTED": Retry.AFTER_READ,
}

_CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
_PREFIX = "ERROR_REASON_"


def _retries() -> dict[str, Retry]:
    """The retryability of each reason, as the contract states it."""
    table = {}
    for value in error_pb2.ErrorReason.DESCRIPTOR.values:
        extension: Any = error_pb2.reason
        options: Any = value.GetOptions().Extensions[extension]
        name = error_pb2.Retry.Name(options.retry).removeprefix("RETRY_").removeprefix("WITH_").lower()
        table[value.name.removeprefix(_PREFIX)] = Retry(name)
    return table


_RETRIES = _retries()


def make(message: str, *, code: str, reason: str = "", **facts: Any) -> JetgateError:
    """The error of the class that its reason or code has."""
    if reason == OUTCOME_UNKNOWN:
        return PublishOutcomeUnknownError(message, code=code, reason=reason, **facts)
    return _CLASSES.get(code, JetgateError)(message, code=code, reason=reason, **facts)


def from_rpc(error: grpc.RpcError) -> JetgateError:
    """What a failed call says, with its details."""
    code: str = error.code().name
    facts: dict[str, Any] = {}
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            facts = _details(status_pb2.Status.FromString(value))
    return make(error.details() or "", code=code, **facts)


def from_item(status: error_pb2.ItemStatus) -> JetgateError:
    """What became of one message or acknowledgement that failed."""
    return make(
        status.message,
        code=_CODE_NAMES.get(status.code, "UNKNOWN"),
        reason=_reason(status.reason),
        metadata=status.metadata,
    )


def outcome_unknown(why: str, *, code: str = "UNAVAILABLE", message_id: str = "") -> PublishOutcomeUnknownError:
    """A message that was sent, and whose answer is lost."""
    facts = {"message_id": message_id} if message_id else {}
    text = f"the message may be stored: {why}"
    return PublishOutcomeUnknownError(text, code=code, reason=OUTCOME_UNKNOWN, metadata=facts)


def in_doubt(error: JetgateError, message_id: str) -> JetgateError:
    """What a failure comes to where an earlier attempt may have stored the message."""
    if error.outcome_unknown:
        return error
    code = "DEADLINE_EXCEEDED" if error.code == "DEADLINE_EXCEEDED" else "UNAVAILABLE"
    unknown = outcome_unknown(str(error), code=code, message_id=message_id)
    unknown.__cause__ = error
    return unknown


def _reason(number: int) -> str:
    """The reason's word; one that is younger than this client has its number only."""
    if not number:
        return ""
    value = error_pb2.ErrorReason.DESCRIPTOR.values_by_number.get(number)
    return f"REASON_{number}" if value is None else value.name.removeprefix(_PREFIX)


def _details(status: status_pb2.Status) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        wrong = error_details_pb2.BadRequest()
        wait = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            facts["reason"] = info.reason
            facts["metadata"] = info.metadata
        elif detail.Unpack(wrong):
            facts["violations"] = {violation.field: violation.description for violation in wrong.field_violations}
        elif detail.Unpack(wait):
            facts["retry_delay"] = wait.retry_delay.ToTimedelta().total_seconds()
    return facts
