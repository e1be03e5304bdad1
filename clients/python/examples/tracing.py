"""Carries a trace from a publisher through the stream to a consumer: the stored message has W3C's traceparent.

The trace is in a context variable; with OpenTelemetry its propagator writes and reads the same header. The program
publishes one message in the trace that TRACEPARENT names, and processes it in the one that the message came with.
"""

from __future__ import annotations

import contextvars
import os

import jetgate

STREAM = os.environ.get("STREAM_NAME", "USER_EVENTS")
CONSUMER = os.environ.get("CONSUMER_NAME", "user-event-processor")
HEADER = "traceparent"

trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="")


def publish(client: jetgate.Client) -> None:
    client.publish("users.login", "ada", headers={HEADER: trace.get()})
    print(f"published in {trace.get()}")


def process(message: jetgate.Message) -> None:
    """Works in the trace of the message, whatever the program does besides."""
    trace.set(message.header(HEADER) or "")
    print(f"{message.text} goes on in {trace.get()}")
    message.ack(confirm=True)


def main() -> None:
    with jetgate.connect(os.environ.get("JETGATE_URL")) as client:
        called = contextvars.copy_context()
        called.run(trace.set, os.environ.get("TRACEPARENT", ""))
        called.run(publish, client)
        with client.consume(STREAM, CONSUMER) as consumer:
            message = consumer.receive(timeout=30)
            if message is not None:
                contextvars.copy_context().run(process, message)


if __name__ == "__main__":
    main()
