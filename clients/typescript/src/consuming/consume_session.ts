// A session over Consume: acknowledgements go back in the same stream.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { Channel } from "../channel.js";
import {
  type ConsumeOpen,
  type ConsumeRequest,
  ConsumeRequestSchema,
  ConsumeResponseSchema,
} from "../gen/jetgate/v1/consume_pb.js";
import type { SessionOpened } from "../gen/jetgate/v1/session_pb.js";
import { Liveness } from "../liveness.js";
import type { Settler } from "./message.js";
import { type Event, HEARTBEAT_MS, Incoming, type Session, type SessionHandler } from "./session.js";
import { type Frame, settleFrame } from "./settlements.js";

const PATH = "/jetgate.v1.SubscriberService/Consume";

/** A bidirectional session. */
export class ConsumeSession implements Session {
  private readonly incoming: Incoming;
  private liveness: Liveness | undefined;

  constructor(channel: Channel, open: ConsumeOpen, settler: Settler, handler: SessionHandler) {
    open.heartbeatInterval = durationFromMs(HEARTBEAT_MS);
    this.incoming = new Incoming(
      channel,
      PATH,
      settler,
      (frame) => fromBinary(ConsumeResponseSchema, frame).frame as Event,
      {
        ...handler,
        opened: (opened) => {
          this.live(opened);
          handler.opened(opened);
        },
      },
      () => this.liveness?.heard(),
      () => this.liveness?.stop(),
    );
    this.say({ case: "open", value: open });
  }

  settle(frame: Frame): void {
    this.liveness?.spoke();
    this.incoming.call.send(settleFrame(frame));
  }

  drain(): void {
    this.say({ case: "drain", value: { $typeName: "jetgate.v1.Drain" } });
  }

  end(): void {
    this.incoming.call.end();
  }

  cancel(): void {
    this.incoming.call.cancel();
  }

  abort(message: string): void {
    this.incoming.abort(message);
  }

  pause(): void {
    this.incoming.call.pause();
  }

  resume(): void {
    this.incoming.call.resume();
  }

  private live(opened: SessionOpened): void {
    const pingWithin = opened.pingWithin ? durationMs(opened.pingWithin) : 20_000;
    this.liveness = new Liveness(pingWithin, HEARTBEAT_MS, {
      ping: () => this.say({ case: "ping", value: { $typeName: "jetgate.v1.Ping", pingId: 0n } }),
      silent: () => this.abort("the gateway is silent"),
    });
  }

  private say(frame: ConsumeRequest["frame"]): void {
    this.incoming.call.send(toBinary(ConsumeRequestSchema, create(ConsumeRequestSchema, { frame })));
  }
}
