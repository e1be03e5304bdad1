"""What the failures of a call say, and what several attempts come to. No I/O."""

from __future__ import annotations

import grpc
import pytest

import jetgate
from jetgate import _calls, errors
from jetgate._attempts import Attempts
from jetgate._transport import Transport, is_passing
from jetgate.credentials import Credentials
from jetgate.v1 import error_pb2, publisher_pb2


class Broken(grpc.RpcError):  # type: ignore[misc]
    """How a call of gRPC's fails."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self.code = lambda: code
        self.details = lambda: details
        self.trailing_metadata = lambda: ()


def test_later_attempts_do_not_take_back_that_a_message_may_be_stored() -> None:
    refused = Broken(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses; last error: refused")
    lost = Broken(grpc.StatusCode.UNAVAILABLE, "Socket closed")
    late = Broken(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    call = _calls.publish(jetgate.OutgoingMessage("a"))

    def attempts(timeout: float) -> Attempts[jetgate.PublishResult]:
        return Attempts(Transport(["http://127.0.0.1:9"], Credentials(), ()), call, timeout)

    several = attempts(60.0)
    for problem in (refused, lost, refused):
        assert several.failed(problem) > 0
    with pytest.raises(jetgate.PublishOutcomeUnknownError) as caught:
        several.failed(late)
    assert caught.value.metadata["message_id"] == call.request.message_id  # type: ignore[attr-defined]
    with pytest.raises(jetgate.UnavailableError):
        attempts(0.0).failed(refused)
    with pytest.raises(jetgate.PublishOutcomeUnknownError):
        attempts(0.0).failed(lost)


def test_a_batch_that_is_repeated_does_not_take_back_that_its_messages_may_be_stored() -> None:
    call = _calls.publish_batch([jetgate.OutgoingMessage("a", message_id=f"m{n}") for n in range(2)], "independent")
    results = [
        publisher_pb2.PublishResult(status=error_pb2.ItemStatus(code=5, reason="ERROR_REASON_STREAM_NOT_FOUND")),
        publisher_pb2.PublishResult(published=publisher_pb2.PublishResponse(sequence=7, duplicate=True)),
    ]
    response = publisher_pb2.PublishBatchResponse(results=results)
    attempts = Attempts(Transport(["http://127.0.0.1:9"], Credentials(), ()), call, 60.0)
    assert isinstance(attempts.read(response)[0], jetgate.NotFoundError)
    attempts.failed(Broken(grpc.StatusCode.UNAVAILABLE, "Socket closed"))
    refused, stored = attempts.read(response)
    assert isinstance(refused, jetgate.PublishOutcomeUnknownError)
    assert (refused.metadata["message_id"], isinstance(stored, jetgate.PublishResult)) == ("m0", True)


def test_a_reason_that_is_younger_than_the_client_is_judged_by_its_code() -> None:
    def retry(code: str, reason: str = "OF_TOMORROW") -> jetgate.Retry:
        return errors.make("", code=code, reason=reason).retry

    assert retry("UNAVAILABLE") == jetgate.Retry.LATER
    assert retry("RESOURCE_EXHAUSTED") == jetgate.Retry.LATER
    assert retry("RESOURCE_EXHAUSTED", "") == jetgate.Retry.UNSPECIFIED
    assert retry("ABORTED") == jetgate.Retry.AFTER_READ
    assert retry("NOT_FOUND") == jetgate.Retry.NEVER
    assert retry("UNAVAILABLE", "PUBLISH_OUTCOME_UNKNOWN") == jetgate.Retry.SAME_ID
    assert is_passing(errors.make("", code="UNAVAILABLE", reason="OF_TOMORROW"))
    item = errors.from_item(error_pb2.ItemStatus(code=14, reason=9999))  # type: ignore[arg-type]
    assert (item.code, item.reason, item.retry) == ("UNAVAILABLE", "REASON_9999", jetgate.Retry.LATER)
