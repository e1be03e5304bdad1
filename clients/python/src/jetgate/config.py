"""How streams and consumers are configured, and how they stand. Names and meanings are JetStream's own.

None is not set: the default is JetStream's, as `jetgate/v1/stream_config.proto` and `consumer_config.proto` say.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Duration = datetime.timedelta
Time = datetime.datetime

Retention = Literal["limits", "interest", "work_queue"]
Storage = Literal["file", "memory"]
Discard = Literal["old", "new"]
DeliverPolicy = Literal["all", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject"]
AckPolicy = Literal["explicit", "all", "none"]
ReplayPolicy = Literal["instant", "original"]
PriorityPolicy = Literal["none", "overflow", "pinned_client", "prioritized"]


@dataclass
class Placement:
    """Which servers may hold a stream."""

    cluster: str | None = None
    tags: Sequence[str] = ()


@dataclass
class ConsumerLimits:
    """Defaults and bounds for the consumers of a stream."""

    inactive_threshold: Duration | None = None
    max_ack_pending: int | None = None


@dataclass
class SubjectTransform:
    """How subjects change."""

    src: str | None = None
    dest: str | None = None


@dataclass
class Republish:
    """How stored messages are published again."""

    dest: str
    src: str | None = None
    headers_only: bool | None = None


@dataclass
class ExternalStream:
    """A stream in another account or JetStream domain."""

    api: str
    deliver: str | None = None


@dataclass
class StreamSourceConsumer:
    """The consumer that copies messages."""

    name: str
    deliver_subject: str


@dataclass
class StreamSource:
    """Where a stream gets messages of another one from."""

    name: str
    opt_start_seq: int | None = None
    opt_start_time: Time | None = None
    filter_subject: str | None = None
    subject_transforms: Sequence[SubjectTransform] = ()
    external: ExternalStream | None = None
    consumer: StreamSourceConsumer | None = None


@dataclass
class StreamConfig:
    """A stream's configuration."""

    name: str
    subjects: Sequence[str] = ()
    description: str | None = None
    retention: Retention | None = None
    storage: Storage | None = None
    num_replicas: int | None = None
    max_msgs: int | None = None
    max_bytes: int | None = None
    max_age: Duration | None = None
    max_msgs_per_subject: int | None = None
    max_msg_size: int | None = None
    max_consumers: int | None = None
    discard: Discard | None = None
    discard_new_per_subject: bool | None = None
    duplicate_window: Duration | None = None
    no_ack: bool | None = None
    placement: Placement | None = None
    compression: Literal["none", "s2"] | None = None
    first_seq: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    allow_msg_ttl: bool | None = None
    allow_rollup_hdrs: bool | None = None
    allow_msg_counter: bool | None = None
    deny_delete: bool | None = None
    deny_purge: bool | None = None
    allow_direct: bool | None = None
    sealed: bool | None = None
    consumer_limits: ConsumerLimits | None = None
    mirror: StreamSource | None = None
    sources: Sequence[StreamSource] = ()
    subject_transform: SubjectTransform | None = None
    republish: Republish | None = None
    mirror_direct: bool | None = None
    subject_delete_marker_ttl: Duration | None = None
    allow_atomic: bool | None = None
    allow_batched: bool | None = None
    allow_msg_schedules: bool | None = None
    persist_mode: Literal["default", "async"] | None = None


@dataclass
class ConsumerConfig:
    """A consumer's configuration. One of durable_name and name is required."""

    durable_name: str | None = None
    name: str | None = None
    description: str | None = None
    filter_subjects: Sequence[str] = ()
    filter_subject: str | None = None
    deliver_policy: DeliverPolicy | None = None
    opt_start_seq: int | None = None
    opt_start_time: Time | None = None
    ack_policy: AckPolicy | None = None
    ack_wait: Duration | None = None
    max_deliver: int | None = None
    backoff: Sequence[Duration] = ()
    max_ack_pending: int | None = None
    replay_policy: ReplayPolicy | None = None
    headers_only: bool | None = None
    max_waiting: int | None = None
    max_batch: int | None = None
    max_expires: Duration | None = None
    max_bytes: int | None = None
    inactive_threshold: Duration | None = None
    num_replicas: int | None = None
    mem_storage: bool | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    priority_groups: Sequence[str] = ()
    priority_policy: PriorityPolicy | None = None
    priority_timeout: Duration | None = None
    pause_until: Time | None = None
    sample_freq: int | None = None


@dataclass(frozen=True)
class StreamState:
    """What a stream holds."""

    messages: int = 0
    bytes: int = 0
    first_sequence: int = 0
    last_sequence: int = 0
    first_time: Time | None = None
    last_time: Time | None = None
    subject_count: int = 0
    deleted_count: int = 0
    consumer_count: int = 0


@dataclass(frozen=True)
class StreamInfo:
    """A stream: its configuration, with JetStream's defaults filled in, and its state."""

    config: StreamConfig
    state: StreamState
    create_time: Time | None = None
    etag: str = ""
    domain: str = ""


@dataclass(frozen=True)
class SequencePair:
    """A place in a consumer and in its stream."""

    consumer_sequence: int = 0
    stream_sequence: int = 0
    last_active: Time | None = None


@dataclass(frozen=True)
class ConsumerState:
    """How far a consumer has read and acknowledged."""

    delivered: SequencePair = SequencePair()
    ack_floor: SequencePair = SequencePair()
    num_ack_pending: int = 0
    num_redelivered: int = 0
    num_waiting: int = 0
    num_pending: int = 0
    paused: bool = False
    pause_remaining: Duration | None = None


@dataclass(frozen=True)
class ConsumerInfo:
    """A consumer: its configuration, with JetStream's defaults filled in, and its state."""

    stream: str
    name: str
    config: ConsumerConfig
    state: ConsumerState
    create_time: Time | None = None
    etag: str = ""


@dataclass(frozen=True)
class FieldChange:
    """One setting that applying a configuration changes."""

    field: str = ""
    old_value: str = ""
    new_value: str = ""
    possible: bool = False
    remedy: str = ""


@dataclass(frozen=True)
class AppliedStream:
    """What applying a stream's configuration did, or would do."""

    outcome: Literal["created", "updated", "unchanged"] | None
    changes: Sequence[FieldChange] = ()
    stream: StreamInfo | None = None


@dataclass(frozen=True)
class AppliedConsumer:
    """What applying a consumer's configuration did, or would do."""

    outcome: Literal["created", "updated", "unchanged"] | None
    changes: Sequence[FieldChange] = ()
    consumer: ConsumerInfo | None = None
