// The consumer: messages as an async iterator, acknowledged in batches, through every reconnect.

import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampDate } from "@bufbuild/protobuf/wkt";
import { Backoff } from "./backoff.js";
import { type ConfigInit, fromConfig } from "./config.js";
import type { Batch } from "./consuming/batch.js";
import { Inbox } from "./consuming/inbox.js";
import { type Message, type Settlement, SettlementKind, type Settler } from "./consuming/message.js";
import type { ConsumerOptions, RunOptions } from "./consuming/options.js";
import type { Session, SessionHandler } from "./consuming/session.js";
import { type Item, Settlements } from "./consuming/settlements.js";
import type { TokenSettler } from "./consuming/token_settler.js";
import { JetgateError, fromItem } from "./errors.js";
import { type ConsumeOpen, ConsumeOpenSchema } from "./gen/jetgate/v1/consume_pb.js";
import type { ItemStatus } from "./gen/jetgate/v1/error_pb.js";
import { type Draining, OnSessionEnd, type SessionOpened } from "./gen/jetgate/v1/session_pb.js";
import { type EphemeralConsumer, EphemeralConsumerSchema } from "./gen/jetgate/v1/source_pb.js";
import { worthReconnecting } from "./reconnecting.js";
import { Ring } from "./ring.js";

/** Opens the sessions of a consumer. */
export type SessionOpener = (open: ConsumeOpen, settler: Settler, handler: SessionHandler) => Session;

/** A consumer by its name, or one that lives as long as it is used. */
export type ConsumerSource = string | ConfigInit<EphemeralConsumer>;

const DEFAULT_WINDOW = 1_024;
const DEFAULT_LEASE_MS = 600_000;
/** How long a gateway may take, in the end, to answer what was said, and to end the session. */
const ANSWERING_MS = 5_000;

/** How long the gateway may take to answer what was said before the next session is opened all the same. */
const LAST_TOKENS_MS = 2_000;

/** What is said in the end of messages that nobody has seen. If it is not heard, they come again after ack_wait. */
const GIVEN_BACK: Settlement = { kind: SettlementKind.NAK, done: () => undefined };

/** Receives messages through one gateway at a time. Made by `client.consume()`. */
export class Consumer implements AsyncIterable<Message>, Settler {
  /** Fulfilled once the consumer has ended. */
  readonly closed: Promise<void>;

  private readonly inbox = new Inbox();
  /** Unsettled deliveries of the open session, by their numbers, */
  private readonly deliveries = new Ring<Message>();
  /** and those of earlier sessions, which are known by their tokens. */
  private readonly adopted = new Set<Message>();
  private readonly settlements = new Settlements();
  private readonly backoff = new Backoff(50, 2_000);
  private session: Session | undefined;
  private open = false;
  /** The session that is being opened beside one that its gateway is about to end. */
  private next: Session | undefined;
  /** When the end of the session was announced; then it says nothing of the next. */
  private retiredAt: number | undefined;
  private moving: ReturnType<typeof setTimeout> | undefined;
  /** When another attempt to open it is worth while. */
  private notBefore = 0;
  private scheduled = false;
  private resumeToken = "";
  /** How long a message may wait here, where no lease is extended; 0 is any time. */
  private ackWaitMs = 0;
  /** How often tokens are renewed while a session comes to its end; 0 is once, as where no lease is extended. */
  private renewEveryMs = 0;
  private renewing: ReturnType<typeof setInterval> | undefined;
  /** What the session that is being opened was asked to take over, by these tokens; there may be fresh ones since. */
  private offered: { message: Message; token: string }[] = [];
  private stopping = false;
  private drainAsked = false;
  private closing: Promise<boolean> | undefined;
  /** No session will be opened any more. */
  private over = false;
  /** Something that the program said could not be passed on in the end. */
  private unheard = false;
  private retrying: ReturnType<typeof setTimeout> | undefined;
  private end!: () => void;
  private settledWaiters: (() => void)[] = [];

