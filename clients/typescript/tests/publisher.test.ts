// The publisher: what its promises say, whatever becomes of gateways.

import * as assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Client, JetgateError, type PublishResult, type Publisher } from "jetgate";
import { eachOnce, eventually, rejects, stored } from "./support/assertions.js";
import { World } from "./support/world.js";

describe("publisher", { concurrency: 3 }, () => {
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

  const stream = async (name: string, more = {}) => {
    await client.streams.create({ name, subjects: [`${name}.*`], ...more });
    return `${name}.new`;
  };

  test("results have the sequences of the stream, in order", async () => {
    const subject = await stream("SEQUENCES");
    await using publisher = client.publisher();
    const results = await Promise.all(Array.from({ length: 2_000 }, (_, at) => publisher.publish(subject, `${at}`)));
    results.forEach((result, at) => assert.deepEqual([result.sequence, result.stream], [BigInt(at + 1), "SEQUENCES"]));
  });

  test("a message that fails fails alone", async () => {
    const subject = await stream("ALONE");
    await using publisher = client.publisher();
    const all = [subject, "nobody.takes.this", "ALONE.*", subject].map((each) => publisher.publish(each, "x"));
    const [first, second, third, fourth] = await Promise.allSettled(all);
    assert.equal(first.status, "fulfilled");
    assert.equal(reasonOf(second), "NO_STREAM_FOR_SUBJECT");
    assert.equal(reasonOf(third), "INVALID_REQUEST");
    assert.equal(fourth.status, "fulfilled");
  });

  test("a message that is too large fails alone, at any size", async () => {
    const subject = await stream("LARGE");
    await using publisher = client.publisher();
    for (const size of [2 << 20, 12 << 20]) {
      await rejects(publisher.publish(subject, new Uint8Array(size)), "MESSAGE_TOO_LARGE");
    }
    const result = await publisher.publish(subject, new Uint8Array(900_000).fill(65));
    assert.equal(result.sequence, 1n);
  });

  test("a publisher that is full refuses, and says when there is room", async () => {
    const subject = await stream("FULL");
    await using publisher = client.publisher({ maxInFlight: 8, maxPendingMessages: 16 });
    const accepted: Promise<PublishResult>[] = [];
    while (!publisher.full) accepted.push(publisher.publish(subject, "x"));
    assert.equal(accepted.length, 16);
    await rejects(publisher.publish(subject, "x"), "RESOURCE_EXHAUSTED");
    await publisher.ready();
    assert.equal(publisher.full, false);
    await Promise.all(accepted);
  });

  test("after a failure a strict publisher stores nothing until it is resumed", async () => {
    const subject = await stream("STRICT");
    await using publisher = client.publisher({ stream: "STRICT", ordering: "strict" });
    await publisher.publish(subject, "one");
    const wrong = publisher.publish(subject, "two", { expect: { lastSequence: 77 } });
    const behind = publisher.publish(subject, "three");
    await Promise.all([rejects(wrong, "WRONG_LAST_SEQUENCE"), rejects(behind, "PRECEDING_FAILED")]);
    await rejects(publisher.publish(subject, "four"), "PRECEDING_FAILED");
    publisher.resume();
    assert.equal((await publisher.publish(subject, "five")).sequence, 2n);
  });

  test("what is too large halts a strict publisher as any failure does", async () => {
    const subject = await stream("STRICTLY");
    await using publisher = client.publisher({ stream: "STRICTLY", ordering: "strict" });
    const wrong = publisher.publish(subject, new Uint8Array(12 << 20));
    const behind = publisher.publish(subject, "behind");
    await Promise.all([rejects(wrong, "MESSAGE_TOO_LARGE"), rejects(behind, "PRECEDING_FAILED")]);
    const refused = rejects(publisher.publish(subject, "refused"), "PRECEDING_FAILED");
    // What was published before belongs to what the failure has halted.
    publisher.resume();
    await refused;
    assert.equal((await publisher.publish(subject, "on")).sequence, 1n);
  });

  test("a stream that does not exist ends the publisher", async () => {
    const publisher = client.publisher({ stream: "MISSING" });
    await rejects(publisher.publish("missing.new", "x"), "STREAM_NOT_FOUND");
    await rejects(publisher.publish("missing.new", "x"), "STREAM_NOT_FOUND");
    await publisher.closed;
  });

  test("a lingering publisher sends what it has in time", async () => {
    const subject = await stream("LINGER");
    await using publisher = client.publisher({ lingerMs: 20 });
    assert.equal((await publisher.publish(subject, "x")).sequence, 1n);
  });

  test("a closed publisher has sent everything and takes no more", async () => {
    const subject = await stream("CLOSED");
    const publisher = client.publisher();
    const last = publisher.publish(subject, "x");
    await publisher.close();
    assert.equal((await last).sequence, 1n);
    await rejects(publisher.publish(subject, "x"), "CANCELLED");
  });

  test("a message may have everything that the contract knows", async () => {
    const subject = await stream("EVERYTHING", { allowMsgTtl: true, allowRollupHdrs: true });
    await using publisher = client.publisher();
    await publisher.publish(subject, "first");
    const options = { messageId: "id", headers: { A: ["1", "2"] }, ttlMs: 60_000, rollup: "subject" as const };
    const result = await publisher.publish(subject, "second", options);
    assert.deepEqual([result.messageId, result.sequence], ["id", 2n]);
    const message = await client.streams.message("EVERYTHING", { lastBySubject: subject });
    assert.deepEqual(message.headers.filter(({ name }) => name === "A").map(({ value }) => value), ["1", "2"]);
    assert.equal((await client.streams.get("EVERYTHING")).state?.messages, 1n);
  });
});

