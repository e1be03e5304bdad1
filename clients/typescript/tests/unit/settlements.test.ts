// What is said of messages is heard, over any number of sessions, and in the end taken out whole.

import * as assert from "node:assert/strict";
import { test } from "node:test";
import { Message } from "jetgate";
import { SettlementKind } from "#dist/consuming/message.js";
import { type Frame, Settlements } from "#dist/consuming/settlements.js";

/** Each message says of itself whether it was heard. */
class World {
  readonly settlements = new Settlements();
  readonly messages: Message[] = [];
  readonly heard = new Set<Message>();
  private frames: Frame[] = [];
  private numbered = 0;

  deliver(): void {
    const message = new Message(undefined, new Uint8Array(0), 0, 0);
    message.deliveryId = ++this.numbered;
    this.messages.push(message);
  }

  say(): void {
    const left = this.messages.filter(({ settled }) => !settled);
    const message = left[Math.floor(Math.random() * left.length)] as Message | undefined;
    if (!message) return;
    message.settled = true;
    const kind = Math.random() < 0.8 ? SettlementKind.ACK : SettlementKind.NAK;
    this.settlements.add(message, { kind, confirm: Math.random() < 0.1, done: kind === SettlementKind.NAK ? () => undefined : undefined });
  }

  send(): void {
    this.frames.push(...this.settlements.frames());
    assert.equal(this.settlements.sent, true);
  }

  answer(): void {
    const [frame] = this.frames.splice(Math.floor(Math.random() * this.frames.length), 1) as (Frame | undefined)[];
    if (!frame) return;
    assert.deepEqual(this.settlements.answered(frame.settleId), frame.items);
    for (const message of frame.items.flatMap(({ messages }) => messages)) this.hear(message);
    assert.deepEqual(this.settlements.answered(frame.settleId), []);
  }

  /** Numbers count in one session only. */
  lose(): void {
    for (const message of this.messages) message.deliveryId = 0;
    this.settlements.rewind();
    this.frames = [];
    this.numbered = 0;
  }

  hear(message: Message): void {
    assert.equal(this.heard.has(message), false);
    this.heard.add(message);
  }
}

test("everything that was said is heard once, or left to be said in the end", () => {
  for (let round = 0; round < 50; round++) {
    const world = new World();
    for (let step = 0; step < 600; step++) {
      const dice = Math.random();
      if (dice < 0.4) world.deliver();
      else if (dice < 0.75) world.say();
      else if (dice < 0.85) world.send();
      else if (dice < 0.98) world.answer();
      else world.lose();
      const said = world.messages.filter(({ settled }) => settled).length;
      assert.equal(world.settlements.heard, world.heard.size === said);
    }
    for (const { message } of world.settlements.takeAll()) world.hear(message);
    assert.equal(world.settlements.heard, true);
    assert.deepEqual(new Set(world.messages.filter(({ settled }) => settled)), world.heard);
  }
});
