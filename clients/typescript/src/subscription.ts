// An ordered read of a stream: an async iterator without acknowledgements, without loss and repeat through reconnects.

import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Backoff } from "./backoff.js";
import type { Channel } from "./channel.js";
import { fromConfig } from "./config.js";
import { Inbox } from "./consuming/inbox.js";
import type { Batch } from "./consuming/batch.js";
import type { Message } from "./consuming/message.js";
import { SubscribeSession } from "./consuming/subscribe_session.js";
import type { JetgateError } from "./errors.js";
import { DeliverPolicy, ReplayPolicy } from "./gen/jetgate/v1/consumer_config_pb.js";
import { type Gap, OrderedConsumerSchema } from "./gen/jetgate/v1/session_pb.js";
import { GapPolicy, type StopAt, StopAtSchema } from "./gen/jetgate/v1/source_pb.js";
import { type SubscribeRequest, SubscribeRequestSchema } from "./gen/jetgate/v1/subscriber_pb.js";
import { worthReconnecting } from "./reconnecting.js";

/** Where a read is: a later one goes on behind it, in this or another program. */
export interface Position {
  /** The sequence of the last message that was handed out; 0n before the first. */
  readonly sequence: bigint;
  /** What the gateway needs to go on. */
  readonly resumeToken: string;
}

/** What is read, and from where to where. */
export interface SubscriptionOptions {
  /** Only messages whose subject matches one of these. */
  filterSubjects?: string[];
  /** Where to start. Default "all". */
  from?: "all" | "new" | "last" | "lastPerSubject" | { sequence: bigint | number } | { time: Date };
  /** Goes on behind the position of an earlier read with the same filters; `from` does not count then. */
  resume?: Position;
  /** Where to end: "last" is the last message that there is now. Default: never. */
  until?: "last" | { sequence: bigint | number } | { time: Date };
  /** Headers without payloads. */
  headersOnly?: boolean;
  /** As fast as they were published. */
  replayOriginal?: boolean;
  /** Missing messages: report them to `onGap` and go on (default), or fail with POSITION_LOST. */
  onMissing?: "report" | "fail";
  /** Told that the stream no longer has some messages. */
  onGap?: (gap: Gap) => void;
  /** Told that the session was lost, and why; the subscription reconnects by itself. */
  onDisconnected?: (error: JetgateError | undefined) => void;
  /** Who reads, for the operators of the gateway. */
  clientName?: string;
}

/** How many messages may wait in the client, and how many bytes, before the gateway is held: it has no window here. */
const READ_AHEAD = 4_096;
const READ_AHEAD_BYTES = 8 << 20;

/** Reads through one gateway at a time. Made by `client.subscribe()`. */
export class Subscription implements AsyncIterable<Message> {
  /** Fulfilled once the read has ended. */
  readonly closed: Promise<void>;

  private readonly inbox = new Inbox();
  private readonly backoff = new Backoff(50, 2_000);
  private session: SubscribeSession | undefined;
  private resumeToken: string;
  /** Up to here everything was handed out before. */
  private skipThrough: bigint;
  private handedOut: bigint;
  /** The tokens of batches that are not handed out in full, each with its last message. */
  private tokens: { through: Message; token: string }[] = [];
  private handedOutToken: string;
  private held = false;
  private waitingBytes = 0;
  private closing = false;
  private end!: () => void;
  private retrying: ReturnType<typeof setTimeout> | undefined;

  /** @internal */
  constructor(
    private readonly channel: Channel,
    private readonly stream: string,
    private readonly options: SubscriptionOptions,
  ) {
    this.resumeToken = this.handedOutToken = options.resume?.resumeToken ?? "";
    this.skipThrough = this.handedOut = options.resume?.sequence ?? 0n;
    this.closed = new Promise((resolve) => (this.end = resolve));
    this.connect();
  }

  /** Where this read is: behind the last message that it handed out. */
  get position(): Position {
    return { sequence: this.handedOut, resumeToken: this.handedOutToken };
  }

  /** The next message; undefined when none comes in time (unset: any time), or the read has ended. */
  async receive(timeoutMs?: number): Promise<Message | undefined> {
    const message = await this.inbox.receive(timeoutMs);
    if (message) this.advance(message);
    return message;
  }

