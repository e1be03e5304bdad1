// Consumers whose gateways are killed, drained or hang: what is taken along, and what is said in the end.

import * as assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Client, Consumer, ConsumerOptions, JetgateError, Message } from "jetgate";
import { eventually, rejects } from "./support/assertions.js";
import { fill, prepare, whenSettled } from "./support/consumers.js";
import { World } from "./support/world.js";

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
    await whenSettled(client, "ORDERS");
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
    await whenSettled(client, "ORDERS");
  });

  test("what is worked on stays ours over drained gateways, for longer than ack_wait", async () => {
    await using world = await World.start({ gateways: 2, config: { "shutdown.drain": "10s" } });
    await using client = world.connect();
    await prepare(client, "ORDERS", 1_000, 8_000);
    const consumer = client.consume("ORDERS", "worker", { maxOutstanding: 1_000 });
    const held: Message[] = [];
    while (held.length < 1_000) held.push((await consumer.receive(20_000))!);
    // Meanwhile there is always something else to say.
    const acknowledging = setInterval(() => held.length > 100 && held.pop()!.ack(), 10);
    await restartBoth(world);
    clearInterval(acknowledging);
    // Once that is answered, the session that goes on is there, with what it has taken over.
    await held.pop()!.ack({ confirm: true });
    assert.ok(!(await consumer.receive(10_000)), "what is held came again");
    for (const message of held) message.ack();
    assert.equal(await consumer.drain(), true);
    const { delivered } = await whenSettled(client, "ORDERS");
    assert.equal(delivered?.consumerSequence, 1_000n);
  });

  test("a drain keeps its work over drained gateways", async () => {
    await using world = await World.start({ gateways: 2, config: { "shutdown.drain": "10s" } });
    await using client = world.connect();
    const [consumer, held] = await holding(client, 8, {}, 8_000);
    const drained = consumer.drain(60_000);
    await restartBoth(world);
    // Longer than ack_wait: what is not ours any more comes again, to whoever asks.
    const other = client.consume("ORDERS", "worker");
    assert.ok(!(await other.receive(10_000)), "what is held came again");
    await other.close();
    for (const message of held) message.ack();
    assert.equal(await drained, true);
    const { delivered } = await whenSettled(client, "ORDERS");
    assert.equal(delivered?.consumerSequence, 8n);
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
    // What is said last may take 10 s: the gateway is to be nearly ready.
    const starting = world.command({ do: "start_gateway" });
    await world.listens(0);
    assert.equal(await consumer.close(), true);
    await Promise.all([confirmed, starting]);
    const { ackFloor } = await whenSettled(client, "ORDERS");
    assert.equal(ackFloor?.streamSequence, 10n);
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
    await world.listens(0);
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
    const { ackFloor } = await whenSettled(there, "ORDERS");
    assert.equal(ackFloor?.streamSequence, 10n);
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
    await whenSettled(client, "ORDERS");
    assert.deepEqual(failed, []);
  });
});
