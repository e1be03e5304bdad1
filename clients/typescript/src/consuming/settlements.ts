// Collects what is said of messages until it is sent, and encodes it: whole ranges of deliveries where they allow it.

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

/** The most items that a frame may have. */
const MAX_ITEMS = 10_000;

/** What was said and not sent. */
export class Settlements {
  /** Plain acknowledgements, by far the most. */
  private acks: Message[] = [];
  private sorted = true;
  private others: Item[] = [];

  /** Whether there is nothing. */
  get empty(): boolean {
    return this.acks.length === 0 && this.others.length === 0;
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

  /** Takes what there is, as items of frames; those that ask JetStream to confirm have frames of their own. */
  take(): { confirm: boolean; items: Item[] }[] {
    const plain = this.takeAcks();
    const confirmed: Item[] = [];
    for (const item of this.others) (item.settlement.confirm ? confirmed : plain).push(item);
    this.others = [];
    const frames: { confirm: boolean; items: Item[] }[] = [];
    for (let at = 0; at < plain.length; at += MAX_ITEMS) frames.push({ confirm: false, items: plain.slice(at, at + MAX_ITEMS) });
    for (let at = 0; at < confirmed.length; at += MAX_ITEMS) {
      frames.push({ confirm: true, items: confirmed.slice(at, at + MAX_ITEMS) });
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
export function settleFrame(settleId: number, items: Item[], confirm: boolean): Uint8Array {
  const acknowledgements = items.map((item) => toAcknowledgement(item, true));
  const value = { settleId: BigInt(settleId), acknowledgements, confirm };
  return toBinary(ConsumeRequestSchema, create(ConsumeRequestSchema, { frame: { case: "settle", value } }));
}
