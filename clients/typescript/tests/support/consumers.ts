// Streams with messages and a consumer, and what became of them.

import type { Client } from "jetgate";
import type { ConsumerState } from "jetgate/proto/consumer";
import { eventually } from "./assertions.js";

/** Publishes `m-1` to `m-<count>`. */
export async function fill(client: Client, stream: string, count: number): Promise<void> {
  await using publisher = client.publisher();
  for (let number = 1; number <= count; number++) void publisher.publish(`${stream}.new`, `m-${number}`);
}

/** Makes a stream with so many messages, and its consumer `worker`. */
export async function prepare(client: Client, stream: string, count: number, ackWait = 30_000): Promise<void> {
  await client.streams.create({ name: stream, subjects: [`${stream}.*`] });
  await client.consumers.create(stream, { durableName: "worker", ackWait });
  await fill(client, stream, count);
}

/** The state of `worker` once everything is settled: JetStream may hear of what is not confirmed a moment later. */
export async function whenSettled(client: Client, stream: string): Promise<ConsumerState> {
  const worker = async () => (await client.consumers.get(stream, "worker")).state!;
  await eventually("all is settled", async () => {
    const { numAckPending, numPending } = await worker();
    return numAckPending === 0n && numPending === 0n;
  });
  return worker();
}
