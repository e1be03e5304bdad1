// Settles messages that belong to no session, by their tokens, in calls of Acknowledge.

import { fromItem } from "../errors.js";
import type { SubscriberService } from "../gen/jetgate/v1/subscriber_pb.js";
import type { ServiceClient } from "../rpc.js";
import type { Message, Settlement, Settler } from "./message.js";
import { type Item, toAcknowledgement } from "./settlements.js";

/** The most items that a call takes. */
const MAX_ITEMS = 10_000;

/** What is said at about the same time goes in one call. */
export class TokenSettler implements Settler {
  private items: Item[] = [];
  private sending: Promise<void> = Promise.resolve();
  private scheduled = false;

  constructor(private readonly service: ServiceClient<typeof SubscriberService>) {}

  settle(message: Message, settlement: Settlement): void {
    this.items.push({ settlement, messages: [message] });
    if (this.scheduled) return;
    this.scheduled = true;
    setTimeout(() => {
      this.scheduled = false;
      this.sending = this.flushed();
    }, 0);
  }

  /** Resolves once everything that was said is answered. */
  async flushed(): Promise<void> {
    const items = this.items.splice(0);
    const calls = [this.sending];
    for (const confirm of [false, true]) {
      const some = items.filter(({ settlement }) => (settlement.confirm ?? false) === confirm);
      for (let at = 0; at < some.length; at += MAX_ITEMS) calls.push(this.send(some.slice(at, at + MAX_ITEMS), confirm));
    }
    await Promise.all(calls);
  }

  private async send(items: Item[], confirm: boolean): Promise<void> {
    try {
      const acknowledgements = items.map((item) => toAcknowledgement(item, false));
      const { results } = await this.service.acknowledge({ acknowledgements, confirm });
      items.forEach(({ settlement, messages: [message] }, at) => {
        message.renewedToken = results[at].metadata.ack_token ?? message.renewedToken;
        settlement.done?.(fromItem(results[at]));
      });
    } catch (error) {
      for (const { settlement } of items) settlement.done?.(error as Error);
    }
  }
}
