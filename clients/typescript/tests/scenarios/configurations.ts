// How scenarios write the configurations of streams and consumers, and how the client takes them.

import * as assert from "node:assert/strict";
import { type Client, DiscardPolicy } from "jetgate";
import { type Json, onlyKnown } from "./values.js";

/** The configuration of a stream. */
export function streamConfig(config: Json): Parameters<Client["streams"]["create"]>[0] {
  const { name, subjects, num_replicas, max_msgs, discard, duplicate_window, allow_atomic, allow_batched, ...rest } =
    config;
  onlyKnown(rest, [], "config");
  assert.ok(discard === undefined || discard === "new");
  return {
    name: name as string,
    subjects: subjects as string[],
    numReplicas: num_replicas as number | undefined,
    maxMsgs: max_msgs as number | undefined,
    discard: discard === "new" ? DiscardPolicy.NEW : undefined,
    duplicateWindow: milliseconds(duplicate_window),
    allowAtomic: allow_atomic as boolean | undefined,
    allowBatched: allow_batched as boolean | undefined,
  };
}

/** The configuration of a consumer. */
export function consumerConfig(config: Json): Parameters<Client["consumers"]["create"]>[1] {
  const { durable_name, ack_wait, max_deliver, ...rest } = config;
  onlyKnown(rest, [], "config");
  return {
    durableName: durable_name as string,
    ackWait: milliseconds(ack_wait),
    maxDeliver: max_deliver as number | undefined,
  };
}

function milliseconds(seconds: unknown): number | undefined {
  return seconds === undefined ? undefined : (seconds as number) * 1000;
}
