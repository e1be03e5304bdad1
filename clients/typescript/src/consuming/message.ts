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

/** The tags of ReceivedMessage. */
const Tag = {
  DELIVERY_ID: 0x08,
  ACK_TOKEN: 0x12,
  SUBJECT: 0x1a,
  STREAM: 0x22,
  CONSUMER: 0x2a,
  STREAM_SEQUENCE: 0x30,
  CONSUMER_SEQUENCE: 0x38,
  DELIVERY_ATTEMPT: 0x40,
  MESSAGE_ID: 0x4a,
  PUBLISH_TIME: 0x52,
  ACK_DEADLINE: 0x5a,
  PENDING: 0x60,
  HEADERS: 0x6a,
  DATA: 0x72,
} as const;

/**
 * A message. `data` is a view of what came from the network, a batch of up to 3 MiB that lives as long as it: copy what
 * is kept for long.
 */
export class Message {
  /** Whether something final was said of it. */
  settled = false;

  /** @internal Counts the deliveries of a session; 0 where the message is known by its token alone. */
  deliveryId: number;
  /** @internal When it is too late to hand it out, in milliseconds; 0 is never. */
  expiresAt = 0;
  /** @internal It was handed out. */
  handedOut = false;
  /** @internal A token that has replaced the one it came with. */
  renewedToken: string | undefined = undefined;

  /** @internal A ReceivedMessage that lies between `start` and `end`. Only what is asked for is decoded. */
  constructor(
    private readonly settler: Settler | undefined,
    private readonly bytes: Uint8Array,
    private readonly start: number,
    private readonly end: number,
  ) {
    this.deliveryId = this.find(Tag.DELIVERY_ID)?.number() ?? 0;
  }

  /** The message's subject. */
  get subject(): string {
    const found = this.find(Tag.SUBJECT);
    return found ? readSubject(found) : "";
  }

  /** The payload. */
  get data(): Uint8Array {
    return this.find(Tag.DATA)?.view() ?? NONE;
  }

  /** 1 for the first delivery of the message by this consumer, 2 for the first repetition, and so on. */
  get attempt(): number {
    return this.find(Tag.DELIVERY_ATTEMPT)?.number() ?? 0;
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
    return this.find(Tag.STREAM)?.string() ?? "";
  }

  /** The consumer that delivered it. */
  get consumer(): string {
    return this.find(Tag.CONSUMER)?.string() ?? "";
  }

  /** Its sequence in the stream. */
  get sequence(): bigint {
    return this.find(Tag.STREAM_SEQUENCE)?.bigint() ?? 0n;
  }

  /** The delivery's sequence in the consumer. */
  get consumerSequence(): bigint {
    return this.find(Tag.CONSUMER_SEQUENCE)?.bigint() ?? 0n;
  }

  /** How many messages waited for the consumer after this one. */
  get pending(): bigint {
    return this.find(Tag.PENDING)?.bigint() ?? 0n;
  }

  /** The id that it was published with; empty without. */
  get messageId(): string {
    return this.find(Tag.MESSAGE_ID)?.string() ?? "";
  }

  /** When it was stored. */
  get publishTime(): Date {
    return this.date(Tag.PUBLISH_TIME) ?? new Date(0);
  }

  /** Until when to settle it, by the delivery; leases extend that. Undefined where nothing is acknowledged. */
  get ackDeadline(): Date | undefined {
    return this.date(Tag.ACK_DEADLINE);
  }

  /** Settles this delivery from anywhere, through `client.acknowledge`. Empty where nothing is acknowledged. */
  get token(): string {
    return this.renewedToken ?? this.find(Tag.ACK_TOKEN)?.string() ?? "";
  }

  /** @internal How many bytes it takes, headers and payload included. */
  get size(): number {
    return this.end - this.start;
  }

  /** @internal Whether it can be acknowledged. */
  get hasToken(): boolean {
    return this.find(Tag.ACK_TOKEN) !== undefined;
  }

  /** The headers, in order within one name. */
  get headers(): Header[] {
    const headers: Header[] = [];
    for (let found = this.find(Tag.HEADERS); found; found = this.find(Tag.HEADERS, found.at)) {
      const { name, value, binaryValue } = fromBinary(HeaderSchema, found.view());
      headers.push({ name, value: binaryValue.length > 0 ? binaryValue : value });
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

  private date(tag: number): Date | undefined {
    const found = this.find(tag);
    return found && timestampDate(fromBinary(TimestampSchema, found.view()));
  }

  /** A reader at the value of the next field of this tag. */
  private find(tag: number, from = this.start): Reader | undefined {
    const reader = new Reader(this.bytes, from, this.end);
    while (reader.more) {
      const found = reader.number();
      if (found === tag) return reader;
      reader.skip(found);
    }
    return undefined;
  }

  /** @internal What `console.log` shows. */
  [Symbol.for("nodejs.util.inspect.custom")](): object {
    const { subject, data, stream, sequence, attempt, messageId, headers, settled } = this;
    return { subject, data, stream, sequence, attempt, messageId, headers, settled };
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
