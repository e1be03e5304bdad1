// One side of the benchmark, in a process of its own: publishes or consumes so many messages, checks that all are there, and
// prints how many it was a second.

import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats } from "@nats-io/transport-node";
import { connect } from "jetgate";

const [task, side, counted, gateway, nats] = process.argv.slice(2);
const COUNT = Number(counted);
const PAYLOAD = new Uint8Array(256).fill(120);
const SUBJECT = "bench.new";
const IN_FLIGHT = 4096;
/** Before the clock runs, so that what is measured is compiled. */
const WARM_UP = 5_000;

const client = connect(gateway);
const connection = await connectNats({ servers: nats });
const manager = await jetstreamManager(connection, { timeout: 60_000 });
const js = jetstream(connection, { timeout: 60_000 });

const SIDES = {
  publish: {
    "nats.js": () => publishNative(),
    jetgate: () => publish({}),
    "jetgate-without-ids": () => publish({ mintIds: false }),
    "jetgate-cumulative": () => publish({ acks: "cumulative", stream: "BENCH" }),
  },
  consume: { "nats.js": () => consumeNative(), jetgate: () => consume() },
};

await newStream(side === "jetgate-cumulative");
const rate = await SIDES[task][side]();
const { state } = await client.streams.get("BENCH");
if (Number(state.messages) !== COUNT + WARM_UP) throw new Error(`the stream has ${state.messages} messages`);
await connection.close();
await client.close();
console.log(rate);

async function newStream(allowBatched) {
  for await (const { config } of client.streams.list({ name: "BENCH" })) await client.streams.delete(config.name);
  await client.streams.create({ name: "BENCH", subjects: ["bench.*"], allowBatched });
}

async function timed(run) {
  const begun = performance.now();
  await run();
  return (COUNT * 1000) / (performance.now() - begun);
}

/** As fast as promises allow, with so many unanswered at a time. */
async function publishNative() {
  const some = async (count) => {
    let answered = 0;
    let wake;
    for (let sent = 0; sent < count; sent++) {
      if (sent - answered >= IN_FLIGHT) await new Promise((resolve) => (wake = resolve));
      js.publish(SUBJECT, PAYLOAD).then(() => {
        answered++;
        wake?.();
      }, fail);
    }
    while (answered < count) await new Promise((resolve) => (wake = resolve));
  };
  await some(WARM_UP);
  return timed(() => some(COUNT));
}

async function publish(options) {
  const publisher = client.publisher({ maxInFlight: IN_FLIGHT, ...options });
  const some = async (count) => {
    for (let sent = 0; sent < count; sent++) {
      if (publisher.full) await publisher.ready();
      publisher.publish(SUBJECT, PAYLOAD).catch(fail);
    }
    await publisher.flush();
  };
  await some(WARM_UP);
  const rate = await timed(() => some(COUNT));
  await publisher.close();
  return rate;
}

async function consumeNative() {
  await fill();
  await manager.consumers.add("BENCH", { durable_name: "worker", ack_policy: AckPolicy.Explicit, max_ack_pending: 8192 });
  const consumer = await js.consumers.get("BENCH", "worker");
  const messages = await consumer.consume({ max_messages: 2000 });
  const rate = await drained(messages);
  await connection.flush();
  return rate;
}

async function consume() {
  await fill();
  await client.consumers.create("BENCH", { durableName: "worker", maxAckPending: 8192 });
  return drained(client.consume("BENCH", "worker", { maxOutstanding: 2000 }));
}

/** Acknowledges everything; the clock runs behind the warm-up. */
async function drained(messages) {
  let begun;
  let seen = 0;
  for await (const message of messages) {
    message.ack();
    if (++seen === WARM_UP) begun = performance.now();
    if (seen === COUNT + WARM_UP) break;
  }
  const rate = (COUNT * 1000) / (performance.now() - begun);
  for (;;) {
    const { state } = await client.consumers.get("BENCH", "worker");
    if (state.numAckPending === 0n && state.numPending === 0n) return rate;
  }
}

async function fill() {
  const publisher = client.publisher({ mintIds: false });
  for (let sent = 0; sent < COUNT + WARM_UP; sent++) {
    if (publisher.full) await publisher.ready();
    publisher.publish(SUBJECT, PAYLOAD).catch(fail);
  }
  await publisher.close();
}

function fail(error) {
  console.error(error);
  process.exit(1);
}
