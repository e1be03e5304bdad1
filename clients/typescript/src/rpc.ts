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
import { Attempts } from "./attempts.js";
import { Backoff, sleep } from "./backoff.js";
import type { Channel, Metadata } from "./channel.js";
import { Code, JetgateError } from "./errors.js";

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
  const attempts = new Attempts(method, init);
  const response = fromBinary(method.output, await unaryBytes(channel, method, init, options, attempts));
  attempts.answered(response);
  return response;
}

/** Calls a unary method, and again while that is safe and may help; its answer as it came. */
export async function unaryBytes(
  channel: Channel,
  method: DescMethod,
  init: MessageInitShape<DescMessage>,
  options: RpcOptions = {},
  attempts = new Attempts(method, init),
): Promise<Uint8Array> {
  const request = toBinary(method.input, create(method.input, init));
  const expires = Date.now() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const backoff = new Backoff(50, 1_000);
  for (;;) {
    const begun = Date.now();
    try {
      return await once(channel, pathOf(method), request, Math.max(1, expires - begun), options);
    } catch (error) {
      if (!(error instanceof JetgateError)) throw error;
      attempts.failed(error, begun);
      const wait = backoff.next(error.retryDelayMs);
      const next = Date.now() + wait;
      if (next >= expires || !attempts.mayRepeat(error, next)) throw attempts.verdict(error);
      const { signal } = options;
      await sleep(wait, signal).catch(() => Promise.reject(attempts.verdict(aborted(signal!, true))));
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
    if (signal?.aborted) return reject(aborted(signal, true));
    let answer: Uint8Array | undefined;
    const call = channel.call(path, { metadata, timeoutMs }, {
      message: (bytes) => (answer = bytes),
      closed: (error) => {
        signal?.removeEventListener("abort", cancel);
        if (error?.reason === "DRAINING") call.leave();
        if (error) reject(signal?.aborted ? aborted(signal, error.unsent) : error);
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
  if (signal?.aborted) throw aborted(signal, true);
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
        if (end.error) throw signal?.aborted ? aborted(signal, end.error.unsent) : end.error;
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

function aborted(signal: AbortSignal, unsent: boolean): JetgateError {
  return new JetgateError({ code: Code.CANCELLED, message: "the call was aborted", cause: signal.reason, unsent });
}
