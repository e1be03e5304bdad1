// The publisher of browsers, which have no streams in both directions: messages go in batches, each batch by a call.

import { Code, JetgateError, fromItem, outcomeUnknown } from "../errors.js";
import { PublishBatchMode, type PublisherService } from "../gen/jetgate/v1/publisher_pb.js";
import type { PublishRequest } from "../gen/jetgate/v1/publish_message_pb.js";
import { randomId } from "../ids.js";
import { type MessageOptions, type Payload, type PublishResult, toRequest, toResult } from "../publishing/message.js";
import type { ServiceClient } from "../rpc.js";

/** How a publisher works. Every option has a default. */
export interface WebPublisherOptions {
  /** A batch is sent when it has so many messages, at most 1,000. Default 256. */
  batchMessages?: number;
  /** Or when its first message has waited so long. Default 5 ms. */
  lingerMs?: number;
  /** How many messages are held before the publisher is `full`. Default 4,096. */
  maxPendingMessages?: number;
  /** The longest time until a message is answered. Default 30 s. */
  timeoutMs?: number;
}

const DEFAULTS = { batchMessages: 256, lingerMs: 5, maxPendingMessages: 4_096, timeoutMs: 30_000 };
/** What a call may carry. */
const BATCH_BYTES = 1 << 20;
/** How many calls are under way at a time. */
const CALLS = 4;

interface Pending {
  request: PublishRequest;
  resolve: (result: PublishResult) => void;
  reject: (error: Error) => void;
}

/** Publishes in batches. The order of messages in a stream is not promised. Made by `client.publisher()`. */
export class WebPublisher {
  /** Fulfilled once the publisher has ended. */
  readonly closed: Promise<void>;

  private readonly options: typeof DEFAULTS;
  private readonly producerId = `web-${randomId()}`;
  private numbered = 0;
  private queue: Pending[] = [];
  private pending = 0;
  private calls = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closing = false;
  private end!: () => void;
  private waiters: { until: () => boolean; resolve: () => void }[] = [];

  /** @internal */
  constructor(
    private readonly service: ServiceClient<typeof PublisherService>,
    options: WebPublisherOptions,
  ) {
    this.options = { ...DEFAULTS, ...options };
    this.closed = new Promise((resolve) => (this.end = resolve));
  }

  /** Publishes a message; the promise is fulfilled once the stream has it. A message without an id gets one. */
  publish(subject: string, payload: Payload = "", options: MessageOptions = {}): Promise<PublishResult> {
    if (this.closing) return refuse(Code.CANCELLED, "the publisher is closed");
    if (this.full) return refuse(Code.RESOURCE_EXHAUSTED, "the publisher is full: await publisher.ready()");
    const messageId = options.messageId ?? `${this.producerId}:${++this.numbered}`;
    const request = toRequest(subject, payload, { ...options, messageId });
    this.pending++;
    return new Promise((resolve, reject) => {
      this.queue.push({ request, resolve, reject });
      if (this.queue.length >= this.options.batchMessages) this.send();
      else this.timer ??= setTimeout(() => this.send(), this.options.lingerMs);
    });
  }

  /** The publisher holds as much as it may. */
  get full(): boolean {
    return this.pending >= this.options.maxPendingMessages;
  }

  /** Waits until the publisher takes messages. */
  ready(): Promise<void> {
    return this.wait(() => !this.full);
  }

  /** Waits until everything that was published is answered. */
  flush(): Promise<void> {
    this.send();
    return this.wait(() => this.pending === 0);
  }

  /** Waits for what is published, and ends. */
  async close(): Promise<void> {
    this.closing = true;
    await this.flush();
    this.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private send(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    while (this.queue.length > 0 && this.calls < CALLS) void this.call(this.nextBatch());
  }

  private nextBatch(): Pending[] {
    let bytes = 0;
    const limit = Math.min(this.options.batchMessages, 1_000);
    let count = 0;
    for (; count < this.queue.length && count < limit; count++) {
      bytes += sizeOf(this.queue[count].request);
      if (count > 0 && bytes > BATCH_BYTES) break;
    }
    return this.queue.splice(0, count);
  }

  private async call(batch: Pending[]): Promise<void> {
    this.calls++;
    try {
      const messages = batch.map(({ request }) => request);
      const { timeoutMs } = this.options;
      const mode = PublishBatchMode.INDEPENDENT;
      const { results } = await this.service.publishBatch({ messages, mode }, { timeoutMs });
      batch.forEach(({ resolve, reject }, at) => {
        const { status, published } = results[at];
        const error = fromItem(status);
        if (error) reject(error);
        else resolve(toResult(published!));
      });
    } catch (error) {
      for (const { request, reject } of batch) reject(ofMessage(error as Error, request));
    }
    this.calls--;
    this.pending -= batch.length;
    this.wake();
    this.send();
  }

  private wait(until: () => boolean): Promise<void> {
    if (until()) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push({ until, resolve }));
  }

  private wake(): void {
    this.waiters = this.waiters.filter(({ until, resolve }) => {
      if (!until()) return true;
      resolve();
      return false;
    });
  }
}

/** The error of a call as that of one of its messages, with the id to publish it again with. */
function ofMessage(error: Error, { messageId }: PublishRequest): Error {
  return error instanceof JetgateError && error.outcomeUnknown ? outcomeUnknown(error.message, messageId, error) : error;
}

/** About how large a message is. */
function sizeOf({ payload }: PublishRequest): number {
  if (payload.case === "data") return payload.value.length;
  return payload.case === "text" ? payload.value.length * 2 : 0;
}

function refuse(code: Code, message: string): Promise<never> {
  return Promise.reject(new JetgateError({ code, message, unsent: true }));
}
