// Messages that came and were not handed out, and those who wait for some.

import type { JetgateError } from "../errors.js";
import type { Message } from "./message.js";

interface Waiter {
  give(message: Message | undefined): void;
  fail(error: JetgateError): void;
}

/** A queue with an end. */
export class Inbox {
  private batches: Message[][] = [];
  /** The next message of the first batch. */
  private at = 0;
  private waiters: Waiter[] = [];
  private ending = false;
  private over = false;
  private error: JetgateError | undefined;
  /** It was closed by its owner: nothing is handed out any more. */
  closed = false;
  /** How many messages wait. */
  size = 0;

  /** Adds messages. */
  push(messages: Message[]): void {
    if (this.over) return;
    this.batches.push(messages);
    this.size += messages.length;
    while (this.waiters.length > 0 && this.size > 0) this.waiters.shift()!.give(this.shift());
  }

  /** The next message; undefined after the end, or where none comes in time. */
  receive(timeoutMs?: number): Promise<Message | undefined> {
    if (this.size > 0) return Promise.resolve(this.shift());
    if (this.error) {
      const { error } = this;
      this.error = undefined;
      return Promise.reject(error);
    }
    if (this.over || this.ending) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const late = () => {
        this.waiters = this.waiters.filter((other) => other !== waiter);
        resolve(undefined);
      };
      const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
      const waiter: Waiter = {
        give: (message) => {
          clearTimeout(timer);
          resolve(message);
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.waiters.push(waiter);
    });
  }

  /** Takes a message out that is no longer the receiver's. */
  remove(message: Message): void {
    if (message.handedOut) return;
    for (const [at, batch] of this.batches.entries()) {
      const place = batch.indexOf(message, at === 0 ? this.at : 0);
      if (place < 0) continue;
      batch.splice(place, 1);
      this.size--;
      if (batch.length === (at === 0 ? this.at : 0)) this.dropBatch(at);
      return;
    }
  }

  /** What waits is still handed out; then it is the end. */
  endWhenEmpty(): void {
    this.ending = true;
    if (this.size === 0) this.release(undefined);
  }

  /** Nothing more comes; the first receiver that finds nothing is told why, where there is a reason. */
  end(error: JetgateError | undefined): void {
    if (this.over) return;
    this.over = true;
    this.error = error;
    this.release(error);
  }

  /** The end at once; what was not handed out is returned. */
  close(): Message[] {
    this.closed = true;
    const left: Message[] = [];
    while (this.size > 0) left.push(this.take());
    this.end(undefined);
    return left;
  }

  private release(error: JetgateError | undefined): void {
    const waiters = this.waiters.splice(0);
    if (error && waiters.length > 0) {
      this.error = undefined;
      waiters.shift()!.fail(error);
    }
    for (const waiter of waiters) waiter.give(undefined);
  }

  /** The next message of those that wait; there is one. */
  shift(): Message {
    const message = this.take();
    message.handedOut = true;
    if (this.ending && this.size === 0) this.release(undefined);
    return message;
  }

  private take(): Message {
    const batch = this.batches[0];
    const message = batch[this.at++];
    this.size--;
    if (this.at === batch.length) this.dropBatch(0);
    return message;
  }

  private dropBatch(at: number): void {
    this.batches.splice(at, 1);
    if (at === 0) this.at = 0;
  }
}
