"""Which metrics a query names, and which there are."""

import re

from chart import ROOT

# Of prometheus-nats-exporter 0.20.1 with -prefix=nats -jsz=all, as far as rules and dashboards may use them.
EXPORTER = {
    *(f"nats_server_{name}" for name in [
        "jetstream_disabled", "total_streams", "total_consumers", "total_messages", "total_message_bytes",
        "max_memory", "max_storage"]),
    *(f"nats_account_{name}" for name in ["max_memory", "max_storage", "storage_used", "memory_used"]),
    *(f"nats_stream_{name}" for name in [
        "total_messages", "limit_messages", "total_bytes", "limit_bytes", "first_seq", "last_seq",
        "consumer_count", "subject_count"]),
    *(f"nats_consumer_{name}" for name in [
        "delivered_consumer_seq", "delivered_stream_seq", "last_delivery_seconds", "last_ack_seconds",
        "num_ack_pending", "num_redelivered", "num_waiting", "num_pending", "ack_floor_stream_seq",
        "ack_floor_consumer_seq"]),
}

WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "inf"}


def names(query):
    """The metrics that a PromQL expression names."""
    query = re.sub(r'"[^"]*"', '""', query)
    query = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\$\w+", " ", query)
    query = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", query)
    return {word for word in re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*\b(?!\s*\()", query) if word not in WORDS}


def known():
    """Those of the reference page, which the gateway's own tests hold to the code; the exporter's; Prometheus' own."""
    found = set(EXPORTER) | {"up"}
    page = (ROOT / "deploy" / "metrics.md").read_text()
    for name, kind in re.findall(r"(?m)^\| `(\w+)` \| (\w+) \|", page):
        found |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return found
