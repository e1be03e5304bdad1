// What the sessions of Consume and of Subscribe have in common.

import type { Call, Channel } from "../channel.js";
import { Code, JetgateError } from "../errors.js";
import type { ItemStatus } from "../gen/jetgate/v1/error_pb.js";
import type { Draining, Gap, SessionHeartbeat, SessionOpened } from "../gen/jetgate/v1/session_pb.js";
import { type Batch, MESSAGES, readBatch } from "./batch.js";
import type { Settler } from "./message.js";
import type { Frame } from "./settlements.js";

/** How often the gateway says something at least. */
export const HEARTBEAT_MS = 15_000;
/** How long the gateway may take to open a session. */
const OPENING_MS = 15_000;

/** Who is told what happens in a session. */
export interface SessionHandler {
  opened(opened: SessionOpened): void;
  messages(batch: Batch): void;
  settled(settleId: number, results: ItemStatus[]): void;
  heartbeat(heartbeat: SessionHeartbeat): void;
  gap(gap: Gap): void;
  draining(draining: Draining): void;
  closed(error: JetgateError | undefined): void;
}

/** Anything but messages that a frame may say. */
export type Event =
  | { case: "opened"; value: SessionOpened }
  | { case: "heartbeat"; value: SessionHeartbeat }
  | { case: "gap"; value: Gap }
  | { case: "draining"; value: Draining }
  | { case: "settled"; value: { settleId: bigint; results: ItemStatus[] } }
  | { case: "pong"; value: unknown }
  | { case: undefined; value?: undefined };

/** A session of a consumer, as the consumer uses it. */
export interface Session {
  /** Settles; `handler.settled` is told the results, by the frame's id. */
  settle(frame: Frame): void;

  /** No more messages; the session ends when all are settled. */
  drain(): void;

  /** Ends in order: what was settled is still taken. */
  end(): void;

  /** Ends at once. */
  cancel(): void;

  /** Ends at once, as the gateway says nothing: whatever is called next goes to another one. */
  abort(message: string): void;

  /** Reads no more until `resume`. */
  pause(): void;
  resume(): void;
}

/** The gateway's side of a session: reads frames, and waits for the first. */
export class Incoming {
  readonly call: Call;
  private readonly opening: ReturnType<typeof setTimeout>;
  private gone: JetgateError | undefined;

  constructor(
    channel: Channel,
    path: string,
    settler: Settler | undefined,
    decode: (frame: Uint8Array) => Event,
    private readonly handler: SessionHandler,
    heard: () => void,
    over: () => void,
  ) {
    this.call = channel.call(path, {}, {
      message: (frame) => {
        heard();
        if (frame[0] === MESSAGES) handler.messages(readBatch(frame, settler));
        else this.tell(decode(frame));
      },
      closed: (error) => {
        clearTimeout(this.opening);
        over();
        handler.closed(this.gone ?? error);
      },
    });
    this.opening = setTimeout(() => this.abort("the gateway has not opened the session"), OPENING_MS);
  }

  /** Gives the session up: another gateway may answer. */
  abort(message: string): void {
    this.gone = new JetgateError({ code: Code.UNAVAILABLE, message });
    this.call.leave();
    this.call.cancel();
  }

  private tell(event: Event): void {
    const { handler } = this;
    if (event.case === "opened") {
      clearTimeout(this.opening);
      handler.opened(event.value);
    } else if (event.case === "settled") handler.settled(Number(event.value.settleId), event.value.results);
    else if (event.case === "heartbeat") handler.heartbeat(event.value);
    else if (event.case === "gap") handler.gap(event.value);
    else if (event.case === "draining") {
      this.call.leave();
      handler.draining(event.value);
    }
  }
}
