"""Encodes the frames of publish streams.

protobuf's own way, one object for each message, takes ten times as long (measured). So the part of a message that comes
before its payload is encoded once for each subject, and frames are put together from bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from jetgate.v1 import publish_message_pb2, publish_stream_pb2

# Tags of the contract: field number times 8, plus 2 for what has a length.
_FRAME_MESSAGES = b"\x12"  # PublishStreamRequest.messages = 2
_FIRST_NUMBER = b"\x08"  # PublishFrame.first_number = 1, a number
_MESSAGE = b"\x12"  # PublishFrame.messages = 2
_DATA = b"\x12"  # PublishRequest.data = 2

# How many subjects are remembered; a program with more pays for each message.
_SUBJECTS = 4096

# What every message with this subject begins with.
_heads: dict[str, bytes] = {}

# What precedes a payload of this length in a frame, behind this head.
_prefixes: dict[tuple[bytes, int], bytes] = {}


def plain_head(subject: str) -> bytes:
    """All that comes before the payload of a message with nothing but a subject."""
    head = _heads.get(subject)
    if head is None:
        if len(_heads) >= _SUBJECTS:
            _heads.clear()
        head = _heads[subject] = head_of(publish_message_pb2.PublishRequest(subject=subject))
    return head


def head_of(message: publish_message_pb2.PublishRequest) -> bytes:
    """All that comes before the payload. The message must have none: fields may come in any order."""
    return message.SerializeToString()


def with_message_id(head: bytes, message_id: str) -> bytes:
    """The head with another id: of a field that comes twice, the later one counts."""
    return head + publish_message_pb2.PublishRequest(message_id=message_id).SerializeToString()


def frame(first_number: int, messages: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A PublishStreamRequest with these messages, each a head and a payload."""
    parts = [_FIRST_NUMBER + varint(first_number)]
    for head, payload in messages:
        prefix = _prefixes.get((head, len(payload)))
        parts.append(prefix if prefix is not None else _prefix(head, len(payload)))
        parts.append(payload)
    body = b"".join(parts)
    return _FRAME_MESSAGES + varint(len(body)) + body


def opening(open: publish_stream_pb2.PublishOpen) -> bytes:
    return publish_stream_pb2.PublishStreamRequest(open=open).SerializeToString()


def ping() -> bytes:
    request = publish_stream_pb2.PublishStreamRequest()
    request.ping.SetInParent()
    return request.SerializeToString()


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(0x80 | (value & 0x7F))
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _prefix(head: bytes, length: int) -> bytes:
    # An empty payload is a field that is set all the same; to the gateway both are the same.
    data = _DATA + varint(length)
    prefix = _MESSAGE + varint(len(head) + len(data) + length) + head + data
    if len(_prefixes) >= _SUBJECTS:
        _prefixes.clear()
    _prefixes[(head, length)] = prefix
    return prefix
