// Keeps what is said of messages until it is heard, and encodes it: whole ranges of deliveries where they allow it.

import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ConsumeRequestSchema } from "../gen/jetgate/v1/consume_pb.js";
import { type Acknowledgement, AcknowledgementSchema } from "../gen/jetgate/v1/session_pb.js";
import { type Message, type Settlement, SettlementKind } from "./message.js";

/** One item of a frame: what is said of messages that are settled together. */
export interface Item {
  settlement: Settlement;
  messages: Message[];
}

/** Items that are sent together. Those that ask JetStream to confirm have frames of their own. */
export interface Frame {
  /** The answer names it. */
  settleId: number;
  items: Item[];
  confirm: boolean;
}

/** The most items that a frame may have. */
const MAX_ITEMS = 10_000;

/** What was said and is not known to be heard. */
export class Settlements {
  /** Plain acknowledgements that are not sent, by far the most. */
  private acks: Message[] = [];
  private sorted = true;
  private others: Item[] = [];
  private readonly unanswered = new Map<number, Frame>();
  private nextSettleId = 1;

  /** Whether everything was sent. */
  get sent(): boolean {
    return this.acks.length === 0 && this.others.length === 0;
  }

  /** Whether everything was sent and answered. */
  get heard(): boolean {
    return this.sent && this.unanswered.size === 0;
  }

  /** Notes what is said of a message. */
  add(message: Message, settlement: Settlement): void {
    if (settlement.kind !== SettlementKind.ACK || settlement.done || message.deliveryId === 0) {
      this.others.push({ settlement, messages: [message] });
      return;
    }
    const last = this.acks.at(-1);
    if (last && last.deliveryId > message.deliveryId) this.sorted = false;
    this.acks.push(message);
  }

  /** What is to be sent; it counts as sent. */
  frames(): Frame[] {
    const plain = this.takeAcks();
    const confirmed: Item[] = [];
    for (const item of this.others) (item.settlement.confirm ? confirmed : plain).push(item);
    this.others = [];
    return [...this.cut(plain, false), ...this.cut(confirmed, true)];
  }

  /** A frame was answered: its items. */
  answered(settleId: number): Item[] {
    const frame = this.unanswered.get(settleId);
    this.unanswered.delete(settleId);
    return frame?.items ?? [];
  }

  /** The session is over: what it has not answered is said again, of messages that are known by their tokens from now on. */
  rewind(): void {
    for (const { message, settlement } of this.takeAll()) {
      message.deliveryId = 0;
      this.add(message, settlement);
    }
  }

  /** Takes out everything, message by message. */
  takeAll(): { message: Message; settlement: Settlement }[] {
    const items = [...this.unanswered.values()].flatMap((frame) => frame.items);
    items.push(...this.takeAcks(), ...this.others);
    this.unanswered.clear();
    this.others = [];
    return items.flatMap(({ settlement, messages }) => messages.map((message) => ({ message, settlement })));
  }

  private cut(items: Item[], confirm: boolean): Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at < items.length; at += MAX_ITEMS) {
      const frame = { settleId: this.nextSettleId++, items: items.slice(at, at + MAX_ITEMS), confirm };
      this.unanswered.set(frame.settleId, frame);
      frames.push(frame);
    }
    return frames;
  }

  /** Acknowledgements as runs of deliveries that follow one another. */
  private takeAcks(): Item[] {
    const { acks } = this;
    this.acks = [];
    if (!this.sorted) acks.sort((one, other) => one.deliveryId - other.deliveryId);
    this.sorted = true;
    const items: Item[] = [];
    let start = 0;
    for (let at = 1; at <= acks.length; at++) {
      if (at < acks.length && acks[at].deliveryId === acks[at - 1].deliveryId + 1) continue;
      items.push({ settlement: ACK, messages: start === 0 && at === acks.length ? acks : acks.slice(start, at) });
      start = at;
    }
    return items;
  }
}

const ACK: Settlement = { kind: SettlementKind.ACK };

/**
 * An item as the contract has it: by its numbers, which count in one session, or by its token, which counts everywhere.
 * More time is asked for by token: the answer to a range brings no fresh one.
 */
export function toAcknowledgement(item: Item, numbersCount: boolean): Acknowledgement {
  const { kind, delayMs, reason } = item.settlement;
  const [first] = item.messages;
  const last = item.messages[item.messages.length - 1];
  const byNumber = numbersCount && first.deliveryId !== 0 && kind !== SettlementKind.IN_PROGRESS;
  return create(AcknowledgementSchema, {
    target: byNumber
      ? { case: "range", value: { first: BigInt(first.deliveryId), last: BigInt(last.deliveryId) } }
      : { case: "ackToken", value: first.token },
    kind: kind as number,
    delay: delayMs === undefined || delayMs <= 0 ? undefined : durationFromMs(Math.round(delayMs)),
    reason,
  });
}

/** The frame of `Consume` that settles items. */
export function settleFrame({ settleId, items, confirm }: Frame): Uint8Array {
  const acknowledgements = items.map((item) => toAcknowledgement(item, true));
  const value = { settleId: BigInt(settleId), acknowledgements, confirm };
  return toBinary(ConsumeRequestSchema, create(ConsumeRequestSchema, { frame: { case: "settle", value } }));
}