  /** Messages in the order of the stream. Leaving the loop closes the subscription. */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return {
      next: async () => {
        const value = await this.receive();
        return value ? { value, done: false } : { value: undefined, done: true };
      },
      return: () => {
        this.close();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  /** Ends the read. */
  close(): void {
    this.closing = true;
    clearTimeout(this.retrying);
    this.inbox.close();
    this.session?.cancel();
    this.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  private connect(): void {
    this.held = false;
    this.session = new SubscribeSession(this.channel, this.openFrame(), undefined, {
      opened: ({ resumeToken }) => {
        this.backoff.reset();
        this.seen(resumeToken);
      },
      messages: (batch) => this.received(batch),
      heartbeat: ({ resumeToken }) => this.seen(resumeToken),
      gap: (gap) => this.gap(gap),
      draining: ({ resumeToken }) => {
        this.seen(resumeToken);
        // Nothing is to be settled: the next session goes on at once.
        this.session!.abort("the gateway ends the session");
      },
      settled: () => undefined,
      closed: (error) => this.lost(error),
    });
  }

  private openFrame(): SubscribeRequest {
    const { options } = this;
    return create(SubscribeRequestSchema, {
      stream: this.stream,
      source: {
        case: "ordered",
        value: fromConfig(OrderedConsumerSchema, {
          filterSubjects: options.filterSubjects,
          headersOnly: options.headersOnly,
          replayPolicy: options.replayOriginal ? ReplayPolicy.ORIGINAL : ReplayPolicy.INSTANT,
          ...start(options),
        }),
      },
      resumeToken: this.resumeToken,
      stopAt: stop(options),
      onGap: options.onMissing === "fail" ? GapPolicy.FAIL : GapPolicy.REPORT,
      clientName: options.clientName,
    });
  }

  private received(batch: Batch): void {
    const fresh = batch.messages.filter((message) => message.sequence > this.skipThrough);
    for (const message of fresh) {
      message.settled = true;
      this.waitingBytes += message.size;
    }
    this.resumeToken = batch.resumeToken || this.resumeToken;
    const last = fresh.at(-1);
    if (!last) return;
    this.tokens.push({ through: last, token: this.resumeToken });
    this.inbox.push(fresh);
    if (this.held || (this.inbox.size < READ_AHEAD && this.waitingBytes < READ_AHEAD_BYTES)) return;
    this.held = true;
    this.session!.pause();
  }

  private advance(message: Message): void {
    this.handedOut = message.sequence;
    if (this.tokens[0]?.through === message) this.handedOutToken = this.tokens.shift()!.token;
    this.waitingBytes -= message.size;
    if (!this.held || this.inbox.size > READ_AHEAD / 2 || this.waitingBytes > READ_AHEAD_BYTES / 2) return;
    this.held = false;
    this.session?.resume();
  }

  /** A token that came without messages stands for everything before it. */
  private seen(token: string): void {
    if (!token) return;
    this.resumeToken = token;
    if (this.inbox.size === 0) this.handedOutToken = token;
  }

  private gap(gap: Gap): void {
    if (gap.streamRecreated) this.skipThrough = 0n;
    this.options.onGap?.(gap);
  }

  private lost(error: JetgateError | undefined): void {
    this.session = undefined;
    if (this.closing || !error || !worthReconnecting(error)) {
      this.inbox.end(this.closing ? undefined : error);
      return this.end();
    }
    this.options.onDisconnected?.(error);
    this.retrying = setTimeout(() => this.connect(), this.backoff.next(error.retryDelayMs));
  }
}

function start({ from = "all" }: SubscriptionOptions) {
  if (from === "new") return { deliverPolicy: DeliverPolicy.NEW };
  if (from === "last") return { deliverPolicy: DeliverPolicy.LAST };
  if (from === "lastPerSubject") return { deliverPolicy: DeliverPolicy.LAST_PER_SUBJECT };
  if (from === "all") return { deliverPolicy: DeliverPolicy.ALL };
  if ("time" in from) return { deliverPolicy: DeliverPolicy.BY_START_TIME, optStartTime: from.time };
  return { deliverPolicy: DeliverPolicy.BY_START_SEQUENCE, optStartSeq: from.sequence };
}

function stop({ until }: SubscriptionOptions): StopAt | undefined {
  if (until === undefined) return undefined;
  if (until === "last") return create(StopAtSchema, { position: { case: "last", value: true } });
  return "time" in until
    ? create(StopAtSchema, { position: { case: "time", value: timestampFromDate(until.time) } })
    : create(StopAtSchema, { position: { case: "sequence", value: BigInt(until.sequence) } });
}
