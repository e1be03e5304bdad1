// Encodes messages into large buffers, one behind the other, so that a frame is sent as it lies there.

import { create, toBinary } from "@bufbuild/protobuf";
import { PublishRequestSchema } from "../gen/jetgate/v1/publish_message_pb.js";
import { type HeaderValue, type MessageOptions, type Payload, extras, hasExtras, headerPairs } from "./message.js";

/** How large the buffers are. A message that is larger than half of it has one of its own. */
const CHUNK = 256 << 10;

/** Where an encoded message lies: the field `messages` of a PublishFrame. */
export interface Entry {
  buffer: Buffer;
  start: number;
  end: number;
}

/** Makes entries. */
export class Encoder {
  private chunk: Buffer = Buffer.alloc(0);
  private at = 0;
  private subject = "";
  private subjectField: Buffer = Buffer.alloc(0);

  /** Encodes one message and says where it lies. */
  encode(subject: string, payload: Payload, options: MessageOptions | undefined, entry: Entry): void {
    if (subject !== this.subject) this.remember(subject);
    const head = this.subjectField;
    const tail = options && encodeOptions(options);
    const length = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
    const body = head.length + (length > 0 ? 1 + varintLength(length) + length : 0) + (tail ? tail.length : 0);
    this.reserve(1 + varintLength(body) + body, entry);

    const { buffer } = entry;
    let at = entry.start;
    buffer[at++] = 0x12;
    at = writeVarint(buffer, at, body);
    buffer.set(head, at);
    at += head.length;
    if (length > 0) {
      buffer[at++] = 0x12;
      at = writeVarint(buffer, at, length);
      if (typeof payload === "string") buffer.write(payload, at, length, "utf8");
      else buffer.set(payload, at);
      at += length;
    }
    if (tail) buffer.set(tail, at);
  }

  /** A program mostly publishes to the subject that it has just published to. */
  private remember(subject: string): void {
    this.subject = subject;
    this.subjectField = subject === "" ? Buffer.alloc(0) : textField(0x0a, subject);
  }

  private reserve(size: number, entry: Entry): void {
    if (size > CHUNK / 2) {
      entry.buffer = Buffer.allocUnsafeSlow(size);
      entry.start = 0;
      entry.end = size;
      return;
    }
    if (this.at + size > this.chunk.length) {
      this.chunk = Buffer.allocUnsafeSlow(CHUNK);
      this.at = 0;
    }
    entry.buffer = this.chunk;
    entry.start = this.at;
    entry.end = this.at += size;
  }
}

/** Headers, id, and what is seldom there. */
function encodeOptions(options: MessageOptions): Buffer {
  const parts: Uint8Array[] = [];
  for (const [name, value] of headerPairs(options.headers)) parts.push(headerField(name, value));
  if (options.messageId) parts.push(textField(0x32, options.messageId));
  if (hasExtras(options)) parts.push(toBinary(PublishRequestSchema, create(PublishRequestSchema, extras(options))));
  return Buffer.concat(parts);
}

function headerField(name: string, value: HeaderValue): Buffer {
  const fields = Buffer.concat([
    textField(0x0a, name),
    typeof value === "string" ? textField(0x12, value) : bytesField(0x1a, value),
  ]);
  return bytesField(0x2a, fields);
}

function textField(tag: number, text: string): Buffer {
  return bytesField(tag, Buffer.from(text, "utf8"));
}

function bytesField(tag: number, bytes: Uint8Array): Buffer {
  const field = Buffer.allocUnsafe(1 + varintLength(bytes.length) + bytes.length);
  field[0] = tag;
  field.set(bytes, writeVarint(field, 1, bytes.length));
  return field;
}

/** How many bytes a varint takes. */
export function varintLength(value: number): number {
  let length = 1;
  for (; value >= 0x80; value = Math.floor(value / 0x80)) length++;
  return length;
}

/** Writes a varint, and says where it ends. */
export function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    buffer[at++] = (value % 0x80) | 0x80;
    value = Math.floor(value / 0x80);
  }
  buffer[at++] = value;
  return at;
}

/** What stands before the entries of a frame: PublishStreamRequest.messages, first_number. */
export function frameHead(first: number, entryBytes: number): Uint8Array {
  const body = 1 + varintLength(first) + entryBytes;
  const head = Buffer.allocUnsafe(2 + varintLength(body) + varintLength(first));
  head[0] = 0x12;
  const at = writeVarint(head, 1, body);
  head[at] = 0x08;
  writeVarint(head, at + 1, first);
  return head;
}
