// The publisher: many messages at a time over a PublishStream, each with a promise, through every reconnect.

import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { Backoff } from "./backoff.js";
import type { Channel } from "./channel.js";
import { Code, JetgateError, fromItem, inDoubt, outcomeUnknown } from "./errors.js";
import {
  PublishAckMode,
  PublishOnError,
  type PublishOpened,
  PublishOpenSchema,
  PublishOrdering,
} from "./gen/jetgate/v1/publish_stream_pb.js";
import { randomId } from "./ids.js";
import type { Answers, StoredRange } from "./publishing/answers.js";
import { Book, Pending } from "./publishing/book.js";
import { Encoder } from "./publishing/encoder.js";
import { closedError, expiredError, fullError, precedingFailed, tooLarge } from "./publishing/failures.js";
import type { MessageOptions, Payload, PublishResult } from "./publishing/message.js";
import { worthReconnecting } from "./reconnecting.js";
import { PublishSession } from "./publishing/session.js";
import { safeForMs } from "./publishing/window.js";

/** How a publisher works. Every option has a default. */
export interface PublisherOptions {
  /** The stream that takes all messages. Needed for `strict` and `cumulative`. Unset: whichever takes the subject. */
  stream?: string;

  /** Each message is stored only if the one before it is. After a failure nothing is stored until `resume()`. */
  ordering?: "none" | "strict";

  /**
   * `cumulative`: the gateway only says up to where everything is stored, which is faster on a stream with
   * `allow_batched`; results then have no sequence.
   */
  acks?: "each" | "cumulative";

  /**
   * Give messages without an id one that is made of the publisher's own and their number, so that a reconnect stores
   * nothing twice. Default true. An id costs the server memory while the stream's duplicate window lasts. False: a
   * message without an id whose answer is lost fails with PUBLISH_OUTCOME_UNKNOWN.
   */
  mintIds?: boolean;

  /** A batch is sent when it has so many messages, */
  batchMessages?: number;
  /** or so many bytes, */
  batchBytes?: number;
  /** or when its first message has waited so long. 0, the default: when the program next waits for something. */
  lingerMs?: number;

  /** How many messages the gateway may have to answer. Unset is the gateway's default. */
  maxInFlight?: number;

  /** How many messages the publisher holds before it is `full`, */
  maxPendingMessages?: number;
  /** or how many bytes. */
  maxPendingBytes?: number;

  /** The longest time until a message is answered, reconnects included. Default 60 s. */
  timeoutMs?: number;

  /** Who publishes, for the operators of the gateway. */
  clientName?: string;
}

const DEFAULTS = {
  batchMessages: 512,
  batchBytes: 512 << 10,
  lingerMs: 0,
  maxPendingMessages: 16_384,
  maxPendingBytes: 64 << 20,
  timeoutMs: 60_000,
};

/** The gateway takes frames of up to 4 MiB with up to 10,000 messages. */
const FRAME_BYTES = 4_000_000;

type State = "idle" | "opening" | "open" | "draining" | "waiting" | "closed";

/** Publishes through one gateway at a time. Made by `client.publisher()`. */
export class Publisher {
  /** Fulfilled once the publisher has ended: closed, or failed for good. */
  readonly closed: Promise<void>;

  private readonly options: PublisherOptions & typeof DEFAULTS;
  private readonly encoder = new Encoder();
  private readonly book = new Book();
  private readonly backoff = new Backoff(50, 2_000);
  private session: PublishSession | undefined;
  private state: State = "idle";
  private failure: JetgateError | undefined;
  private producerId: string;
  private opened: PublishOpened | undefined;
  private halted = false;
  /** Takes back what is scheduled. */
  private unschedule: (() => void) | undefined;
  private retrying: NodeJS.Timeout | undefined;
  private sweeping: NodeJS.Timeout | undefined;
  private roomWaiters: (() => void)[] = [];
  private flushWaiters: { through: number; resolve: () => void }[] = [];
  private closing: Promise<void> | undefined;
  private onceEnded: (() => void) | undefined;
  private end!: () => void;

