"""Processes the orders of the stream STREAM_NAME with the consumer CONSUMER_NAME, each once.

What is done and the order's id are kept together, in one transaction. A message that comes again, because the program
was killed before its acknowledgement arrived, is known by its id and passed over. The acknowledgement is confirmed:
once it returns, JetStream has it. The program ends when no order has come for three seconds.
"""

from __future__ import annotations

import json
import os
import sqlite3

import jetgate

STREAM = os.environ.get("STREAM_NAME", "ORDERS")
CONSUMER = os.environ.get("CONSUMER_NAME", "billing")


def process(database: sqlite3.Connection, message: jetgate.Message) -> None:
    order = json.loads(message.payload)
    with database:
        try:
            database.execute("INSERT INTO bills VALUES (?, ?)", (message.message_id, order["total"]))
        except sqlite3.IntegrityError:
            print(f"{message.message_id}: billed before")
        else:
            print(f"{message.message_id}: billed, trace {message.header('traceparent')}")
    message.ack(confirm=True)


def main() -> None:
    database = sqlite3.connect(os.environ.get("DATABASE", "bills.sqlite"))
    database.execute("CREATE TABLE IF NOT EXISTS bills (id TEXT PRIMARY KEY, total INTEGER)")
    with jetgate.connect(os.environ.get("JETGATE_URL")) as client:
        client.create_consumer(STREAM, jetgate.ConsumerConfig(durable_name=CONSUMER))
        with client.consume(STREAM, CONSUMER, name="example-consumer") as consumer:
            while (message := consumer.receive(timeout=3)) is not None:
                process(database, message)


if __name__ == "__main__":
    main()
