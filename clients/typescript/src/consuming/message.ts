// A message as it was delivered, decoded as far as it is looked at, and what its receiver says of it.

import { fromBinary } from "@bufbuild/protobuf";
import { timestampDate, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { HeaderSchema } from "../gen/jetgate/v1/types_pb.js";
import { Reader, decodeText } from "../wire/reader.js";

/** Acknowledges, gives back, extends or gives up messages. */
export interface Settler {
  settle(message: Message, settlement: Settlement): void;
}

/** What is said of a message. */
export interface Settlement {
  kind: SettlementKind;
  delayMs?: number | undefined;
  reason?: string | undefined;
  /** Told what became of it, where somebody waits. */
  done?: ((error: Error | undefined) => void) | undefined;
  /** Wait for JetStream's own answer. */
  confirm?: boolean | undefined;
}

/** The numbers of AckKind. */
export const SettlementKind = { ACK: 1, NAK: 2, IN_PROGRESS: 3, TERM: 4 } as const;
export type SettlementKind = (typeof SettlementKind)[keyof typeof SettlementKind];

/** One header. */
export interface Header {
  readonly name: string;
  /** Bytes where it is no text. */
  readonly value: string | Uint8Array;
}

const NONE = new Uint8Array(0);

/** The subject that came last, encoded and decoded: mostly it comes again. */
let lastSubjectBytes = NONE;
let lastSubject = "";

/**
 * A message. `data` is a view of what came from the network, a batch of up to 3 MiB that lives as long as it: copy what
 * is kept for long.
 */
export class Message {
  /** The message's subject. */
  readonly subject: string = "";
  /** The payload. */
  readonly data: Uint8Array = NONE;
  /** 1 for the first delivery of the message by this consumer, 2 for the first repetition, and so on. */
  readonly attempt: number = 0;
  /** Whether something final was said of it, and not refused. */
  settled = false;

  /** @internal Counts the deliveries of a session; 0 where the message is known by its token alone. */
  deliveryId = 0;
  /** @internal When it is too late to hand it out, in milliseconds; 0 is never. */
  expiresAt = 0;
  /** @internal It was handed out. */
  handedOut = false;
  /** @internal A token that has replaced the one it came with. */
  renewedToken: string | undefined;

  private readonly tokenAt: number = 0;
  private readonly streamAt: number = 0;
  private readonly consumerAt: number = 0;
  private readonly sequenceAt: number = 0;
  private readonly consumerSequenceAt: number = 0;
  private readonly messageIdAt: number = 0;
  private readonly publishTimeAt: number = 0;
  private readonly deadlineAt: number = 0;
  private readonly pendingAt: number = 0;
  private readonly headersAt: number = 0;

  /** @internal Reads a ReceivedMessage that lies between `at` and `end`. */
  constructor(
    private readonly settler: Settler | undefined,
    private readonly bytes: Uint8Array,
    at: number,
    private readonly end: number,
  ) {
    const reader = new Reader(bytes, at, end);
    while (reader.more) {
      const tag = reader.number();
      const here = reader.at;
      switch (tag) {
        case 0x08:
          this.deliveryId = reader.number();
          continue;
        case 0x12:
          this.tokenAt = here;
          break;
        case 0x1a:
          this.subject = readSubject(reader);
          continue;
        case 0x22:
          this.streamAt = here;
          break;
        case 0x2a:
          this.consumerAt = here;
          break;
        case 0x30:
          this.sequenceAt = here;
          break;
        case 0x38:
          this.consumerSequenceAt = here;
          break;
        case 0x40:
          this.attempt = reader.number();
          continue;
        case 0x4a:
          this.messageIdAt = here;
          break;
        case 0x52:
          this.publishTimeAt = here;
          break;
        case 0x5a:
          this.deadlineAt = here;
          break;
        case 0x60:
          this.pendingAt = here;
          break;
        case 0x6a:
          this.headersAt ||= here;
          break;
        case 0x72:
        case 0x7a:
          this.data = reader.view();
          continue;
      }
      reader.skip(tag);
    }
  }

  /** The payload as text. */
  get text(): string {
    return decodeText(this.data);
  }

  /** The payload as JSON. */
  json<T = unknown>(): T {
    return JSON.parse(this.text) as T;
  }

  /** The stream that it is from. */
  get stream(): string {
    return this.stringAt(this.streamAt);
  }

  /** The consumer that delivered it. */
  get consumer(): string {
    return this.stringAt(this.consumerAt);
  }

  /** Its sequence in the stream. */
  get sequence(): bigint {
    return this.bigintAt(this.sequenceAt);
  }

  /** The delivery's sequence in the consumer. */
  get consumerSequence(): bigint {
    return this.bigintAt(this.consumerSequenceAt);
  }

  /** How many messages waited for the consumer after this one. */
  get pending(): bigint {
    return this.bigintAt(this.pendingAt);
  }

  /** The id that it was published with; empty without. */
  get messageId(): string {
    return this.stringAt(this.messageIdAt);
  }

  /** When it was stored. */
  get publishTime(): Date {
    return this.dateAt(this.publishTimeAt) ?? new Date(0);
  }

  /** Until when to settle it, by the delivery; leases extend that. Undefined where nothing is acknowledged. */
  get ackDeadline(): Date | undefined {
    return this.dateAt(this.deadlineAt);
  }

  /** Settles this delivery from anywhere, through `client.acknowledge`. Empty where nothing is acknowledged. */
  get token(): string {
    return this.renewedToken ?? this.stringAt(this.tokenAt);
  }

  /** @internal Whether it can be acknowledged. */
  get hasToken(): boolean {
    return this.tokenAt !== 0;
  }

  /** The headers, in order within one name. */
  get headers(): Header[] {
    const headers: Header[] = [];
    if (this.headersAt === 0) return headers;
    const reader = new Reader(this.bytes, this.headersAt - 1, this.end);
    while (reader.more) {
      const tag = reader.number();
      if (tag !== 0x6a) reader.skip(tag);
      else {
        const { name, value, binaryValue } = fromBinary(HeaderSchema, reader.view());
        headers.push({ name, value: binaryValue.length > 0 ? binaryValue : value });
      }
    }
    return headers;
  }

  /** The first value of a header, as text. */
  header(name: string): string | undefined {
    const value = this.headers.find((header) => header.name === name)?.value;
    return value === undefined || typeof value === "string" ? value : decodeText(value);
  }

  /** Done: it does not come again. With `confirm`, the promise is fulfilled once JetStream itself has said so. */
  ack(): void;
  ack(options: { confirm: true }): Promise<void>;
  ack(options?: { confirm?: boolean }): Promise<void> | void {
    return this.say({ kind: SettlementKind.ACK, confirm: options?.confirm });
  }

  /** Not done: it comes again, after `delayMs`. The reason is for the gateway's log. */
  nak(delayMs?: number, reason?: string): void {
    void this.say({ kind: SettlementKind.NAK, delayMs, reason });
  }

  /** Hopeless: it never comes again, and becomes a dead letter where the gateway keeps them. */
  term(reason?: string): void {
    void this.say({ kind: SettlementKind.TERM, reason });
  }

  /** At work: its ack_wait starts anew. */
  inProgress(): Promise<void> {
    if (!this.settler || this.settled) return Promise.resolve();
    return this.awaited({ kind: SettlementKind.IN_PROGRESS });
  }

  private say(settlement: Settlement): Promise<void> | void {
    if (!this.settler || this.settled) return settlement.confirm ? Promise.resolve() : undefined;
    this.settled = true;
    if (settlement.confirm) return this.awaited(settlement);
    this.settler.settle(this, settlement);
  }

  private awaited(settlement: Settlement): Promise<void> {
    return new Promise((resolve, reject) => {
      settlement.done = (error) => (error ? reject(error) : resolve());
      this.settler!.settle(this, settlement);
    });
  }

  private stringAt(at: number): string {
    return at === 0 ? "" : new Reader(this.bytes, at, this.end).string();
  }

  private bigintAt(at: number): bigint {
    return at === 0 ? 0n : new Reader(this.bytes, at, this.end).bigint();
  }

  private dateAt(at: number): Date | undefined {
    if (at === 0) return undefined;
    return timestampDate(fromBinary(TimestampSchema, new Reader(this.bytes, at, this.end).view()));
  }
}

function readSubject(reader: Reader): string {
  const end = reader.length();
  const length = end - reader.at;
  if (length === lastSubjectBytes.length) {
    let same = 0;
    while (same < length && lastSubjectBytes[same] === reader.bytes[reader.at + same]) same++;
    if (same === length) {
      reader.at = end;
      return lastSubject;
    }
  }
  lastSubjectBytes = reader.bytes.slice(reader.at, end);
  lastSubject = decodeText(lastSubjectBytes);
  reader.at = end;
  return lastSubject;
}
