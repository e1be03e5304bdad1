// What the attempts of a call come to, whatever each of them says.

import * as assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, JetgateError } from "jetgate";
import { Attempts } from "#dist/attempts.js";
import { PublishRequestSchema } from "#dist/gen/jetgate/v1/publish_message_pb.js";
import { PublishBatchMode, PublisherService } from "#dist/gen/jetgate/v1/publisher_pb.js";
import { StreamService } from "#dist/gen/jetgate/v1/stream_pb.js";

const lost = new JetgateError({ code: Code.UNAVAILABLE, message: "the connection was lost" });
const unsent = new JetgateError({ code: Code.UNAVAILABLE, message: "nobody listens", unsent: true });
const later = new JetgateError({ code: Code.UNAVAILABLE, message: "not now", reason: "NATS_DISCONNECTED" });
const wrong = new JetgateError({ code: Code.ABORTED, message: "another", reason: "WRONG_LAST_SEQUENCE" });
const unknown = new JetgateError({ code: Code.UNAVAILABLE, message: "who knows", reason: "PUBLISH_OUTCOME_UNKNOWN" });

function publishing(messageId: string, validateOnly = false): Attempts {
  const request = create(PublishRequestSchema, { subject: "a", messageId, validateOnly });
  return new Attempts(PublisherService.method.publish, request);
}

/** The verdict of attempts that have failed so, one after the other. */
function verdict(attempts: Attempts, ...errors: JetgateError[]): JetgateError {
  for (const error of errors) attempts.failed(error, Date.now());
  return attempts.verdict(errors.at(-1)!);
}

test("what one attempt may have stored no later failure takes back", () => {
  for (const last of [unsent, later, wrong, lost]) {
    const error = verdict(publishing("id"), lost, last);
    assert.equal(error.outcomeUnknown, true);
    assert.deepEqual([error.metadata, error.retry, error.cause], [{ message_id: "id" }, "same_id", last]);
  }
  assert.equal(verdict(publishing("id"), unknown).metadata.message_id, "id");
  assert.equal(verdict(publishing("id"), unknown, wrong).outcomeUnknown, true);
});

test("what surely did nothing is told as it is", () => {
  for (const last of [unsent, later, wrong]) assert.equal(verdict(publishing("id"), unsent, later, last), last);
  assert.equal(verdict(publishing("id", true), lost), lost);
  assert.equal(verdict(new Attempts(StreamService.method.deleteStream, {}), lost), lost);
});

test("the code of a deadline and of an abort is kept", () => {
  for (const code of [Code.DEADLINE_EXCEEDED, Code.CANCELLED]) {
    const error = verdict(publishing("id"), new JetgateError({ code, message: "no answer" }));
    assert.deepEqual([error.code, error.outcomeUnknown], [code, true]);
    const before = new JetgateError({ code, message: "no answer", unsent: true });
    assert.equal(verdict(publishing("id"), before), before);
  }
});

test("an attempt that had no time to connect does not hide why those before failed", () => {
  const late = new JetgateError({ code: Code.DEADLINE_EXCEEDED, message: "too late", unsent: true });
  assert.equal(verdict(publishing("id"), unsent, late), unsent);
  assert.equal(verdict(new Attempts(StreamService.method.getStream, {}), lost, late), lost);
  assert.equal(verdict(publishing("id"), lost, late).cause, lost);
});

test("only what stores nothing twice is repeated", () => {
  const now = Date.now();
  const repeats = (attempts: Attempts, error: JetgateError) => {
    attempts.failed(error, now);
    return attempts.mayRepeat(error, now + 50);
  };
  const batch = (mode: PublishBatchMode, messageId: string) =>
    new Attempts(PublisherService.method.publishBatch, { mode, messages: [{ subject: "a", messageId }] });
  for (const error of [lost, unsent, later, unknown]) {
    assert.ok(repeats(publishing("id"), error));
    assert.ok(repeats(batch(PublishBatchMode.INDEPENDENT, "id"), error));
    const sure = error === unsent || error === later;
    for (const one of [publishing(""), batch(PublishBatchMode.INDEPENDENT, ""), batch(PublishBatchMode.ATOMIC, "id")]) {
      assert.equal(repeats(one, error), sure);
    }
  }
  assert.equal(repeats(publishing("id"), wrong), false);
  assert.equal(repeats(new Attempts(StreamService.method.getStream, {}), lost), true);
  assert.equal(repeats(new Attempts(StreamService.method.purgeStream, {}), lost), false);
});

test("a publish is not repeated when the stream may have forgotten its id", () => {
  const attempts = publishing("id");
  attempts.failed(unsent, 0);
  assert.equal(attempts.mayRepeat(unsent, 200_000), true);
  attempts.failed(lost, 200_000);
  attempts.failed(unsent, 250_000);
  assert.equal(attempts.mayRepeat(unsent, 307_900), true);
  assert.equal(attempts.mayRepeat(unsent, 308_000), false);
});