  /** @internal */
  constructor(
    private readonly openSession: SessionOpener,
    private readonly tokens: TokenSettler,
    private readonly stream: string,
    private readonly source: ConsumerSource,
    private readonly options: ConsumerOptions,
  ) {
    this.closed = new Promise((resolve) => (this.end = resolve));
    this.connect();
  }

  /** The next message; undefined when none comes in time (unset: any time), or the consumer has ended. */
  receive(timeoutMs?: number): Promise<Message | undefined> {
    const message = this.takeNow();
    return message ? Promise.resolve(message) : this.receiveLater(timeoutMs);
  }

  /** Messages until the consumer ends. Leaving the loop closes it. */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return {
      next: () => {
        const value = this.takeNow();
        return value ? Promise.resolve({ value, done: false }) : this.receiveLater().then(toStep);
      },
      return: async () => {
        await this.close();
        return { value: undefined, done: true };
      },
    };
  }

  /**
   * Calls `handler` for each message until the consumer ends. It is the handler that acknowledges. A message whose
   * handler fails without settling it is given back.
   */
  async run(handler: (message: Message) => void | Promise<void>, options: RunOptions = {}): Promise<void> {
    const worker = async () => {
      for (let message = await this.receive(); message; message = await this.receive()) {
        try {
          await handler(message);
        } catch (error) {
          message.nak(options.retryDelayMs ?? 1_000, error instanceof Error ? error.message.slice(0, 200) : undefined);
          options.onError?.(error, message);
        }
      }
    };
    await Promise.all(Array.from({ length: options.concurrency ?? 1 }, worker));
  }

  /** How many messages are not settled, those that wait in the client included. */
  get outstanding(): number {
    return this.deliveries.size + this.adopted.size;
  }

  /**
   * Asks for no more messages, hands out what is there, and waits until all is settled; after `timeoutMs` (30 s) what is
   * left is given back. False then, and where acknowledgements that were given could not be passed on, as by `close`.
   */
  async drain(timeoutMs = 30_000): Promise<boolean> {
    if (!this.stopping) {
      this.stopping = true;
      this.drainAsked = true;
      if (this.open) this.session!.drain();
    }
    this.inbox.endWhenEmpty();
    await within(timeoutMs, this.allSettled(), this.closed);
    const settled = this.outstanding === 0;
    return (await this.close()) && settled;
  }

  /**
   * Ends: what was not handed out is given back, and what was said of messages is still sent, between sessions to any
   * gateway. False where that did not succeed in some seconds: those messages may come again, and `onSettleFailed` is told
   * of each.
   */
  close(): Promise<boolean> {
    this.closing ??= this.leave();
    return this.closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async leave(): Promise<boolean> {
    this.stopping = true;
    clearTimeout(this.retrying);
    clearTimeout(this.moving);
    for (const message of this.inbox.close()) {
      message.settled = true;
      this.settle(message, GIVEN_BACK);
    }
    if (this.open) await this.endSession();
    else this.session?.cancel();
    this.finish(undefined);
    await this.closed;
    return !this.unheard;
  }

  /** In order, or at once where the gateway hangs: then another one is told what was said. */
  private async endSession(): Promise<void> {
    this.flush();
    await within(ANSWERING_MS, this.allHeard(), this.closed);
    if (this.settlements.heard) {
      this.session?.end();
      await within(ANSWERING_MS, this.closed);
    }
    this.session?.abort("the gateway does not answer");
  }

  /** @internal */
  settle(message: Message, settlement: Settlement): void {
    if (settlement.kind !== SettlementKind.IN_PROGRESS) this.forget(message);
    if (this.over) return this.settleByToken(message, settlement);
    this.settlements.add(message, settlement);
    if (this.scheduled || !this.open) return;
    this.scheduled = true;
    // What a program says of a batch, one message after the other, goes in one frame.
    later(() => {
      this.scheduled = false;
      this.flush();
    });
  }

  private async receiveLater(timeoutMs?: number): Promise<Message | undefined> {
    for (;;) {
      const message = await this.inbox.receive(timeoutMs);
      if (!message || !this.tooLate(message)) return message;
    }
  }

  private takeNow(): Message | undefined {
    while (this.inbox.size > 0) {
      const message = this.inbox.shift();
      if (!this.tooLate(message)) return message;
    }
    return undefined;
  }

  /** It has waited here for too long and comes again; to hand it out as well would be twice. */
  private tooLate(message: Message): boolean {
    if (message.expiresAt === 0 || message.expiresAt > Date.now()) return false;
    this.forget(message);
    return true;
  }

  private connect(): void {
    this.session = this.begin();
  }

  private begin(): Session {
    const isCurrent = () => session === this.session;
    const session: Session = this.openSession(this.openFrame(), this, {
      opened: (opened) => {
        if (session === this.next) this.goOver(session);
        this.opened(opened);
      },
      messages: (batch) => this.received(batch),
      settled: (id, results) => this.answered(id, results),
      heartbeat: ({ resumeToken }) => {
        if (isCurrent()) this.resumeToken = resumeToken || this.resumeToken;
      },
      gap: (gap) => this.options.onGap?.(gap),
      draining: (draining) => {
        if (isCurrent()) this.draining(draining);
      },
      closed: (error) => {
        if (isCurrent()) this.lost(error);
        else if (session === this.next) this.notOpened(error);
      },
    });
    return session;
  }

  private openFrame(): ConsumeOpen {
    const { options, source } = this;
    const maxOutstandingMessages = options.maxOutstanding ?? DEFAULT_WINDOW;
    const leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS;
    const held = [...this.adopted, ...this.deliveries.values()];
    const offered = held.filter((message) => message.token).slice(0, maxOutstandingMessages);
    this.offered = offered.map((message) => ({ message, token: message.token }));
    return create(ConsumeOpenSchema, {
      stream: this.stream,
      source:
        typeof source === "string"
          ? { case: "consumer", value: source }
          : { case: "ephemeral", value: fromConfig(EphemeralConsumerSchema, source) },
      flow: {
        maxOutstandingMessages,
        maxOutstandingBytes: options.maxOutstandingBytes ? BigInt(options.maxOutstandingBytes) : undefined,
      },
      onSessionEnd: { delayed: OnSessionEnd.NAK_DELAYED, now: OnSessionEnd.NAK, leave: OnSessionEnd.LEAVE }[
        options.onSessionEnd ?? "delayed"
      ],
      held: this.offered.map(({ token }) => token),
      resumeToken: this.resumeToken,
      lease: leaseMs > 0 ? { autoExtend: true, max: durationFromMs(Math.max(1_000, leaseMs)) } : undefined,
      priority: options.priority,
      clientName: options.clientName,
    });
  }

  private opened(opened: SessionOpened): void {
    this.open = true;
    this.backoff.reset();
    this.resumeToken = opened.resumeToken || this.resumeToken;
    const ackWaitMs = opened.ackWait ? durationMs(opened.ackWait) : 0;
    if (this.options.leaseMs === 0) this.ackWaitMs = ackWaitMs;
    else this.renewEveryMs = ackWaitMs / 4;
    this.adopt(opened);
    if (this.drainAsked) this.session!.drain();
    this.flush();
  }

  /** What the new session holds has new tokens; the rest is no longer ours and comes again. */
  private adopt(opened: SessionOpened): void {
    const lost = new Set(opened.notHeld);
    let at = 0;
    for (const { message, token } of this.offered) {
      if (!lost.has(token)) message.renewedToken = opened.held[at++] ?? message.token;
      else if (this.adopted.delete(message)) this.inbox.remove(message);
    }
    this.offered = [];
    this.wakeSettled();
  }

  private received(batch: Batch): void {
    const expiresAt = this.ackWaitMs > 0 ? Date.now() + this.ackWaitMs : 0;
    for (const message of batch.messages) {
      message.expiresAt = expiresAt;
      if (message.hasToken) {
        const number = this.deliveries.push(message);
        // The numbers of a session begin at 1 and leave out none.
        if (number !== message.deliveryId) return this.session!.cancel();
      } else message.settled = true;
    }
    this.resumeToken = batch.resumeToken || this.resumeToken;
    this.inbox.push(batch.messages);
  }

  /** The gateway is about to end the session: until it does, tokens are renewed on time, to be taken along. */
  private draining({ deadline }: Draining): void {
    const end = deadline ? timestampDate(deadline).getTime() : Date.now();
    this.renew(end);
    clearInterval(this.renewing);
    if (this.renewEveryMs > 0) this.renewing = setInterval(() => this.renew(end), this.renewEveryMs);
    this.retiredAt ??= Date.now();
    this.flush();
    this.moveOn();
    this.moving ??= setTimeout(() => this.moveOn(), LAST_TOKENS_MS);
  }

  /**
   * Opens the next session beside one that its gateway is about to end, once what was said is answered and the tokens are
   * fresh. What concerns messages waits until that has taken over.
   */
  private moveOn(): void {
    if (this.retiredAt === undefined || this.next || this.stopping || !this.open || Date.now() < this.notBefore) return;
    if (!this.settlements.heard && Date.now() < this.retiredAt + LAST_TOKENS_MS) return;
    const next = (this.next = this.begin());
    // Tokens that have expired meanwhile would not be taken over: then it is tried again with fresh ones.
    if (this.renewEveryMs === 0 || this.offered.length === 0) return;
    clearTimeout(this.moving);
    this.moving = setTimeout(() => {
      if (this.next === next) next.abort("no gateway opens the session in time");
    }, 2 * this.renewEveryMs);
  }

  /** Everything is with the next session. */
  private goOver(next: Session): void {
    const before = this.session;
    clearInterval(this.renewing);
    clearTimeout(this.moving);
    this.moving = undefined;
    this.retiredAt = undefined;
    this.next = undefined;
    this.session = next;
    this.unbind();
    before?.end();
    if (before) setTimeout(() => before.cancel(), ANSWERING_MS).unref?.();
  }

  private notOpened(error: JetgateError | undefined): void {
    this.next = undefined;
    const wait = this.backoff.next(error?.retryDelayMs);
    if (!this.session) {
      this.retrying = setTimeout(() => this.connect(), wait);
      return;
    }
    this.notBefore = Date.now() + wait;
    clearTimeout(this.moving);
    this.moving = setTimeout(() => this.moveOn(), wait + 1);
    this.flush();
  }

  /** Asks for fresh tokens of what is held, but for those that outlast the session by far. */
  private renew(end: number): void {
    for (const message of [...this.deliveries.values(), ...this.adopted]) {
      if (message.ackDeadline && message.ackDeadline.getTime() > end + 5_000) continue;
      this.settle(message, { kind: SettlementKind.IN_PROGRESS, done: () => undefined });
    }
  }

  private flush(): void {
    if (!this.open || this.next || this.settlements.sent) return;
    for (const frame of this.settlements.frames()) this.session!.settle(frame);
  }

  private answered(settleId: number, results: ItemStatus[]): void {
    this.settlements.answered(settleId).forEach((item, at) => this.judge(item, results[at]));
    this.wakeSettled();
    this.moveOn();
  }

  private judge({ settlement, messages }: Item, result: ItemStatus | undefined): void {
    const renewed = result?.metadata.ack_token;
    if (renewed && settlement.kind === SettlementKind.IN_PROGRESS) messages[0].renewedToken = renewed;
    const error = fromItem(result);
    if (settlement.done) settlement.done(error);
    else if (error) for (const message of messages) this.options.onSettleFailed?.(error, message);
  }

  private forget(message: Message): void {
    if (message.deliveryId === 0) this.adopted.delete(message);
    else this.deliveries.take(message.deliveryId);
    if (this.outstanding === 0) this.wakeSettled();
  }

  /** The session is over. What is held is taken along to the next; what was said and not answered is said again. */
  private lost(error: JetgateError | undefined): void {
    const wasOpen = this.open;
    const wasAnnounced = this.retiredAt !== undefined;
    clearInterval(this.renewing);
    clearTimeout(this.moving);
    this.moving = undefined;
    this.retiredAt = undefined;
    this.session = undefined;
    this.open = false;
    if (this.stopping && (!error || this.inbox.closed)) return this.finish(undefined);
    if (!error && typeof this.source !== "string") return this.finish(undefined);
    const goesOn = !error || wasAnnounced || worthReconnecting(error) || this.anotherConsumer(error);
    if (!goesOn) return this.finish(error);
    this.unbind();
    if (wasOpen) this.options.onDisconnected?.(error);
    if (this.next) return;
    this.retrying = setTimeout(() => this.connect(), this.backoff.next(error?.retryDelayMs));
  }

  /** An ephemeral consumer was made anew under another name, and knows nothing of what we hold: it comes again. */
  private anotherConsumer(error: JetgateError): boolean {
    if (typeof this.source === "string" || this.offered.length === 0 || error.reason !== "INVALID_REQUEST") return false;
    for (const message of this.adopted) this.inbox.remove(message);
    this.adopted.clear();
    return true;
  }

  /** Numbers count in one session only: from now on everything is known by its token. */
  private unbind(): void {
    for (const message of this.deliveries.values()) {
      this.adopted.add(message);
      message.deliveryId = 0;
    }
    this.deliveries.clear();
    this.settlements.rewind();
  }

  /** Nothing comes any more. What was said and is not known to be heard goes to any gateway, by calls. */
  private finish(error: JetgateError | undefined): void {
    if (this.over) return;
    this.over = true;
    this.next?.cancel();
    this.next = undefined;
    this.inbox.end(error);
    const left = this.settlements.takeAll();
    for (const { message, settlement } of left) {
      if (settlement.kind === SettlementKind.IN_PROGRESS) settlement.done?.(error ?? sessionOver());
      else this.settleByToken(message, settlement);
    }
    if (left.length === 0) this.end();
    else void this.tokens.flushed().then(this.end);
  }

  private settleByToken(message: Message, settlement: Settlement): void {
    const done = (error: Error | undefined) => {
      if (error && settlement !== GIVEN_BACK) this.unheard = true;
      if (settlement.done) settlement.done(error);
      else if (error) this.options.onSettleFailed?.(error as JetgateError, message);
    };
    this.tokens.settle(message, { ...settlement, done });
  }

  private allSettled(): Promise<void> {
    return this.wait(() => this.outstanding === 0 && this.settlements.heard);
  }

  private allHeard(): Promise<void> {
    return this.wait(() => this.settlements.heard);
  }

  private async wait(until: () => boolean): Promise<void> {
    while (!until()) await new Promise<void>((resolve) => this.settledWaiters.push(resolve));
  }

  private wakeSettled(): void {
    for (const resolve of this.settledWaiters.splice(0)) resolve();
  }
}

function toStep(value: Message | undefined): IteratorResult<Message, undefined> {
  return value ? { value, done: false } : { value: undefined, done: true };
}

/** After everything that can run now. */
const later: (run: () => void) => void =
  typeof setImmediate === "function" ? (run) => void setImmediate(run) : (run) => void setTimeout(run, 0);

/** Waits for the first of these, for so long at most. */
async function within(ms: number, ...any: Promise<unknown>[]): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([...any, late]);
  clearTimeout(timer);
}

function sessionOver(): JetgateError {
  const message = "the session has ended before the acknowledgement was answered";
  return new JetgateError({ code: 14, reason: "ACK_OUTCOME_UNKNOWN", message });
}
