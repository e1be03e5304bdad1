// A message to publish, as a program gives it, and what became of it.

import { type MessageInitShape, create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, JetgateError } from "../errors.js";
import { type PublishRequest, PublishRequestSchema, Rollup } from "../gen/jetgate/v1/publish_message_pb.js";
import type { PublishResponse } from "../gen/jetgate/v1/publisher_pb.js";

/** Bytes, or text that is stored as UTF-8. For JSON: `JSON.stringify(value)`. */
export type Payload = Uint8Array | string;

/** Headers by name; a name with several values has a list. Values that are no text are bytes. */
export type HeadersInit = Record<string, HeaderValue | readonly HeaderValue[]> | Iterable<readonly [string, HeaderValue]>;

/** The value of a header. */
export type HeaderValue = string | Uint8Array;

/** Conditions under which a message is stored. */
export interface Expectation {
  /** The stream that must take the subject. */
  stream?: string;
  /** The sequence of the stream's last message; 0 is none. */
  lastSequence?: bigint | number;
  /** The sequence of the last message of this subject; 0 is none. */
  lastSubjectSequence?: bigint | number;
  /** The subject that `lastSubjectSequence` speaks of, where it is not the message's own. */
  lastSubjectSequenceSubject?: string;
  /** The message id of the stream's last message. */
  lastMessageId?: string;
}

/** When a stream produces messages from a stored one, and where. */
export interface Schedule {
  /** Once, at this time. */
  at?: Date;
  /** Again and again, at this interval. */
  everyMs?: number;
  /** At the times of a cron expression of six fields, in this time zone. */
  cron?: string;
  timeZone?: string;
  /** The subject of what is produced. */
  target: string;
  /** How long what is produced is kept. */
  ttlMs?: number;
  /** Produce the last message of this subject instead. */
  source?: string;
}

/** What a message has beside its subject and its payload. */
export interface MessageOptions {
  /** Deduplication id: the id of the business event, so that the event is stored once however often it is published. */
  messageId?: string;
  headers?: HeadersInit;
  expect?: Expectation;
  /** How long the message is kept, in whole seconds. */
  ttlMs?: number;
  /** The stream's max_age does not remove the message. */
  neverExpires?: boolean;
  /** Which older messages this one replaces. */
  rollup?: "subject" | "all";
  /** Adds to the subject's counter: "1", "-5". Without a payload. */
  counterIncrement?: string;
  schedule?: Schedule;
}

/** A message of a batch. */
export interface BatchMessage extends MessageOptions {
  subject: string;
  payload?: Payload;
}

/** Where a message is stored. */
export interface PublishResult {
  /** The stream. */
  stream: string;
  /** Its sequence; of a duplicate, that of the first. 0n from a cumulative publisher, which is not told. */
  sequence: bigint;
  /** The stream had the id already. After a reconnect this may have been the publisher's own first attempt. */
  duplicate: boolean;
  /** The message's id, where it has one of its own. */
  messageId: string;
  /** The JetStream domain; empty without domains. */
  domain: string;
  /** The counter's value after the increment; empty for other messages. */
  counterValue: string;
}

/** The message as the contract has it. */
export function toRequest(subject: string, payload: Payload, options: MessageOptions = {}): PublishRequest {
  const request = create(PublishRequestSchema, { subject, ...extras(options) });
  request.payload = typeof payload === "string" ? { case: "text", value: payload } : { case: "data", value: payload };
  request.messageId = options.messageId ?? "";
  for (const [name, value] of headerPairs(options.headers)) {
    const pair = typeof value === "string" ? { name, value } : { name, binaryValue: value };
    request.headers.push(create(PublishRequestSchema, { headers: [pair] }).headers[0]);
  }
  return request;
}

/** Everything but subject, payload, headers and id. */
export function extras(options: MessageOptions): MessageInitShape<typeof PublishRequestSchema> {
  const { expect, schedule } = options;
  return {
    expect: expect && {
      ...expect,
      lastSequence: optionalBigint(expect.lastSequence),
      lastSubjectSequence: optionalBigint(expect.lastSubjectSequence),
    },
    expiry: options.neverExpires
      ? { case: "neverExpires", value: true }
      : options.ttlMs === undefined
        ? undefined
        : { case: "ttl", value: durationFromMs(options.ttlMs) },
    rollup: options.rollup && { subject: Rollup.SUBJECT, all: Rollup.ALL }[options.rollup],
    counterIncrement: options.counterIncrement,
    schedule: schedule && {
      when: scheduleTime(schedule),
      timeZone: schedule.timeZone,
      target: schedule.target,
      ttl: schedule.ttlMs === undefined ? undefined : durationFromMs(schedule.ttlMs),
      source: schedule.source,
    },
  };
}

/** Whether a message has anything that `extras` speaks of. */
export function hasExtras(options: MessageOptions): boolean {
  return (
    options.expect !== undefined ||
    options.ttlMs !== undefined ||
    options.neverExpires !== undefined ||
    options.rollup !== undefined ||
    options.counterIncrement !== undefined ||
    options.schedule !== undefined
  );
}

/** Headers one by one, in their order. */
export function* headerPairs(headers: HeadersInit | undefined): Generator<readonly [string, HeaderValue]> {
  if (headers === undefined) return;
  if (Symbol.iterator in headers) {
    yield* headers as Iterable<readonly [string, HeaderValue]>;
    return;
  }
  for (const [name, value] of Object.entries(headers)) {
    if (Array.isArray(value)) for (const one of value as HeaderValue[]) yield [name, one];
    else yield [name, value as HeaderValue];
  }
}

/** What a unary publish answers with. */
export function toResult(response: PublishResponse): PublishResult {
  const { stream, sequence, duplicate, messageId, domain, counterValue } = response;
  return { stream, sequence, duplicate, messageId, domain, counterValue };
}

function optionalBigint(value: bigint | number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}

type When = NonNullable<NonNullable<PublishRequest["schedule"]>["when"]>;

function scheduleTime({ at, everyMs, cron }: Schedule): When {
  if ([at, everyMs, cron].filter((each) => each !== undefined).length !== 1) {
    throw new JetgateError({ code: Code.INVALID_ARGUMENT, message: "a schedule has one of at, everyMs and cron" });
  }
  if (at) return { case: "at", value: timestampFromDate(at) };
  if (everyMs !== undefined) return { case: "every", value: durationFromMs(everyMs) };
  return { case: "cron", value: cron! };
}
