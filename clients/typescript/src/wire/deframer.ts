// Cuts a stream of bytes into gRPC messages: a flag, four bytes of length, the message.

/** Takes chunks as they come from the network, and gives whole messages. */
export class Deframer {
  private readonly head = new Uint8Array(5);
  private headLength = 0;
  private body: Uint8Array | undefined;
  private bodyLength = 0;

  /** `maxBytes` is the largest message that is taken; `deliver` gets each, with its flag. */
  constructor(
    private readonly maxBytes: number,
    private readonly deliver: (message: Uint8Array, flag: number) => void,
  ) {}

  /** A message that lies in one chunk is given as a view of it. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.body) {
        at = this.fill(this.body, chunk, at);
        continue;
      }
      while (this.headLength < 5 && at < chunk.length) this.head[this.headLength++] = chunk[at++];
      if (this.headLength < 5) return;
      const length = this.length();
      if (chunk.length - at >= length) {
        this.headLength = 0;
        this.deliver(chunk.subarray(at, at + length), this.head[0]);
        at += length;
      } else {
        this.body = new Uint8Array(length);
        this.bodyLength = 0;
      }
    }
  }

  private length(): number {
    const head = this.head;
    const length = head[1] * 0x1000000 + ((head[2] << 16) | (head[3] << 8) | head[4]);
    if (length > this.maxBytes) {
      throw new RangeError(`a message of ${length} bytes came, and at most ${this.maxBytes} are taken`);
    }
    return length;
  }

  /** Where the chunk goes on behind what belongs to the message. */
  private fill(body: Uint8Array, chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + body.length - this.bodyLength);
    body.set(chunk.subarray(at, end), this.bodyLength);
    this.bodyLength += end - at;
    if (this.bodyLength === body.length) {
      this.body = undefined;
      this.headLength = 0;
      this.deliver(body, this.head[0]);
    }
    return end;
  }
}

/** What precedes a message of `length` bytes. */
export function messageHead(length: number): Uint8Array {
  return Uint8Array.of(0, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff);
}
