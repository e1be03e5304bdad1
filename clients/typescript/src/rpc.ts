// Calls of the contract's methods through a channel: encoded, repeated where that is safe, and decoded.

import {
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
  create,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import { Backoff, sleep } from "./backoff.js";
import type { Channel, Metadata } from "./channel.js";
import { Code, JetgateError } from "./errors.js";
import { type PublishRequest, PublishRequestSchema } from "./gen/jetgate/v1/publish_message_pb.js";
import { type PublishBatchRequest, PublishBatchMode, PublishBatchRequestSchema } from "./gen/jetgate/v1/publisher_pb.js";

/** How long a unary call takes at most, where nothing else is said. */
export const DEFAULT_TIMEOUT_MS = 10_000;

/** Options of one call. */
export interface RpcOptions {
  /** The longest time, attempts and waits between them included. Unary calls: 10 s unless set. */
  timeoutMs?: number;
  /** Gives the call up when it aborts. */
  signal?: AbortSignal;
  /** More metadata: a `traceparent`, for example. */
  metadata?: Metadata;
}

/** A service of the contract as an object: unary methods give promises, server streams give async iterables. */
export type ServiceClient<S extends GenService<GenServiceMethods>> = {
  [M in keyof S["method"] as S["method"][M]["methodKind"] extends "unary" | "server_streaming" ? M : never]: (
    request: MessageInitShape<S["method"][M]["input"]>,
    options?: RpcOptions,
  ) => S["method"][M]["methodKind"] extends "unary"
    ? Promise<MessageShape<S["method"][M]["output"]>>
    : AsyncIterable<MessageShape<S["method"][M]["output"]>>;
};

/** The path of a method. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** A client of one service. */
export function serviceClient<S extends GenService<GenServiceMethods>>(channel: Channel, service: S): ServiceClient<S> {
  const client: Record<string, unknown> = {};
  for (const method of service.methods) {
    if (method.methodKind === "unary") {
      client[method.localName] = (request: MessageInitShape<DescMessage>, options?: RpcOptions) =>
        unary(channel, method, request, options);
    } else if (method.methodKind === "server_streaming") {
      client[method.localName] = (request: MessageInitShape<DescMessage>, options?: RpcOptions) =>
        serverStream(channel, method, request, options);
    }
  }
  return client as ServiceClient<S>;
}

async function unary(
  channel: Channel,
  method: DescMethod,
  init: MessageInitShape<DescMessage>,
  options?: RpcOptions,
): Promise<MessageShape<DescMessage>> {
  return fromBinary(method.output, await unaryBytes(channel, method, init, options));
}

/** Calls a unary method, and again while that is safe and may help; its answer as it came. */
export async function unaryBytes(
  channel: Channel,
  method: DescMethod,
  init: MessageInitShape<DescMessage>,
  options: RpcOptions = {},
): Promise<Uint8Array> {
  const request = toBinary(method.input, create(method.input, init));
  const expires = Date.now() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const backoff = new Backoff(50, 1_000);
  for (;;) {
    try {
      return await once(channel, pathOf(method), request, Math.max(1, expires - Date.now()), options);
    } catch (error) {
      if (!(error instanceof JetgateError) || !worthRepeating(error, method, init)) throw error;
      const wait = backoff.next(error.retryDelayMs);
      if (Date.now() + wait >= expires) throw error;
      await sleep(wait, options.signal);
    }
  }
}

/** One attempt. */
function once(
  channel: Channel,
  path: string,
  request: Uint8Array,
  timeoutMs: number,
  { signal, metadata }: RpcOptions,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    let answer: Uint8Array | undefined;
    const call = channel.call(path, { metadata, timeoutMs }, {
      message: (bytes) => (answer = bytes),
      closed: (error) => {
        signal?.removeEventListener("abort", cancel);
        if (error?.reason === "DRAINING") call.leave();
        if (error) reject(signal?.aborted ? aborted(signal) : error);
        else if (answer) resolve(answer);
        else reject(new JetgateError({ code: Code.INTERNAL, message: "the call ended without an answer" }));
      },
    });
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    call.send(request);
    call.end();
  });
}

/** How many messages of a server stream wait for their reader before the gateway is held. */
const READ_AHEAD = 16;

/** Calls a method that answers with a stream. Leaving the loop ends the call. */
export async function* serverStream<O extends DescMessage>(
  channel: Channel,
  method: DescMethod & { output: O },
  init: MessageInitShape<DescMessage>,
  { signal, metadata, timeoutMs }: RpcOptions = {},
): AsyncGenerator<MessageShape<O>, void, undefined> {
  if (signal?.aborted) throw aborted(signal);
  const queue: Uint8Array[] = [];
  let end: { error: JetgateError | undefined } | undefined;
  let wake: (() => void) | undefined;
  const call = channel.call(pathOf(method), { metadata, timeoutMs }, {
    message: (bytes) => {
      if (queue.push(bytes) === READ_AHEAD) call.pause();
      wake?.();
    },
    closed: (error) => {
      end = { error };
      wake?.();
    },
  });
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  call.send(toBinary(method.input, create(method.input, init)));
  call.end();
  try {
    for (;;) {
      const bytes = queue.shift();
      if (bytes) {
        if (queue.length === 0) call.resume();
        yield fromBinary(method.output, bytes);
      } else if (end) {
        if (end.error) throw signal?.aborted ? aborted(signal) : end.error;
        return;
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
  } finally {
    signal?.removeEventListener("abort", cancel);
    call.cancel();
  }
}

/** What may be done twice: reading, and what the contract calls idempotent. */
const REPEATABLE = /^(Get|List|Create|Apply|Acknowledge|Fetch)/;

function worthRepeating(error: JetgateError, method: DescMethod, request: MessageInitShape<DescMessage>): boolean {
  if (error.code !== Code.UNAVAILABLE) return false;
  // A gateway that says "later" has changed nothing; where none has answered, only what never left is sure.
  if (error.unsent || (error.reason && error.retry === "later")) return true;
  return REPEATABLE.test(method.name) || hasIds(method, request);
}

/** A message with an id is stored once, however often it is published. */
function hasIds(method: DescMethod, request: MessageInitShape<DescMessage>): boolean {
  if (method.input.typeName === PublishRequestSchema.typeName) return !!(request as PublishRequest).messageId;
  if (method.input.typeName !== PublishBatchRequestSchema.typeName) return false;
  const batch = request as PublishBatchRequest;
  return batch.mode !== PublishBatchMode.ATOMIC && batch.messages.every((message) => message.messageId);
}

function aborted(signal: AbortSignal): JetgateError {
  return new JetgateError({ code: Code.CANCELLED, message: "the call was aborted", cause: signal.reason });
}
