// Consumers and ordered reads: what is handed out, settled and taken along.

import * as assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  AckPolicy,
  type Client,
  type Consumer,
  type ConsumerOptions,
  type JetgateError,
  type Message,
  type Position,
} from "jetgate";
import { eventually, rejects } from "./support/assertions.js";
import { World } from "./support/world.js";

async function fill(client: Client, stream: string, count: number): Promise<void> {
  await using publisher = client.publisher();
  for (let number = 1; number <= count; number++) void publisher.publish(`${stream}.new`, `m-${number}`);
}

async function prepare(client: Client, stream: string, count: number, ackWait = 30_000): Promise<void> {
  await client.streams.create({ name: stream, subjects: [`${stream}.*`] });
  await client.consumers.create(stream, { durableName: "worker", ackWait });
  await fill(client, stream, count);
}

async function settled(client: Client, stream: string): Promise<boolean> {
  const { state } = await client.consumers.get(stream, "worker");
  return state!.numAckPending === 0n && state!.numPending === 0n;
}

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
    assert.ok(await settled(client, "LEAVING"));
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
    assert.ok(await settled(client, "HANDLERS"));
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
    await prepare(client, "REFUSED", 1, 1_000);
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
    const messages = await client.fetch("FETCHED", "worker", { batch: 10, maxWaitMs: 500 });
    assert.deepEqual(messages.map(({ text }) => text), ["m-1", "m-2", "m-3", "m-4", "m-5"]);
    messages[0].nak();
    for (const message of messages.slice(1)) message.ack();
    const [again] = await client.fetch("FETCHED", "worker", { maxWaitMs: 20_000 });
    assert.deepEqual([again.text, again.attempt], ["m-1", 2]);
    await again.ack({ confirm: true });
    assert.ok(await settled(client, "FETCHED"));
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

