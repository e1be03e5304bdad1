// Errors say what the contract says of their reasons; configurations are converted, or refused.

import * as assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { DurationSchema, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, JetgateError, RetentionPolicy, connect } from "jetgate";
import { fromConfig } from "#dist/config.js";
import { fromItem, fromStatus } from "#dist/errors.js";
import { ConsumerConfigSchema } from "#dist/gen/jetgate/v1/consumer_config_pb.js";
import { ErrorReason, ItemStatusSchema } from "#dist/gen/jetgate/v1/error_pb.js";
import { StreamConfigSchema } from "#dist/gen/jetgate/v1/stream_config_pb.js";
import { parseTargets } from "#dist/node/target.js";
import { worthReconnecting } from "#dist/reconnecting.js";

test("every reason has the retryability of the contract", () => {
  const retries = (reason: string) => new JetgateError({ code: 9, message: "", reason }).retry;
  assert.equal(retries("STREAM_NOT_FOUND"), "never");
  assert.equal(retries("STREAM_FULL"), "later");
  assert.equal(retries("PUBLISH_OUTCOME_UNKNOWN"), "same_id");
  assert.equal(retries("WRONG_LAST_SEQUENCE"), "after_read");
  for (const reason of Object.keys(ErrorReason).filter((name) => isNaN(Number(name)) && name !== "UNSPECIFIED")) {
    assert.notEqual(retries(reason), "unknown", reason);
  }
});

test("a reason that is younger than the client is judged by its code", () => {
  const of = (code: number) => new JetgateError({ code, message: "", reason: "SOLAR_FLARE" });
  for (const code of [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED]) {
    assert.equal(of(code).retry, "later");
    assert.ok(of(code).retryable && worthReconnecting(of(code)));
  }
  assert.equal(of(Code.ABORTED).retry, "after_read");
  for (const code of [Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.PERMISSION_DENIED, Code.INTERNAL]) {
    assert.equal(of(code).retry, "unknown");
    assert.equal(worthReconnecting(of(code)), false);
  }
  // An item has the reason's number only.
  const item = fromItem(create(ItemStatusSchema, { code: Code.UNAVAILABLE, reason: 9_999 as ErrorReason }));
  assert.deepEqual([item!.reason, item!.retry], ["REASON_9999", "later"]);
});

test("an error without a reason is judged by its code", () => {
  assert.equal(new JetgateError({ code: 14, message: "" }).retryable, true);
  assert.equal(new JetgateError({ code: 3, message: "" }).retryable, false);
  assert.equal(new JetgateError({ code: 3, message: "" }).codeName, "INVALID_ARGUMENT");
  assert.equal(fromItem(undefined), undefined);
});

test("a status keeps its details", () => {
  const text = (tag: number, value: string) => Buffer.concat([Buffer.of(tag, Buffer.byteLength(value)), Buffer.from(value)]);
  const bytes = (tag: number, value: Uint8Array) => Buffer.concat([Buffer.of(tag, value.length), value]);
  const any = (type: string, value: Uint8Array) =>
    bytes(0x1a, Buffer.concat([text(0x0a, `type.googleapis.com/google.rpc.${type}`), bytes(0x12, value)]));
  const info = Buffer.concat([
    text(0x0a, "STREAM_EXISTS"),
    text(0x12, "jetgate"),
    bytes(0x1a, Buffer.concat([text(0x0a, "differs"), text(0x12, "max_age")])),
  ]);
  const retry = bytes(0x0a, toBinary(DurationSchema, durationFromMs(1_250)));
  const wrong = bytes(0x0a, Buffer.concat([text(0x0a, "config.name"), text(0x12, "has a dot")]));
  const status = Buffer.concat([any("ErrorInfo", info), any("RetryInfo", retry), any("BadRequest", wrong)]);
  const error = fromStatus(6, "exists", status);
  assert.deepEqual([error.code, error.reason, error.metadata], [6, "STREAM_EXISTS", { differs: "max_age" }]);
  assert.equal(error.retryDelayMs, 1_250);
  assert.deepEqual(error.violations, [{ field: "config.name", description: "has a dot" }]);
});

test("a configuration takes milliseconds, dates and numbers", () => {
  const stream = fromConfig(StreamConfigSchema, {
    name: "ORDERS",
    maxAge: 1_500,
    maxBytes: 5,
    retention: RetentionPolicy.WORK_QUEUE,
    sources: [{ name: "OTHER", optStartTime: new Date(2_000) }],
  });
  assert.deepEqual([stream.maxAge?.seconds, stream.maxAge?.nanos, stream.maxBytes], [1n, 500_000_000, 5n]);
  assert.equal(stream.sources[0].optStartTime?.seconds, 2n);
  const consumer = fromConfig(ConsumerConfigSchema, { backoff: [1_000, 2_000], ackWait: durationFromMs(3_000) });
  assert.deepEqual(consumer.backoff.map(({ seconds }) => seconds), [1n, 2n]);
  assert.equal(consumer.ackWait?.seconds, 3n);
});

test("a setting that does not exist is refused", () => {
  assert.throws(() => fromConfig(StreamConfigSchema, { maxAgee: 1 } as object), /maxAgee/);
});

test("addresses are checked before anything is called", () => {
  const origins = (target: string | string[], tls = false) => parseTargets(target, tls).map(({ origin }) => origin);
  assert.deepEqual(origins("a:1, https://b:2"), ["http://a:1", "https://b:2"]);
  assert.deepEqual(origins(["[::1]:50051"], true), ["https://[::1]:50051"]);
  for (const wrong of ["", "ftp://a", "a b:1"]) {
    assert.throws(() => connect(wrong), (error) => error instanceof JetgateError && error.code === 3, wrong);
  }
  assert.throws(() => connect("http://a:1", { tls: {} }), JetgateError);
});
