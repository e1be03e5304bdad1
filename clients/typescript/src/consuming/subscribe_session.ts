// A session over Subscribe: the gateway speaks, and acknowledgements are calls of their own. For browsers, which have no
// streams in both directions, and for ordered reads, which acknowledge nothing.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Channel } from "../channel.js";
import { Code, JetgateError } from "../errors.js";
import { type ItemStatus, ItemStatusSchema } from "../gen/jetgate/v1/error_pb.js";
import {
  type SubscribeRequest,
  SubscribeRequestSchema,
  SubscribeResponseSchema,
  SubscriberService,
} from "../gen/jetgate/v1/subscriber_pb.js";
import { Liveness } from "../liveness.js";
import { type ServiceClient, serviceClient } from "../rpc.js";
import type { Settler } from "./message.js";
import { type Event, HEARTBEAT_MS, Incoming, type Session, type SessionHandler } from "./session.js";
import { type Frame, type Item, toAcknowledgement } from "./settlements.js";

const PATH = "/jetgate.v1.SubscriberService/Subscribe";

/** A session of one direction. */
export class SubscribeSession implements Session {
  private readonly incoming: Incoming;
  private readonly liveness: Liveness;
  private readonly service: ServiceClient<typeof SubscriberService>;
  private paused = false;

  constructor(
    channel: Channel,
    open: SubscribeRequest,
    settler: Settler | undefined,
    private readonly handler: SessionHandler,
  ) {
    open.heartbeatInterval = durationFromMs(HEARTBEAT_MS);
    this.service = serviceClient(channel, SubscriberService);
    this.liveness = new Liveness(Infinity, HEARTBEAT_MS, {
      ping: () => undefined,
      // What is not read is not heard.
      silent: () => (this.paused ? this.liveness.heard() : this.abort("the gateway is silent")),
    });
    this.incoming = new Incoming(
      channel,
      PATH,
      settler,
      (frame) => fromBinary(SubscribeResponseSchema, frame).event as Event,
      handler,
      () => this.liveness.heard(),
      () => this.liveness.stop(),
    );
    this.incoming.call.send(toBinary(SubscribeRequestSchema, create(SubscribeRequestSchema, open)));
    this.incoming.call.end();
  }

  settle({ settleId, items, confirm }: Frame): void {
    void this.acknowledge(items, confirm).then((results) => this.handler.settled(settleId, results));
  }

  drain(): void {
    // A session of one direction has no word for it. What is not read is given back when it ends.
    this.pause();
  }

  end(): void {
    this.incoming.call.cancel();
  }

  cancel(): void {
    this.incoming.call.cancel();
  }

  abort(message: string): void {
    this.incoming.abort(message);
  }

  pause(): void {
    this.paused = true;
    this.incoming.call.pause();
  }

  resume(): void {
    this.paused = false;
    this.liveness.heard();
    this.incoming.call.resume();
  }

  /** Message by message, as numbers count in `Consume` only; one result for each item. */
  private async acknowledge(items: Item[], confirm: boolean): Promise<ItemStatus[]> {
    const single = items.flatMap((item) => item.messages.map((message) => ({ ...item, messages: [message] })));
    const acknowledgements = single.map((item) => toAcknowledgement(item, false));
    try {
      const { results } = await this.service.acknowledge({ acknowledgements, confirm });
      let at = 0;
      return items.map((item) => {
        const own = results.slice(at, (at += item.messages.length));
        return own.find((result) => result.code !== 0) ?? own[0];
      });
    } catch (error) {
      const code = error instanceof JetgateError ? error.code : Code.INTERNAL;
      const status = create(ItemStatusSchema, { code, message: (error as Error).message });
      return items.map(() => status);
    }
  }
}