describe("consumer and gateways that die", { concurrency: 2 }, () => {
  /** One after the other, in order. */
  async function restartBoth(world: World): Promise<void> {
    for (const gateway of [0, 1]) {
      await world.command({ do: "drain_gateway", gateway });
      await world.command({ do: "wait_gateway", gateway });
      await world.command({ do: "start_gateway", gateway });
    }
  }

  test("what is acknowledged stays so and what is held stays held when gateways are killed", async () => {
    await using world = await World.start({ gateways: 2 });
    await using client = world.connect();
    await prepare(client, "ORDERS", 3_000);
    let lost = 0;
    const consumer = client.consume("ORDERS", "worker", { maxOutstanding: 200, onDisconnected: () => lost++ });
    const times = new Map<string, number>();
    const held: Message[] = [];
    // An acknowledgement that is not confirmed can end with the gateway that was about to pass it on.
    const confirmed: Promise<unknown>[] = [];
    while (times.size < 3_000) {
      const message = (await consumer.receive(60_000))!;
      times.set(message.text, (times.get(message.text) ?? 0) + 1);
      if (held.length < 20) held.push(message);
      else confirmed.push(message.ack({ confirm: true }));
      if (times.size === 500 || times.size === 1_500) {
        const gateway = times.size === 500 ? 0 : 1;
        await world.command({ do: "kill_gateway", gateway });
        await world.command({ do: "start_gateway", gateway });
      }
    }
    await Promise.all(confirmed);
    for (const message of held) await message.ack({ confirm: true });
    await eventually("all is settled", () => settled(client, "ORDERS"));
    // Acknowledgements whose answers were lost are given again, and what was held was taken along.
    const twice = [...times.values()].filter((count) => count > 1).length;
    assert.equal(twice, 0, `${twice} messages came twice`);
    assert.ok(lost >= 1);
    await consumer.close();
  });

  test("messages that wait for their program survive a restart of the gateway in order", async () => {
    await using world = await World.start({ gateways: 2, config: { "shutdown.drain": "2s" } });
    await using client = world.connect();
    await prepare(client, "ORDERS", 300, 8_000);
    const consumer = client.consume("ORDERS", "worker", { maxOutstanding: 100 });
    const first = (await consumer.receive(20_000))!;
    // Longer than ack_wait: only leases keep what waits here, and only renewed tokens take it along.
    await new Promise((resolve) => setTimeout(resolve, 9_000));
    await restartBoth(world);
    // Once that is answered, the session that goes on is there, with what it has taken over.
    await first.ack({ confirm: true });
    assert.ok(consumer.outstanding >= 99, `${consumer.outstanding} are held`);
    const seen = [first.text];
    while (seen.length < 300) {
      const message = (await consumer.receive(20_000))!;
      assert.equal(message.attempt, 1, `${message.text} came again`);
      seen.push(message.text);
      message.ack();
    }
    assert.equal(new Set(seen).size, 300);
    await consumer.close();
    assert.ok(await settled(client, "ORDERS"));
  });

  test("what is worked on stays ours over drained gateways, for longer than ack_wait", async () => {
    await using world = await World.start({ gateways: 2, config: { "shutdown.drain": "6s" } });
    await using client = world.connect();
    await prepare(client, "ORDERS", 1_000, 4_000);
    const consumer = client.consume("ORDERS", "worker", { maxOutstanding: 1_000 });
    const held: Message[] = [];
    while (held.length < 1_000) held.push((await consumer.receive(20_000))!);
    // Meanwhile there is always something else to say.
    const acknowledging = setInterval(() => held.length > 100 && held.pop()!.ack(), 10);
    await restartBoth(world);
    clearInterval(acknowledging);
    // Once that is answered, the session that goes on is there, with what it has taken over.
    await held.pop()!.ack({ confirm: true });
    assert.ok(!(await consumer.receive(6_000)), "what is held came again");
    for (const message of held) message.ack();
    assert.equal(await consumer.drain(), true);
    const { state } = await client.consumers.get("ORDERS", "worker");
    assert.deepEqual([state?.numAckPending, state?.numPending, state?.delivered?.consumerSequence], [0n, 0n, 1_000n]);
  });

  test("a drain keeps its work over drained gateways", async () => {
    await using world = await World.start({ gateways: 2, config: { "shutdown.drain": "6s" } });
    await using client = world.connect();
    const [consumer, held] = await holding(client, 8, {}, 4_000);
    const drained = consumer.drain(60_000);
    await restartBoth(world);
    // Longer than ack_wait: what is not ours any more comes again, to whoever asks.
    const other = client.consume("ORDERS", "worker");
    assert.ok(!(await other.receive(6_000)), "what is held came again");
    await other.close();
    for (const message of held) message.ack();
    assert.equal(await drained, true);
    const { state } = await client.consumers.get("ORDERS", "worker");
    assert.deepEqual([state?.numAckPending, state?.delivered?.consumerSequence], [0n, 8n]);
  });

  /** A consumer that has handed out `count` messages, all of them unsettled. */
  async function holding(
    client: Client,
    count: number,
    options: ConsumerOptions = {},
    ackWait = 30_000,
  ): Promise<[Consumer, Message[]]> {
    await prepare(client, "ORDERS", count, ackWait);
    const consumer = client.consume("ORDERS", "worker", options);
    const held: Message[] = [];
    while (held.length < count) held.push((await consumer.receive(20_000))!);
    return [consumer, held];
  }

  test("what is said between sessions is passed on at the end, and confirmed where that is asked for", async () => {
    await using world = await World.start();
    await using client = world.connect();
    let disconnected = 0;
    const [consumer, held] = await holding(client, 10, { onDisconnected: () => disconnected++ });
    await world.command({ do: "kill_gateway" });
    await eventually("the session is lost", () => Promise.resolve(disconnected > 0));
    for (const message of held.slice(1)) message.ack();
    const confirmed = held[0].ack({ confirm: true });
    const starting = world.command({ do: "start_gateway" });
    assert.equal(await consumer.close(), true);
    await Promise.all([confirmed, starting]);
    const { state } = await client.consumers.get("ORDERS", "worker");
    assert.deepEqual([state?.numAckPending, state?.ackFloor?.streamSequence], [0n, 10n]);
  });

  test("what nobody has seen is given back between sessions, too", async () => {
    await using world = await World.start();
    await using client = world.connect();
    let disconnected = 0;
    await prepare(client, "ORDERS", 5, 60_000);
    const options = { onSessionEnd: "leave" as const, onDisconnected: () => disconnected++ };
    const consumer = client.consume("ORDERS", "worker", options);
    await eventually("all are here", () => Promise.resolve(consumer.outstanding === 5));
    await world.command({ do: "kill_gateway" });
    await eventually("the session is lost", () => Promise.resolve(disconnected > 0));
    const starting = world.command({ do: "start_gateway" });
    assert.equal(await consumer.close(), true);
    await starting;
    const other = client.consume("ORDERS", "worker");
    for (let number = 0; number < 5; number++) (await other.receive(20_000))!.ack();
    assert.equal(await other.drain(), true);
  });

  test("what a hanging gateway does not take is passed on to another at the end", async () => {
    await using world = await World.start({ gateways: 2 });
    await using client = world.connect([0]);
    await holding(client, 0).then(([consumer]) => consumer.close());
    // To whichever of both: it is the one that hangs.
    const both = world.connect();
    const consumer = both.consume("ORDERS", "worker");
    await fill(client, "ORDERS", 10);
    const held: Message[] = [];
    while (held.length < 10) held.push((await consumer.receive(20_000))!);
    const gateways = await Promise.all([0, 1].map((gateway) => sessionsAt(world, gateway)));
    const hanging = gateways.findIndex((sessions) => sessions > 0);
    await world.command({ do: "pause_gateway", gateway: hanging });
    for (const message of held) message.ack();
    assert.equal(await consumer.close(), true);
    const there = world.connect([1 - hanging]);
    const { state } = await there.consumers.get("ORDERS", "worker");
    assert.deepEqual([state?.numAckPending, state?.ackFloor?.streamSequence], [0n, 10n]);
    await world.command({ do: "resume_gateway", gateway: hanging });
    await Promise.all([both.close(), there.close()]);
  });

  /** How many sessions a gateway has itself. */
  async function sessionsAt(world: World, gateway: number): Promise<number> {
    await using client = world.connect([gateway]);
    const { gatewayId } = await client.services.gateway.getInfo({});
    return (await client.services.gateway.listSessions({ gatewayId })).sessions.length;
  }

  test("what cannot be passed on is told, message by message", async () => {
    await using world = await World.start();
    const client = world.connect();
    const failed: Message[] = [];
    const [consumer, held] = await holding(client, 3, { onSettleFailed: (_, message) => failed.push(message) });
    await world.command({ do: "kill_gateway" });
    const confirmed = rejects(held[2].ack({ confirm: true }), "UNAVAILABLE");
    for (const message of held.slice(0, 2)) message.ack();
    const begun = Date.now();
    assert.equal(await consumer.close(), false);
    assert.ok(Date.now() - begun < 30_000);
    await confirmed;
    assert.deepEqual(failed, held.slice(0, 2));
    await client.close();
  });

  test("what is said after the end goes by calls", async () => {
    await using world = await World.start();
    await using client = world.connect();
    const failed: string[] = [];
    const options = { onSessionEnd: "leave" as const, onSettleFailed: (error: JetgateError) => failed.push(error.reason) };
    const [consumer, held] = await holding(client, 3, options);
    await consumer.close();
    held[0].ack();
    await held[1].ack({ confirm: true });
    await held[2].ack({ confirm: true });
    await eventually("all is settled", () => settled(client, "ORDERS"));
    assert.deepEqual(failed, []);
  });
});
