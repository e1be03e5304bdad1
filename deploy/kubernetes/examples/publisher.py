"""Publishes user events: one every INTERVAL seconds, until SIGTERM.

JETGATE_URL says where the gateway is, JETGATE_API_KEY who calls, SUBJECT_PREFIX what subjects begin with. COUNT ends
the program after so many events.
"""

import itertools
import json
import logging
import os
import random
import signal
import socket
import threading
import time
import uuid

import jetgate

log = logging.getLogger("publisher")


def events():
    """Events as a shop would make them. The id is the event's own: whoever tells of it again uses the same."""
    for number in itertools.count(1):
        kind = random.choice(["registration", "login", "logout"])
        yield {"event_id": str(uuid.uuid4()), "number": number, "kind": kind, "user_id": random.randrange(1000),
               "publisher": socket.gethostname(), "at": time.time()}


def main():
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    prefix = os.environ.get("SUBJECT_PREFIX", "users")
    interval = float(os.environ.get("INTERVAL", "1"))
    count = int(os.environ.get("COUNT", "0"))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    failed = 0
    with jetgate.connect() as client:
        for event in itertools.islice(events(), count or None):
            if stop.is_set():
                break
            try:
                # The client tries again by itself, with the same id: what is stored is stored once. What still
                # fails here belongs into the program's own outbox, if it must not be lost.
                stored = client.publish(f"{prefix}.{event['kind']}", json.dumps(event), message_id=event["event_id"])
                log.info("event %d is %s/%d%s", event["number"], stored.stream, stored.sequence,
                         ", told before" if stored.duplicate else "")
            except jetgate.JetgateError as error:
                failed += 1
                log.error("event %d is not known to be stored: %s", event["number"], error)
            stop.wait(interval)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
