// The book of a publisher: every message that is not answered, by its number, and what of them is to be sent.

import type { JetgateError } from "../errors.js";
import type { Entry } from "./encoder.js";
import { Ring } from "../ring.js";
import type { PublishResult } from "./message.js";

/** A message that is not answered. */
export class Pending implements Entry {
  buffer: Buffer = EMPTY;
  start = 0;
  end = 0;
  number = 0;
  /** When it was published, and when it was first sent (0: never), in milliseconds. */
  acceptedAt = 0;
  firstSentAt = 0;
  /** It was sent over the session that is open now. */
  inFlight = false;
  /** An earlier session had it, and ended without an answer. */
  inDoubt = false;
  /** Its promise is settled; an answer may still come. */
  abandoned = false;

  constructor(
    readonly messageId: string,
    readonly resolve: (result: PublishResult) => void,
    readonly reject: (error: JetgateError) => void,
  ) {}

  get size(): number {
    return this.end - this.start;
  }
}

const EMPTY = Buffer.alloc(0);

/** A run of messages that make up a frame. */
export interface Run {
  first: number;
  count: number;
  bytes: number;
  parts: Uint8Array[];
}

/** Limits of a run. */
export interface RunLimits {
  messages: number;
  bytes: number;
}

/** Messages by their numbers, which rise by one. */
export class Book {
  private readonly ring = new Ring<Pending>();
  /** The next number to send. */
  private cursor = 1;
  /** What has this number, or a later one, was never sent. */
  private neverSent = 1;

  /** The bytes of what is held. */
  bytes = 0;
  /** What of it is on its way. */
  inFlightMessages = 0;
  inFlightBytes = 0;

  /** How many messages are held, abandoned ones included. */
  get messages(): number {
    return this.ring.size;
  }

  /** What is not sent. */
  get unsentMessages(): number {
    return this.ring.size - this.inFlightMessages;
  }

  get unsentBytes(): number {
    return this.bytes - this.inFlightBytes;
  }

  /** The number that was given last. */
  get last(): number {
    return this.ring.next - 1;
  }

  /** Every message up to this number is answered. */
  get settledThrough(): number {
    return this.ring.base - 1;
  }

  /** Enters a message under the next number. */
  add(pending: Pending): void {
    pending.number = this.ring.push(pending);
    this.bytes += pending.size;
  }

  /** Removes a message, because it is answered or given up unsent. */
  take(number: number): Pending | undefined {
    const pending = this.ring.take(number);
    if (!pending) return undefined;
    this.bytes -= pending.size;
    if (pending.inFlight) this.landed(pending);
    return pending;
  }

  /** The next messages to send: their numbers follow one another. They count as sent. */
  run(limits: RunLimits, now: number): Run | undefined {
    const { ring } = this;
    let number = Math.max(this.cursor, ring.base);
    while (number < ring.next && !ring.get(number)) number++;
    const run: Run = { first: number, count: 0, bytes: 0, parts: [] };
    let part: Entry | undefined;
    for (; number < ring.next && run.count < limits.messages; number++) {
      const pending = ring.get(number);
      // A message that is larger than what is allowed goes alone.
      if (!pending || (run.count > 0 && run.bytes + pending.size > limits.bytes)) break;
      this.launch(pending, now);
      run.count++;
      run.bytes += pending.size;
      if (part?.buffer === pending.buffer && part.end === pending.start) part.end = pending.end;
      else {
        if (part) run.parts.push(part.buffer.subarray(part.start, part.end));
        part = { buffer: pending.buffer, start: pending.start, end: pending.end };
      }
    }
    this.cursor = number;
    this.neverSent = Math.max(this.neverSent, number);
    if (!part) return undefined;
    run.parts.push(part.buffer.subarray(part.start, part.end));
    return run;
  }

  /** The session is lost: what is not answered is to be sent again, under the same numbers. */
  rewind(): void {
    for (const pending of this.all()) {
      if (!pending.inFlight) continue;
      pending.inDoubt = true;
      this.landed(pending);
    }
    this.cursor = this.ring.base;
  }

  /** Removes what is to be sent again and was sent before this time for the first time. */
  forgotten(before: number): Pending[] {
    const found: Pending[] = [];
    for (let number = this.cursor; number < this.neverSent; number++) {
      const pending = this.ring.get(number);
      if (pending && pending.firstSentAt <= before) found.push(pending);
    }
    for (const { number } of found) this.take(number);
    return found;
  }

  /** Everything that is held, in the order of the numbers. Taking what comes is allowed. */
  all(): Generator<Pending> {
    return this.ring.values();
  }

  private launch(pending: Pending, now: number): void {
    pending.inFlight = true;
    pending.firstSentAt ||= now;
    this.inFlightMessages++;
    this.inFlightBytes += pending.size;
  }

  private landed(pending: Pending): void {
    pending.inFlight = false;
    this.inFlightMessages--;
    this.inFlightBytes -= pending.size;
  }
}
