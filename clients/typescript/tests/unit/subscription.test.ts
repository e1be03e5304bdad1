// How far an ordered read runs ahead of its reader.

import * as assert from "node:assert/strict";
import { test } from "node:test";
import { type MessageInitShape, create, toBinary } from "@bufbuild/protobuf";
import { Subscription } from "jetgate";
import type { Call, CallHandler, Channel } from "#dist/channel.js";
import { SubscribeResponseSchema } from "#dist/gen/jetgate/v1/subscriber_pb.js";

/** A connection whose gateway is the test. */
class Line implements Channel, Call {
  paused = false;
  readonly end = () => undefined;
  readonly leave = () => undefined;
  private handler: CallHandler | undefined;

  call(_path: string, _options: object, handler: CallHandler): Call {
    this.handler = handler;
    return this;
  }

  say(event: MessageInitShape<typeof SubscribeResponseSchema>["event"]): void {
    this.handler!.message(toBinary(SubscribeResponseSchema, create(SubscribeResponseSchema, { event })));
  }

  /** A batch of messages of so many bytes, from this sequence on. */
  deliver(first: number, count: number, bytes: number): void {
    const message = (at: number) => ({
      subject: "orders.new",
      streamSequence: BigInt(first + at),
      payload: { case: "data" as const, value: new Uint8Array(bytes) },
    });
    this.say({ case: "messages", value: { messages: Array.from({ length: count }, (_, at) => message(at)) } });
  }

  send(): boolean {
    return true;
  }

  cancel(): void {
    this.handler?.closed(undefined);
  }

  close(): void {
    this.cancel();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}

/** Reads on a line until the gateway is held, and then until it is not; says how many messages that takes. */
async function readAhead(count: number, bytes: number): Promise<[number, number]> {
  const line = new Line();
  const subscription = new Subscription(line, "ORDERS", {});
  line.say({ case: "opened", value: {} });
  let sent = 0;
  for (; !line.paused; sent += count) {
    assert.ok(sent < 100_000);
    line.deliver(sent + 1, count, bytes);
  }
  let read = 0;
  for (; line.paused; read++) assert.equal((await subscription.receive())?.sequence, BigInt(read + 1));
  subscription.close();
  return [sent, read];
}

test("small messages are held by their number", async () => {
  assert.deepEqual(await readAhead(512, 10), [4_096, 2_048]);
});

test("large messages are held by their bytes", async () => {
  const [sent, read] = await readAhead(3, 900_000);
  assert.deepEqual([sent, read], [12, 8]);
});

test("a message that is larger than all that may wait is held alone", async () => {
  assert.deepEqual(await readAhead(1, 9 << 20), [1, 1]);
});
