// What a live tail keeps: the newest messages, so many and so many bytes of them.

import { type Looked, weight } from "./looked";

const ROWS = 500;
const BYTES = 4 << 20;

export class Tail {
  private readonly kept: Looked[] = [];
  private bytes = 0;
  /** How many have come, whether they are kept or not. */
  come = 0;

  /** Takes a message; the oldest make room for it. */
  add(message: Looked): void {
    this.come++;
    this.kept.push(message);
    this.bytes += weight(message);
    while (this.kept.length > ROWS || (this.bytes > BYTES && this.kept.length > 1)) this.bytes -= weight(this.kept.shift()!);
  }

  /** Those that are kept, the newest first. */
  newest(): Looked[] {
    return this.kept.toReversed();
  }
}
