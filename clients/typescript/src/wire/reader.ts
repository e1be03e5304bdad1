// Reads protobuf's wire format without making objects: for frames that carry many messages.

const text = new TextDecoder();

/** A cursor over encoded bytes. */
export class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
    readonly end = bytes.length,
  ) {}

  /** Whether something is left. */
  get more(): boolean {
    return this.at < this.end;
  }

  /** A whole number; exact up to 2^53. */
  number(): number {
    const { bytes } = this;
    let byte = bytes[this.at++];
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    do {
      byte = bytes[this.at++];
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80 && this.at < this.end);
    return value;
  }

  /** A whole number of up to 64 bits. */
  bigint(): bigint {
    const start = this.at;
    const value = this.number();
    if (value <= Number.MAX_SAFE_INTEGER) return BigInt(value);
    let exact = 0n;
    for (let at = start, shift = 0n; at < this.at; at++, shift += 7n) exact |= BigInt(this.bytes[at] & 0x7f) << shift;
    return BigInt.asUintN(64, exact);
  }

  /** Where a field of bytes ends, with the cursor at its beginning. */
  length(): number {
    const length = this.number();
    const end = this.at + length;
    if (end > this.end) throw new RangeError("a frame is cut off");
    return end;
  }

  /** A field of bytes, as a view. */
  view(): Uint8Array {
    const end = this.length();
    const view = this.bytes.subarray(this.at, end);
    this.at = end;
    return view;
  }

  /** A field of text. */
  string(): string {
    return text.decode(this.view());
  }

  /** A reader of an embedded message. */
  nested(): Reader {
    const end = this.length();
    const nested = new Reader(this.bytes, this.at, end);
    this.at = end;
    return nested;
  }

  /** Passes over the value of a field of this tag. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        while (this.bytes[this.at++] >= 0x80 && this.at < this.end);
        return;
      case 1:
        this.at += 8;
        return;
      case 2:
        this.at = this.length();
        return;
      case 5:
        this.at += 4;
        return;
      default:
        throw new RangeError(`wire type ${tag & 7} is not in use`);
    }
  }
}

/** The text of some bytes. */
export function decodeText(bytes: Uint8Array): string {
  return text.decode(bytes);
}
