// What is encoded and decoded by hand is what the generated code makes of it.

import * as assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Message } from "jetgate";
import { readBatch } from "#dist/consuming/batch.js";
import { SettlementKind, type Settlement } from "#dist/consuming/message.js";
import { Settlements, settleFrame } from "#dist/consuming/settlements.js";
import { ConsumeRequestSchema, ConsumeResponseSchema } from "#dist/gen/jetgate/v1/consume_pb.js";
import { PublishRequestSchema } from "#dist/gen/jetgate/v1/publish_message_pb.js";
import { PublishStreamRequestSchema, PublishStreamResponseSchema } from "#dist/gen/jetgate/v1/publish_stream_pb.js";
import { readFrame } from "#dist/publishing/answers.js";
import { Book, Pending } from "#dist/publishing/book.js";
import { Encoder, frameHead } from "#dist/publishing/encoder.js";
import { type BatchMessage, toRequest } from "#dist/publishing/message.js";
import { Deframer, messageHead } from "#dist/wire/deframer.js";
import { Reader } from "#dist/wire/reader.js";

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

function randomMessage(): BatchMessage {
  const message: BatchMessage = { subject: ["orders.new", "orders.paid", "größe.☕"][random(3)] };
  if (random(4) > 0) message.payload = random(2) ? "ü".repeat(random(400)) : new Uint8Array(random(70_000)).fill(7);
  if (random(2)) message.messageId = `id-${random(1e9)}`;
  if (random(3) === 0) message.headers = { A: "1", B: ["2", "ä"], C: Uint8Array.of(1, 255) };
  if (random(3) === 0) message.expect = { stream: "ORDERS", lastSequence: random(5), lastSubjectSequence: 2n ** 60n };
  if (random(5) === 0) message.ttlMs = 61_000;
  if (random(5) === 0) message.schedule = { everyMs: 5_000, target: "orders.tick" };
  return message;
}

/** Text that is sent as bytes is stored alike. */
function asData(message: BatchMessage) {
  const request = toRequest(message.subject, message.payload ?? "", message);
  const data = typeof message.payload === "string" ? new TextEncoder().encode(message.payload) : message.payload;
  request.payload = data && data.length > 0 ? { case: "data", value: data } : { case: undefined };
  return request;
}

test("a publish frame holds the messages that went into it", () => {
  for (let round = 0; round < 30; round++) {
    const messages = Array.from({ length: 1 + random(40) }, randomMessage);
    const encoder = new Encoder();
    const book = new Book();
    for (const { subject, payload, ...options } of messages) {
      const pending = new Pending("", () => undefined, () => undefined);
      encoder.encode(subject, payload ?? "", options, pending);
      book.add(pending);
    }
    const run = book.run({ messages: 10_000, bytes: Infinity }, 1)!;
    const bytes = Buffer.concat([frameHead(run.first, run.bytes), ...run.parts]);
    const { frame } = fromBinary(PublishStreamRequestSchema, bytes);
    assert.equal(frame.case, "messages");
    assert.equal(frame.case === "messages" && frame.value.firstNumber, 1n);
    const found = frame.case === "messages" ? frame.value.messages : [];
    assert.deepEqual(
      found.map((each) => toBinary(PublishRequestSchema, each)),
      messages.map((each) => toBinary(PublishRequestSchema, asData(each))),
    );
  }
});

test("answers are read as the contract has them", () => {
  const value = {
    stored: [
      { firstNumber: 1n, lastNumber: 300n, firstSequence: 2n ** 63n, stream: "ORDERS", duplicate: true, domain: "d" },
      { firstNumber: 302n, lastNumber: 302n, firstSequence: 70_000n, counterValue: "17" },
    ],
    failed: [{ firstNumber: 301n, lastNumber: 301n, status: { code: 5, reason: 12, message: "no", metadata: { a: "b" } } }],
    settledThrough: 302n,
    lastSequence: 9n,
  };
  const bytes = toBinary(PublishStreamResponseSchema, create(PublishStreamResponseSchema, { frame: { case: "acks", value } }));
  const frame = readFrame(bytes);
  assert.equal(frame.case, "acks");
  if (frame.case !== "acks") return;
  assert.deepEqual(
    frame.value.stored.map(({ first, last, firstSequence, duplicate }) => [first, last, firstSequence, duplicate]),
    [
      [1, 300, 2n ** 63n, true],
      [302, 302, 70_000n, false],
    ],
  );
  assert.equal(frame.value.stored[1].counterValue, "17");
  assert.equal(frame.value.failed[0].status?.metadata.a, "b");
  assert.equal(frame.value.settledThrough, 302);
});