  /** @internal */
  constructor(
    private readonly channel: Channel,
    options: PublisherOptions,
  ) {
    this.closed = new Promise((resolve) => (this.end = resolve));
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.options = { ...DEFAULTS, ...given };
    if (options.maxInFlight) {
      this.options.maxPendingMessages = options.maxPendingMessages ?? Math.max(options.maxInFlight, 1);
    }
    this.producerId = options.mintIds === false ? "" : `ts-${randomId().slice(0, 8)}`;
  }

  /**
   * Publishes a message. The promise is fulfilled once the stream has it, and rejected with a `JetgateError` otherwise:
   * with PUBLISH_OUTCOME_UNKNOWN it may be stored, with every other reason it is not.
   *
   * A publisher that is `full` refuses with RESOURCE_EXHAUSTED: `await publisher.ready()` before.
   */
  publish(subject: string, payload: Payload = "", options?: MessageOptions): Promise<PublishResult> {
    if (this.failure) return Promise.reject(this.failure);
    if (this.closing) return Promise.reject(closedError());
    if (this.full) return Promise.reject(fullError());
    return new Promise((resolve, reject) => {
      const pending = new Pending(options?.messageId ?? "", resolve, reject);
      this.encoder.encode(subject, payload, options, pending);
      pending.acceptedAt = Date.now();
      this.book.add(pending);
      if (this.state === "idle") this.open();
      this.sweeping ??= setInterval(() => this.sweep(), 1_000);
      if (this.book.unsentMessages >= this.options.batchMessages || this.book.unsentBytes >= this.options.batchBytes) {
        this.sendWhatFits();
      } else this.schedule();
    });
  }

  /** The publisher holds as much as it may. */
  get full(): boolean {
    return (
      this.book.messages >= this.options.maxPendingMessages || this.book.bytes >= this.options.maxPendingBytes
    );
  }

  /** Waits until the publisher takes messages. The back-pressure of a loop: `await publisher.ready()`. */
  ready(): Promise<void> {
    if (!this.full || this.failure || this.closing) return Promise.resolve();
    return new Promise((resolve) => this.roomWaiters.push(resolve));
  }

  /** Waits until everything that was published so far is answered, whatever the answers are. */
  flush(): Promise<void> {
    this.sendWhatFits();
    const through = this.book.last;
    if (this.book.settledThrough >= through) return Promise.resolve();
    return new Promise((resolve) => this.flushWaiters.push({ through, resolve }));
  }

  /** With `strict`: goes on after a failure. Messages that are published from now on are stored again. */
  resume(): void {
    if (!this.halted) return;
    this.refuseBehind();
    this.halted = false;
    if (this.state === "open") this.session!.resume();
    this.sendWhatFits();
  }

