// Consumers and ordered reads: what is handed out and settled.

import * as assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { AckPolicy, type Client, type Message, type Position } from "jetgate";
import type { Gap } from "jetgate/proto/session";
import { eventually, rejects } from "./support/assertions.js";
import { fill, prepare, whenSettled } from "./support/consumers.js";
import { World } from "./support/world.js";

describe("consumer", { concurrency: 3 }, () => {
  let world: World;
  let client: Client;

  before(async () => {
    world = await World.start();
    client = world.connect();
  });
  after(async () => {
    await client.close();
    await world.close();
  });

  test("leaving the loop gives back what was not handed out", async () => {
    await prepare(client, "LEAVING", 500);
    for await (const message of client.consume("LEAVING", "worker")) {
      message.ack();
      if (message.text === "m-10") break;
    }
    const seen = new Set<string>();
    const second = client.consume("LEAVING", "worker");
    while (seen.size < 490) {
      const message = await second.receive(20_000);
      assert.ok(message, `${seen.size} messages came`);
      seen.add(message.text);
      message.ack();
    }
    assert.equal(seen.has("m-10"), false);
    await second.close();
    await whenSettled(client, "LEAVING");
  });

  test("no more handlers run at a time than are allowed", async () => {
    await prepare(client, "HANDLERS", 200);
    const consumer = client.consume("HANDLERS", "worker");
    let running = 0;
    let most = 0;
    let done = 0;
    await consumer.run(
      async (message) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 2));
        running--;
        message.ack();
        if (++done === 200) void consumer.drain();
      },
      { concurrency: 5 },
    );
    await consumer.closed;
    assert.equal(most, 5);
    await whenSettled(client, "HANDLERS");
  });

  test("a message whose handler fails comes again", async () => {
    await prepare(client, "FAILING", 3);
    const consumer = client.consume("FAILING", "worker");
    const failures: unknown[] = [];
    const attempts: number[] = [];
    await consumer.run(
      (message) => {
        if (message.text === "m-2" && message.attempt === 1) throw new Error("not now");
        attempts.push(message.attempt);
        message.ack();
        if (attempts.length === 3) void consumer.drain();
      },
      { retryDelayMs: 100, onError: (error) => failures.push(error) },
    );
    assert.deepEqual(attempts.sort(), [1, 1, 2]);
    assert.equal((failures[0] as Error).message, "not now");
  });

  test("draining waits for what is settled late, and hands out nothing more", async () => {
    await prepare(client, "DRAINING", 20);
    const consumer = client.consume("DRAINING", "worker", { maxOutstanding: 4 });
    const held: Message[] = [];
    while (held.length < 4) held.push((await consumer.receive(20_000))!);
    let drained = false;
    const draining = consumer.drain().then((heard) => (drained = heard));
    assert.equal(await consumer.receive(), undefined);
    for (const message of held.slice(0, 3)) await message.ack({ confirm: true });
    assert.equal(drained, false);
    held[3].ack();
    assert.equal(await draining, true);
    assert.equal((await client.consumers.get("DRAINING", "worker")).state?.numPending, 16n);
  });

  test("a drain that takes too long gives back what is left", async () => {
    await prepare(client, "IMPATIENT", 1);
    const consumer = client.consume("IMPATIENT", "worker");
    await consumer.receive(20_000);
    assert.equal(await consumer.drain(200), false);
    const again = client.consume("IMPATIENT", "worker");
    assert.equal((await again.receive(20_000))?.attempt, 2);
    await again.close();
  });

  test("an acknowledgement that is refused is told", async () => {
    await prepare(client, "REFUSED", 1, 5_000);
    const refused: string[] = [];
    const consumer = client.consume("REFUSED", "worker", { leaseMs: 0, onSettleFailed: (error) => refused.push(error.reason) });
    const first = (await consumer.receive(20_000))!;
    const second = (await consumer.receive(20_000))!;
    assert.deepEqual([first.sequence, second.attempt], [second.sequence, 2]);
    first.nak();
    await eventually("the refusal comes", () => Promise.resolve(refused.length > 0));
    assert.equal(refused[0], "LEASE_EXPIRED");
    await second.ack({ confirm: true });
    await consumer.close();
  });

  test("a consumer that does not exist fails the receiver", async () => {
    await prepare(client, "UNKNOWN", 0);
    await rejects(client.consume("UNKNOWN", "nobody").receive(20_000), "CONSUMER_NOT_FOUND");
    await rejects(client.subscribe("MISSING").receive(20_000), "STREAM_NOT_FOUND");
  });

  test("a deleted consumer ends the loop with its reason", async () => {
    await prepare(client, "DELETED", 1);
    const consumer = client.consume("DELETED", "worker");
    (await consumer.receive(20_000))!.ack();
    const ended = rejects(consumer.receive(20_000), "CONSUMER_NOT_FOUND");
    await client.consumers.delete("DELETED", "worker");
    await ended;
  });

  test("an ephemeral consumer reads what it is asked for, and acknowledges", async () => {
    await prepare(client, "EPHEMERAL", 10);
    const consumer = client.consume("EPHEMERAL", { filterSubjects: ["EPHEMERAL.new"], ackWait: 5_000, optStartSeq: 4n, deliverPolicy: 4 });
    for (let number = 4; number <= 10; number++) {
      const message = (await consumer.receive(20_000))!;
      assert.equal(message.text, `m-${number}`);
      await message.ack({ confirm: true });
    }
    await consumer.close();
  });

  test("a consumer without acknowledgements has nothing to settle", async () => {
    await client.streams.create({ name: "NOTHING", subjects: ["NOTHING.*"] });
    await client.consumers.create("NOTHING", { durableName: "worker", ackPolicy: AckPolicy.NONE });
    await fill(client, "NOTHING", 3_000);
    let seen = 0;
    for await (const message of client.consume("NOTHING", "worker")) {
      assert.equal(message.text, `m-${++seen}`);
      message.ack();
      if (seen === 3_000) break;
    }
  });

  test("fetched messages are settled like others", async () => {
    await prepare(client, "FETCHED", 5);
    const messages = await client.fetch("FETCHED", "worker", { batch: 5, maxWaitMs: 20_000 });
    assert.deepEqual(messages.map(({ text }) => text), ["m-1", "m-2", "m-3", "m-4", "m-5"]);
    messages[0].nak();
    for (const message of messages.slice(1)) message.ack();
    const [again] = await client.fetch("FETCHED", "worker", { maxWaitMs: 20_000 });
    assert.deepEqual([again.text, again.attempt], ["m-1", 2]);
    await again.ack({ confirm: true });
    await whenSettled(client, "FETCHED");
    assert.deepEqual(await client.fetch("FETCHED", "worker", { maxWaitMs: 0 }), []);
  });

  test("an ordered read goes on exactly behind its position, with a slow reader, too", async () => {
    await client.streams.create({ name: "ORDERED", subjects: ["ORDERED.*"] });
    await fill(client, "ORDERED", 12_000);
    let expected = 0;
    let resume: Position | undefined;
    for (const stop of [1, 7, 5_000, 11_999, 12_000]) {
      const subscription = client.subscribe("ORDERED", { resume, until: "last" });
      for await (const message of subscription) {
        assert.equal(message.text, `m-${++expected}`);
        if (expected % 3_000 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
        if (expected === stop) break;
      }
      resume = subscription.position;
    }
    assert.equal(expected, 12_000);
    assert.equal(resume!.sequence, 12_000n);
  });

  test("an ordered read of large messages waits for a slow reader", async () => {
    await client.streams.create({ name: "LARGE", subjects: ["LARGE.*"] });
    await using publisher = client.publisher();
    const payload = (number: number) => new Uint8Array(900_000).fill(number);
    for (let number = 1; number <= 40; number++) await publisher.publish("LARGE.new", payload(number));
    let expected = 0;
    for await (const message of client.subscribe("LARGE", { until: "last" })) {
      assert.ok(Buffer.compare(message.data, payload(++expected)) === 0);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(expected, 40);
  });

  test("messages that a stream no longer has are a gap, or end the read", async () => {
    await client.streams.create({ name: "GAPS", subjects: ["GAPS.*"] });
    await fill(client, "GAPS", 5);
    const first = client.subscribe("GAPS", { until: "last" });
    const sequences: bigint[] = [];
    for await (const { sequence } of first) sequences.push(sequence);
    await fill(client, "GAPS", 5);
    await client.streams.purge("GAPS", { upToSequence: 8 });
    const gaps: Gap[] = [];
    const options = { resume: first.position, until: "last", onGap: (gap: Gap) => gaps.push(gap) } as const;
    for await (const { sequence } of client.subscribe("GAPS", options)) sequences.push(sequence);
    assert.deepEqual(sequences, [1n, 2n, 3n, 4n, 5n, 8n, 9n, 10n]);
    const found = gaps.map((gap) => [gap.lastSequence, gap.firstAvailableSequence, gap.streamRecreated]);
    assert.deepEqual(found, [[5n, 8n, false]]);
    const failing = client.subscribe("GAPS", { resume: first.position, onMissing: "fail" });
    await rejects(failing.receive(20_000), "POSITION_LOST");
  });

  test("an ordered read begins and ends where it is asked to", async () => {
    await client.streams.create({ name: "SPAN", subjects: ["SPAN.*"] });
    await fill(client, "SPAN", 100);
    const read = async (options: Parameters<Client["subscribe"]>[1]) => {
      const texts: string[] = [];
      for await (const message of client.subscribe("SPAN", options)) texts.push(message.text);
      return texts;
    };
    assert.deepEqual(await read({ from: { sequence: 98 }, until: "last" }), ["m-98", "m-99", "m-100"]);
    assert.deepEqual(await read({ until: { sequence: 2 } }), ["m-1", "m-2"]);
    assert.deepEqual(await read({ from: "last", until: "last" }), ["m-100"]);
    assert.deepEqual(await read({ filterSubjects: ["SPAN.other"], until: "last" }), []);
  });
});
