"""Works on user events: takes messages of CONSUMER_NAME of STREAM_NAME, a few at a time, until SIGTERM.

JETGATE_URL says where the gateway is, JETGATE_API_KEY who calls. Any number of these programs share the consumer.
"""

import logging
import os
import signal
import socket
import threading

import jetgate

log = logging.getLogger("consumer")


def work(message):
    """Returning acknowledges. Raising gives the message back: it comes again, here or elsewhere."""
    try:
        event = message.json()
        event_id, kind = event["event_id"], event["kind"]
    except (ValueError, KeyError, TypeError) as error:
        # No repetition mends it: it becomes a dead letter, where the gateway keeps them.
        log.error("%s/%d is no event: %s", message.subject, message.sequence, error)
        message.term(f"no event: {error}")
        return
    # Delivery is at least once: real work is keyed by the event's id, so that doing it again changes nothing.
    log.info("%s %s, attempt %d", kind, event_id, message.attempt)


def main():
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stream, name = os.environ["STREAM_NAME"], os.environ["CONSUMER_NAME"]
    concurrency = int(os.environ.get("CONCURRENCY", "4"))
    options = jetgate.ConsumerOptions(max_outstanding=4 * concurrency, name=socket.gethostname())

    with jetgate.connect() as client, client.consume(stream, name, options) as consumer:
        # Within the pod's grace period: no more messages, and those that are worked on are settled.
        drain = threading.Thread(target=consumer.drain, args=(20,), daemon=True)
        signal.signal(signal.SIGTERM, lambda *_: drain.start())
        log.info("consuming %s of %s", name, stream)
        consumer.run(work, concurrency=concurrency)
    log.info("drained")


if __name__ == "__main__":
    main()