function reasonOf(settled: PromiseSettledResult<unknown>): string {
  assert.equal(settled.status, "rejected");
  return ((settled).reason as JetgateError).reason;
}

describe("publisher and gateways that die", { concurrency: 2 }, () => {
  /** Publishes until it is told to stop; what each promise said, by payload. */
  async function flood(publisher: Publisher, subject: string, name: string, stop: () => boolean) {
    const outcomes = new Map<string, PublishResult | JetgateError>();
    for (let number = 1; !stop(); number++) {
      const payload = `${name}-${number}`;
      if (publisher.full) await publisher.ready();
      publisher.publish(subject, payload).then(
        (result) => outcomes.set(payload, result),
        (error: JetgateError) => outcomes.set(payload, error),
      );
      if (number % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (number % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await publisher.close();
    return outcomes;
  }

  async function killTwice(world: World, client: Client): Promise<void> {
    const more = async (count: bigint) => {
      const before = (await client.streams.get("ORDERS")).state!.messages;
      await eventually("messages are stored", async () => {
        return (await client.streams.get("ORDERS")).state!.messages >= before + count;
      });
    };
    for (const gateway of [0, 1]) {
      await more(500n);
      await world.command({ do: "kill_gateway", gateway });
      await world.command({ do: "start_gateway", gateway });
    }
    await more(500n);
  }

  test("nothing is lost and nothing stored twice when gateways are killed under load", async () => {
    await using world = await World.start({ gateways: 2 });
    await using client = world.connect();
    await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
    let stop = false;
    const floods = ["a", "b", "c"].map((name) => flood(client.publisher(), "orders.new", name, () => stop));
    await killTwice(world, client);
    stop = true;
    const found = await Promise.all(floods).then(async (all) => {
      const found = await stored(client, "ORDERS");
      for (const [payload, outcome] of all.flatMap((each) => [...each])) {
        if (outcome instanceof Error) throw outcome;
        assert.equal(found.get(payload), 1, payload);
      }
      return found;
    });
    eachOnce(found);
  });

  test("without ids a lost answer is an unknown outcome, and nothing is stored twice", async () => {
    await using world = await World.start({ gateways: 2 });
    await using client = world.connect();
    await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
    let stop = false;
    const publishing = flood(client.publisher({ mintIds: false }), "orders.new", "m", () => stop);
    await killTwice(world, client);
    stop = true;
    const outcomes = await publishing;
    const found = await stored(client, "ORDERS");
    eachOnce(found);
    for (const [payload, outcome] of outcomes) {
      if (!(outcome instanceof Error)) assert.equal(found.get(payload), 1, payload);
      else assert.equal(outcome.reason, "PUBLISH_OUTCOME_UNKNOWN", outcome.message);
    }
  });

  /** Waits until the gateway has a message of a publisher on its way. */
  async function inFlight(client: Client): Promise<void> {
    const { gatewayId } = await client.services.gateway.getInfo({});
    await eventually("a message is on its way", async () => {
      const { sessions } = await client.services.gateway.listSessions({ gatewayId });
      return sessions.some(({ outstandingMessages }) => outstandingMessages > 0);
    });
  }

  /** A message of `publisher` that has left and is not answered, of a gateway that is gone since. */
  async function leaveOpen(world: World, client: Client, publisher: Publisher): Promise<{ sent: Promise<PublishResult> }> {
    await publisher.publish("orders.new", "before");
    await world.command({ do: "pause_nats" });
    const sent = publisher.publish("orders.new", "sent");
    sent.catch(() => undefined); // it may fail before the caller of this looks
    await inFlight(client);
    await world.command({ do: "kill_gateway" });
    await world.command({ do: "resume_nats" });
    return { sent };
  }

  test("what its stream may have forgotten is not sent again, and what never left is", async () => {
    await using world = await World.start();
    await using client = world.connect();
    await client.streams.create({ name: "ORDERS", subjects: ["orders.*"], duplicateWindow: 2_000 });
    const publisher = client.publisher({ stream: "ORDERS" });
    const open = await leaveOpen(world, client, publisher);
    const sent = rejects(open.sent, "PUBLISH_OUTCOME_UNKNOWN");
    let isSettled = false;
    void sent.then(() => (isSettled = true));
    // The window passes, which is what this is about; the client knows that nobody is there.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const unsent = publisher.publish("orders.new", "unsent");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    // Only the stream that is opened next says how long ids are remembered.
    assert.equal(isSettled, false);
    await world.command({ do: "start_gateway" });
    assert.match((await sent).metadata.message_id, /^ts-.+:2$/);
    assert.ok((await unsent).sequence >= 2n);
    await publisher.close();
    const found = await stored(client, "ORDERS");
    eachOnce(found);
    assert.deepEqual([found.get("before"), found.get("unsent")], [1, 1]);
  });

  test("a strict publisher stays halted over a reconnect, until it is resumed", async () => {
    await using world = await World.start();
    await using client = world.connect();
    await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
    const publisher = client.publisher({ stream: "ORDERS", ordering: "strict" });
    await publisher.publish("orders.new", "one");
    await rejects(publisher.publish("orders.new", "two", { expect: { lastSequence: 77 } }), "WRONG_LAST_SEQUENCE");
    await world.command({ do: "kill_gateway" });
    await world.command({ do: "start_gateway" });
    await rejects(publisher.publish("orders.new", "three"), "PRECEDING_FAILED");
    publisher.resume();
    assert.equal((await publisher.publish("orders.new", "four")).sequence, 2n);
    await publisher.close();
  });

  test("an unknown outcome halts a strict publisher", async () => {
    await using world = await World.start();
    await using client = world.connect();
    await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
    const publisher = client.publisher({ stream: "ORDERS", ordering: "strict", mintIds: false });
    const { sent } = await leaveOpen(world, client, publisher);
    const unknown = rejects(sent, "PUBLISH_OUTCOME_UNKNOWN");
    const behind = rejects(publisher.publish("orders.new", "behind"), "PRECEDING_FAILED");
    await world.command({ do: "start_gateway" });
    await Promise.all([unknown, behind]);
    publisher.resume();
    await publisher.publish("orders.new", "on");
    await publisher.close();
    const found = await stored(client, "ORDERS");
    eachOnce(found);
    assert.deepEqual([found.get("behind"), found.get("on")], [undefined, 1]);
  });

  test("a message is sent again as long as the stream of now remembers its id", async () => {
    await using world = await World.start({ gateways: 2 });
    await using client = world.connect([0]);
    await using other = world.connect([1]);
    await client.streams.create({ name: "ORDERS", subjects: ["orders.*"], duplicateWindow: 6_000 });
    const publisher = client.publisher({ stream: "ORDERS" });
    const { sent } = await leaveOpen(world, client, publisher);
    await other.streams.update({ name: "ORDERS", duplicateWindow: 60_000 }, { fields: ["duplicate_window"] });
    // Longer than the window that was.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    await world.command({ do: "start_gateway" });
    await sent;
    await publisher.close();
    const found = await stored(client, "ORDERS");
    assert.deepEqual([...found], [["before", 1], ["sent", 1]]);
  });

  test("a gateway that hangs costs no more than the time that the program gives", async () => {
    await using world = await World.start();
    const client = world.connect();
    await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
    const publisher = client.publisher({ timeoutMs: 5_000 });
    await publisher.publish("orders.new", "before");
    await world.command({ do: "pause_gateway" });
    const begun = Date.now();
    // Threads of the gateway that are just running may still answer something.
    const untilOneFails = async () => {
      for (;;) await publisher.publish("orders.new", "meanwhile");
    };
    await rejects(untilOneFails(), "PUBLISH_OUTCOME_UNKNOWN");
    assert.ok(Date.now() - begun < 30_000);
    await world.command({ do: "resume_gateway" });
    const patient = client.publisher();
    assert.ok((await patient.publish("orders.new", "afterwards")).sequence > 1n);
    await client.close();
  });

  test("where no gateway is, a message that was never sent is surely not stored", async () => {
    await using world = await World.start();
    const client = world.connect();
    await world.command({ do: "kill_gateway" });
    const publisher = client.publisher({ timeoutMs: 1_000 });
    const error = await rejects(publisher.publish("orders.new", "x"), "DEADLINE_EXCEEDED");
    assert.equal(error.unsent, true);
    await client.close();
  });
});