  /** Waits for what is published, and ends. */
  close(): Promise<void> {
    this.closing ??= this.finish();
    return this.closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async finish(): Promise<void> {
    await this.flush();
    if (this.state === "open") {
      const ended = new Promise<void>((resolve) => (this.onceEnded = resolve));
      this.session!.end();
      await ended;
    } else this.session?.cancel();
    this.stop();
  }

  private open(): void {
    this.state = "opening";
    const { stream, acks, ordering, maxInFlight, clientName, timeoutMs } = this.options;
    const open = create(PublishOpenSchema, {
      stream,
      ackMode: acks === "cumulative" ? PublishAckMode.CUMULATIVE : PublishAckMode.PER_MESSAGE,
      ordering: ordering === "strict" ? PublishOrdering.STRICT : PublishOrdering.NONE,
      onError: ordering === "strict" ? PublishOnError.HALT : PublishOnError.CONTINUE,
      maxInFlight,
      producerId: this.producerId,
      resume: this.opened !== undefined && this.producerId !== "",
      // The gateway knows what was surely not stored, so its answer shall come first.
      publishTimeout: durationFromMs(Math.min(600_000, Math.max(100, timeoutMs / 2))),
      clientName,
    });
    this.session = new PublishSession(this.channel, open, {
      opened: (opened) => this.begin(opened),
      answered: (answers) => this.answered(answers),
      room: () => this.sendWhatFits(),
      draining: () => (this.state = "draining"),
      closed: (error) => this.lost(error),
    });
  }

  private begin(opened: PublishOpened): void {
    this.backoff.reset();
    this.opened = opened;
    this.producerId = opened.producerId;
    this.state = "open";
    this.sendWhatFits();
  }

  private schedule(): void {
    if (this.unschedule) return;
    const send = () => {
      this.unschedule = undefined;
      this.sendWhatFits();
    };
    const { lingerMs } = this.options;
    if (lingerMs > 0) {
      const timer = setTimeout(send, lingerMs);
      this.unschedule = () => clearTimeout(timer);
    } else {
      const immediate = setImmediate(send);
      this.unschedule = () => clearImmediate(immediate);
    }
  }

  /** Sends as much as the gateway's window and the transport have room for. */
  private sendWhatFits(): void {
    const { book, session, opened } = this;
    if (this.state !== "open" || !session || !opened) return;
    this.giveUpForgotten(opened);
    while (session.writable && book.unsentMessages > 0 && !this.halted) {
      const room = opened.maxInFlight - book.inFlightMessages;
      const roomBytes = session.windowBytes - book.inFlightBytes;
      // Small room is not worth a frame while answers are under way that make it larger.
      const worth = Math.min(book.unsentMessages, opened.maxInFlight / 4, this.options.batchMessages);
      if (book.inFlightMessages > 0 && (room < worth || roomBytes <= 0)) return;
      const limits = {
        messages: Math.min(Math.max(room, 1), this.options.batchMessages, 10_000),
        bytes: Math.min(Math.max(roomBytes, 1), FRAME_BYTES),
      };
      const run = book.run(limits, Date.now());
      if (!run) return;
      if (run.bytes > FRAME_BYTES && run.bytes > Number(opened.maxMessageBytes) + 65_536) {
        this.reject(run.first, tooLarge(run.bytes, opened.maxMessageBytes));
      } else session.send(run);
    }
    this.refuseBehind();
  }

  /** Behind a failure nothing is sent, over this stream or the next, until `resume()`. */
  private refuseBehind(): void {
    if (!this.halted) return;
    for (const pending of this.book.all()) {
      if (pending.inFlight) continue;
      if (pending.firstSentAt) this.rejectOpen(pending, "a message before this one failed");
      else this.reject(pending.number, precedingFailed());
    }
    this.wake();
  }

  private answered(answers: Answers): void {
    for (const range of answers.stored) this.stored(range);
    for (const { first, last, status } of answers.failed) {
      const error = fromItem(status) ?? new JetgateError({ code: Code.INTERNAL, message: "a failure without a status" });
      for (let number = first; number <= last; number++) this.reject(number, error);
    }
    if (this.options.acks === "cumulative") this.settled(answers.settledThrough);
    this.wake();
    this.sendWhatFits();
  }

  private stored(range: StoredRange): void {
    const { book } = this;
    const { duplicate, domain, counterValue } = range;
    const stream = range.stream || this.options.stream || "";
    let sequence = range.firstSequence;
    for (let number = range.first; number <= range.last; number++, sequence++) {
      const pending = book.take(number);
      pending?.resolve({ stream, sequence, duplicate, messageId: pending.messageId, domain, counterValue });
    }
  }

  private settled(through: number): void {
    const stream = this.options.stream ?? "";
    for (let number = this.book.settledThrough + 1; number <= through; number++) {
      const pending = this.book.take(number);
      const messageId = pending?.messageId ?? "";
      pending?.resolve({ stream, sequence: 0n, duplicate: false, messageId, domain: "", counterValue: "" });
    }
  }

  private reject(number: number, error: JetgateError): void {
    this.halt();
    const pending = this.book.take(number);
    // Where it was sent before, that may have stored it.
    pending?.reject(pending.inDoubt ? inDoubt(error, this.idOf(pending)) : error);
  }

  /** A message has failed. */
  private halt(): void {
    if (this.options.ordering === "strict") this.halted = true;
  }

  /** The stream has ended: what is not answered is sent again over the next one, where that stores nothing twice. */
  private lost(error: JetgateError | undefined): void {
    // An end that was announced, with everything answered, says nothing of the next stream.
    const wasAnnounced = this.state === "draining";
    this.session = undefined;
    this.state = "waiting";
    if (this.onceEnded) return this.onceEnded();
    if (error && !wasAnnounced && !worthReconnecting(error)) return this.fail(error);
    this.book.rewind();
    const wasHalted = this.halted;
    for (const pending of this.book.all()) {
      if (pending.abandoned) this.book.take(pending.number);
      else if (wasHalted) this.reject(pending.number, precedingFailed());
      else if (pending.firstSentAt && !this.idOf(pending)) {
        this.rejectOpen(pending, error?.message ?? "the stream has ended", error);
      }
    }
    this.refuseBehind();
    this.wake();
    if (this.book.messages === 0) {
      this.state = "idle";
      return;
    }
    this.retrying = setTimeout(() => this.open(), this.backoff.next(error?.retryDelayMs));
  }

  /** What the stream that is open now may have stored and forgotten the id of is not sent again. */
  private giveUpForgotten({ duplicateWindow }: PublishOpened): void {
    const safeMs = safeForMs(duplicateWindow && durationMs(duplicateWindow));
    const forgotten = this.book.forgotten(Date.now() - safeMs);
    for (const pending of forgotten) this.rejectOpen(pending, "the stream may have forgotten its id");
    if (forgotten.length > 0) this.wake();
  }

  /** Its own id, or the one that its number has made; empty where it has none. */
  private idOf({ messageId, number }: Pending): string {
    return messageId || (this.producerId && `${this.producerId}:${number}`);
  }

  /** It was sent, and whether it is stored is not known. */
  private rejectOpen(pending: Pending, why: string, cause?: JetgateError): void {
    this.halt();
    this.book.take(pending.number); // it may be out of the book already
    pending.reject(outcomeUnknown(why, this.idOf(pending), cause));
  }

  /** No other attempt can help. */
  private fail(error: JetgateError): void {
    this.failure = error;
    for (const pending of this.book.all()) {
      if (pending.firstSentAt) this.rejectOpen(pending, error.message, error);
      else this.reject(pending.number, error);
    }
    this.wake();
    this.stop();
  }

  /** Gives up what has taken too long. */
  private sweep(): void {
    const expired = Date.now() - this.options.timeoutMs;
    for (const pending of this.book.all()) {
      if (pending.acceptedAt > expired) break;
      if (pending.abandoned) continue;
      if (!pending.firstSentAt) this.reject(pending.number, expiredError());
      else {
        this.halt();
        pending.reject(outcomeUnknown("no answer came in time", this.idOf(pending)));
        // Its answer may still come over the session that has it.
        if (pending.inFlight) pending.abandoned = true;
        else this.book.take(pending.number);
      }
    }
    this.refuseBehind();
    if (this.book.messages === 0) {
      clearInterval(this.sweeping);
      this.sweeping = undefined;
    }
    this.wake();
  }

  /** Tells those who wait for room or for answers. */
  private wake(): void {
    const { book, options } = this;
    const roomy =
      book.messages <= options.maxPendingMessages / 2 && book.bytes <= options.maxPendingBytes / 2;
    if (this.roomWaiters.length > 0 && (roomy || this.failure)) {
      for (const resolve of this.roomWaiters.splice(0)) resolve();
    }
    while (this.flushWaiters.length > 0 && this.flushWaiters[0].through <= book.settledThrough) {
      this.flushWaiters.shift()!.resolve();
    }
  }

  private stop(): void {
    this.state = "closed";
    this.end();
    clearInterval(this.sweeping);
    clearTimeout(this.retrying);
    this.unschedule?.();
  }
}
