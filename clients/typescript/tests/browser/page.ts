// What a page in a browser does with the client. Each check is a function that throws; the page reports all to its server.

import { DiscardPolicy, JetgateError, type WebClient, connect } from "jetgate/web";

declare const GATEWAY: string;

/** Browsers of tests run on busy machines. */
const patient = { timeoutMs: 60_000 };

const checks: Record<string, (client: WebClient) => Promise<void>> = {
  async "streams and consumers are created"(client) {
    await client.streams.create({ name: "ORDERS", subjects: ["orders.>"], discard: DiscardPolicy.NEW, maxMsgs: 5_000 }, patient);
    await client.consumers.create("ORDERS", { durableName: "worker", ackWait: 30_000 }, patient);
    equal((await client.streams.get("ORDERS", patient)).config?.subjects[0], "orders.>");
  },

  async "a message is published once under its id"(client) {
    const options = { messageId: "order-1", headers: { City: "Köln" }, ...patient };
    equal((await client.publish("orders.new", "Grüße", options)).duplicate, false);
    equal((await client.publish("orders.new", "Grüße", options)).duplicate, true);
  },

  async "an error has its reason"(client) {
    const error = await client.publish("nobody.takes.this", "x", patient).catch((error: unknown) => error);
    equal((error as JetgateError).reason, "NO_STREAM_FOR_SUBJECT");
    equal((error as JetgateError).codeName, "NOT_FOUND");
    equal((error as JetgateError).retry, "never");
  },

  async "a publisher sends batches"(client) {
    const publisher = client.publisher(patient);
    const results = [];
    for (let number = 1; number < 1_000; number++) {
      if (publisher.full) await publisher.ready();
      results.push(publisher.publish("orders.new", `m-${number}`));
    }
    await publisher.close();
    equal(new Set((await Promise.all(results)).map(({ sequence }) => sequence)).size, 999);
  },

  async "messages are consumed and acknowledged"(client) {
    const seen = new Set<string>();
    for await (const message of client.consume("ORDERS", "worker", { maxOutstanding: 100 })) {
      if (message.messageId === "order-1") {
        equal(message.text, "Grüße");
        equal(message.header("City"), "Köln");
      }
      seen.add(message.text);
      message.ack();
      if (seen.size === 1_000) break;
    }
    const { state } = await client.consumers.get("ORDERS", "worker", patient);
    equal(state?.numPending, 0n);
    // JetStream works on acknowledgements in its own time.
    const unsettled = async () => (await client.consumers.get("ORDERS", "worker", patient)).state!.numAckPending;
    const deadline = Date.now() + 10_000;
    while ((await unsettled()) > 0n && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
    equal(await unsettled(), 0n);
  },

  async "a message that is given back comes again, and a confirmed acknowledgement is final"(client) {
    await client.publish("orders.again", "once more", patient);
    const consumer = client.consume("ORDERS", "worker");
    (await consumer.receive(20_000))!.nak();
    const again = await consumer.receive(20_000);
    equal(again?.attempt, 2);
    await again!.ack({ confirm: true });
    equal((await client.consumers.get("ORDERS", "worker", patient)).state?.numAckPending, 0n);
    await consumer.close();
  },

  async "messages are fetched"(client) {
    await client.publish("orders.fetched", "one", patient);
    const [message] = await client.fetch("ORDERS", "worker", { maxWaitMs: 20_000, ...patient });
    equal(message.text, "one");
    await message.ack({ confirm: true });
  },

  async "a stream is read in order"(client) {
    let before = 0n;
    let count = 0;
    for await (const message of client.subscribe("ORDERS", { until: "last" })) {
      equal(message.sequence > before, true);
      before = message.sequence;
      count++;
    }
    equal(count, 1_002);
  },
};

function equal(found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${String(found)} is not ${String(expected)}`);
}

async function run(): Promise<void> {
  const results: Record<string, string> = {};
  const client = connect(GATEWAY);
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(client);
      results[name] = "ok";
    } catch (error) {
      results[name] = error instanceof Error ? `${error.message}\n${error.stack}` : String(error);
    }
  }
  await client.close();
  await fetch("/results", { method: "POST", body: JSON.stringify(results) });
}

void run();
