// How scenarios write payloads, headers, errors and results, and how they are compared.

import * as assert from "node:assert/strict";
import { type Header, JetgateError, type Message, type MessageOptions, type PublishResult } from "jetgate";

/** A step, a message or an expectation, as JSON has it. */
export type Json = Record<string, unknown>;

/** Bytes of a payload or a header's value: text, or `{"base64": ...}`. */
export function raw(value: unknown): Uint8Array | string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  return Buffer.from((value as { base64: string }).base64, "base64");
}

function bytes(value: Uint8Array | string): string {
  return Buffer.from(value).toString("base64");
}

/** Names are known, or the scenario fails: nothing is passed over in silence. */
export function onlyKnown(what: Json, known: string[], where: string): void {
  for (const name of Object.keys(what)) assert.ok(known.includes(name), `${where} has a field ${name} that is not known`);
}

/** A message of a scenario as the client takes it. */
export function message(json: Json): { subject: string; payload: Uint8Array | string; options: MessageOptions } {
  onlyKnown(json, ["subject", "payload", "headers", "message_id", "expect"], "a message");
  const options: MessageOptions = {};
  if (json.headers) {
    options.headers = (json.headers as [string, unknown][]).map(([name, value]) => [name, raw(value)] as const);
  }
  if (json.message_id) options.messageId = json.message_id as string;
  if (json.expect) {
    const expect = json.expect as Json;
    onlyKnown(expect, ["stream", "last_sequence", "last_subject_sequence", "last_message_id"], "expect");
    options.expect = {
      stream: expect.stream as string,
      lastSequence: expect.last_sequence as number,
      lastSubjectSequence: expect.last_subject_sequence as number,
      lastMessageId: expect.last_message_id as string,
    };
  }
  return { subject: json.subject as string, payload: raw(json.payload), options };
}

/** Checks an error against a subset of what it says. */
export function checkError(error: unknown, expected: Json): void {
  onlyKnown(expected, ["reason", "code", "retry", "metadata", "says", "violations", "retry_delay"], "an error");
  if (!(error instanceof JetgateError)) throw error;
  const said = `${error.codeName} ${error.reason}: ${error.message}`;
  if (expected.reason !== undefined) assert.equal(error.reason, expected.reason, said);
  if (expected.code !== undefined) assert.equal(error.codeName, expected.code, said);
  if (expected.retry !== undefined) assert.equal(error.retry, expected.retry, said);
  if (expected.violations !== undefined) {
    const fields = error.violations.map(({ field }) => field);
    assert.deepEqual(fields, expected.violations, said);
  }
  if (expected.retry_delay !== undefined) assert.equal(error.retryDelayMs, (expected.retry_delay as number) * 1000, said);
  if (expected.says !== undefined) assert.ok(error.message.toLowerCase().includes(expected.says as string), said);
  for (const [key, value] of Object.entries((expected.metadata as Json) ?? {})) assert.equal(error.metadata[key], value);
}

/** Checks what became of a message. */
export function checkResult(result: PublishResult | JetgateError | Error, expected: Json): void {
  onlyKnown(expected, ["stream", "sequence", "duplicate", "message_id", "error"], "a publish result");
  if (expected.error) return checkError(result, expected.error as Json);
  if (result instanceof Error) throw result;
  if (expected.stream !== undefined) assert.equal(result.stream, expected.stream);
  if (expected.sequence !== undefined) assert.equal(Number(result.sequence), expected.sequence);
  if (expected.duplicate !== undefined) assert.equal(result.duplicate, expected.duplicate);
  if (expected.message_id !== undefined) assert.equal(result.messageId, expected.message_id);
}

/** Checks a received message. */
export function checkMessage(message: Message, expected: Json): void {
  onlyKnown(expected, ["subject", "payload", "headers", "sequence", "attempt", "message_id"], "a received message");
  if (expected.subject !== undefined) assert.equal(message.subject, expected.subject);
  if (expected.payload !== undefined) assert.equal(bytes(message.data), bytes(raw(expected.payload)));
  if (expected.sequence !== undefined) assert.equal(Number(message.sequence), expected.sequence);
  if (expected.attempt !== undefined) assert.equal(message.attempt, expected.attempt);
  if (expected.message_id !== undefined) assert.equal(message.messageId, expected.message_id);
  if (expected.headers !== undefined) {
    assert.deepEqual(sorted(message.headers), sorted(fromPairs(expected.headers as [string, unknown][])));
  }
}

/** Checks an answer of the world against a subset of it. */
export function checkAnswer(answer: Json, expected: Json): void {
  for (const [key, value] of Object.entries(expected)) {
    if (key === "headers") {
      assert.deepEqual(
        sorted(fromPairs(answer.headers as [string, unknown][])),
        sorted(fromPairs(value as [string, unknown][])),
      );
    } else if (key === "payload") assert.equal(bytes(raw(answer.payload)), bytes(raw(value)));
    else assert.deepEqual(answer[key], value, `${key} of the answer`);
  }
}

function fromPairs(pairs: [string, unknown][]): Header[] {
  return pairs.map(([name, value]) => ({ name, value: raw(value) }));
}

/** By name; several values of a name keep their order. */
function sorted(headers: Header[]): [string, string][] {
  const all = headers.map(({ name, value }): [string, string] => [name, bytes(value)]);
  return all.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
}
