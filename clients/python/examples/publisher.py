"""Publishes ten orders to the stream STREAM_NAME, each under the id of its business event.

The order's own number is its message id: however often this program is run, the stream keeps each order once while its
duplicate window lasts. An id made afresh for each attempt would protect nothing. TRACEPARENT, where it is set, goes
along as a header, so that whoever processes an order can tell which request it came from.
"""

from __future__ import annotations

import json
import os

import jetgate

STREAM = os.environ.get("STREAM_NAME", "ORDERS")
TRACE = os.environ.get("TRACEPARENT")


def main() -> None:
    headers = {"traceparent": TRACE} if TRACE else {}
    with jetgate.connect(os.environ.get("JETGATE_URL")) as client:
        client.create_stream(jetgate.StreamConfig(STREAM, subjects=[f"{STREAM.lower()}.>"]))
        with client.publisher(stream=STREAM, name="example-publisher") as publisher:
            published = []
            for number in range(1, 11):
                order = json.dumps({"order": number, "total": 10 * number})
                future = publisher.publish(
                    f"{STREAM.lower()}.new", order, message_id=f"order-{number}", headers=headers
                )
                published.append(future)
        for future in published:
            result = future.result()
            print(f"{result.message_id}: sequence {result.sequence}{', stored before' if result.duplicate else ''}")


if __name__ == "__main__":
    main()
