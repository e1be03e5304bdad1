// What several tests check and wait for.

import * as assert from "node:assert/strict";
import { type Client, JetgateError, type Reason } from "jetgate";

/** The promise is rejected with this reason, or with this code's name where there is no reason. */
export async function rejects(promise: Promise<unknown>, reason: Reason): Promise<JetgateError> {
  const error = await promise.then(
    () => assert.fail(`nothing failed, and ${reason} was expected`),
    (error: unknown) => error,
  );
  if (!(error instanceof JetgateError)) throw error;
  assert.equal(error.reason || error.codeName, reason, error.message);
  return error;
}

/** Asks until the answer is yes. */
export async function eventually(what: string, ask: () => Promise<boolean>, withinMs = 30_000): Promise<void> {
  for (const end = Date.now() + withinMs; !(await ask()); ) {
    assert.ok(Date.now() < end, `${what}: not within ${withinMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** How often each payload is stored. */
export async function stored(client: Client, stream: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for await (const message of client.subscribe(stream, { until: "last" })) {
    found.set(message.text, (found.get(message.text) ?? 0) + 1);
  }
  return found;
}

/** Fails unless everything is stored once. */
export function eachOnce(found: Map<string, number>): void {
  for (const [payload, times] of found) assert.equal(times, 1, `${payload} is stored ${times} times`);
}