test("a received message says what the contract has", () => {
  const value = {
    resumeToken: "token",
    messages: [
      {
        deliveryId: 7n,
        ackToken: "ack",
        subject: "orders.größe",
        stream: "ORDERS",
        consumer: "worker",
        streamSequence: 2n ** 62n + 1n,
        consumerSequence: 8n,
        deliveryAttempt: 2,
        messageId: "id",
        publishTime: { seconds: 1_800_000_000n, nanos: 5_000_000 },
        ackDeadline: { seconds: 1_800_000_030n },
        pending: 5n,
        headers: [
          { name: "A", value: "1" },
          { name: "A", value: "2" },
          { name: "B", binaryValue: Uint8Array.of(255) },
        ],
        payload: { case: "data" as const, value: new TextEncoder().encode('{"a": "ü"}') },
      },
      { subject: "empty" },
    ],
  };
  const frame = create(ConsumeResponseSchema, { frame: { case: "messages", value } });
  const { messages, resumeToken } = readBatch(toBinary(ConsumeResponseSchema, frame), undefined);
  assert.equal(resumeToken, "token");
  const [message, empty] = messages;
  assert.equal(message.deliveryId, 7);
  assert.equal(message.token, "ack");
  assert.equal(message.subject, "orders.größe");
  assert.deepEqual([message.stream, message.consumer, message.messageId], ["ORDERS", "worker", "id"]);
  assert.deepEqual([message.sequence, message.consumerSequence, message.pending], [2n ** 62n + 1n, 8n, 5n]);
  assert.equal(message.attempt, 2);
  assert.equal(message.publishTime.getTime(), 1_800_000_000_005);
  assert.equal(message.ackDeadline?.getTime(), 1_800_000_030_000);
  assert.deepEqual(message.headers, [
    { name: "A", value: "1" },
    { name: "A", value: "2" },
    { name: "B", value: Uint8Array.of(255) },
  ]);
  assert.equal(message.header("A"), "1");
  assert.deepEqual(message.json(), { a: "ü" });
  assert.deepEqual([empty.text, empty.token, empty.headers, empty.ackDeadline], ["", "", [], undefined]);
});

test("acknowledgements of deliveries that follow one another are one range", () => {
  const settlements = new Settlements();
  const messages = [1, 2, 4, 3, 9, 0].map((deliveryId) => {
    const message = new Message(undefined, new Uint8Array(0), 0, 0);
    message.deliveryId = deliveryId;
    message.renewedToken = `token-${deliveryId}`;
    return message;
  });
  const ack: Settlement = { kind: SettlementKind.ACK };
  for (const message of messages) settlements.add(message, ack);
  settlements.add(messages[0], { kind: SettlementKind.NAK, delayMs: 1_500, reason: "later" });
  const [only, ...rest] = settlements.frames();
  assert.deepEqual([rest.length, only.confirm, settlements.sent], [0, false, true]);
  const { frame } = fromBinary(ConsumeRequestSchema, settleFrame(only));
  assert.equal(frame.case, "settle");
  const sent = frame.case === "settle" ? frame.value.acknowledgements : [];
  const targets = sent.map(({ target }) =>
    target.case === "range" ? [target.value.first, target.value.last] : target.value,
  );
  assert.deepEqual(targets, [[1n, 4n], [9n, 9n], "token-0", [1n, 1n]]);
  assert.deepEqual([sent[3].kind, sent[3].delay?.seconds, sent[3].delay?.nanos, sent[3].reason], [2, 1n, 500_000_000, "later"]);
});

test("frames are found wherever the network cuts them", () => {
  const frames = Array.from({ length: 200 }, () => Uint8Array.from({ length: random(900) }, () => random(256)));
  const stream = Buffer.concat(frames.flatMap((frame) => [messageHead(frame.length), frame]));
  const found: Uint8Array[] = [];
  const deframer = new Deframer(1_000, (message) => found.push(new Uint8Array(message)));
  for (let at = 0; at < stream.length; ) {
    const end = at + 1 + random(700);
    deframer.push(stream.subarray(at, end));
    at = end;
  }
  assert.deepEqual(found, frames);
  assert.throws(() => deframer.push(messageHead(1_001)), RangeError);
});

test("a message that is cut off is no endless loop", () => {
  assert.throws(() => new Reader(Uint8Array.of(10, 200)).view(), RangeError);
  assert.throws(() => new Reader(Uint8Array.of(0x0b)).skip(0x0b), RangeError);
});
